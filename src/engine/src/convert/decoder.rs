//! Builds the decoder graph: some tokens and the cache of those before them in, logits and the grown cache out.
//!
//! One graph serves the first call (empty cache) and all later ones; it accepts several tokens at once under a causal
//! mask, which is what drafts need. Cross-attention queries are outputs, for word times.

use super::attention::queries_keys_values;
use super::graph::{ABSENT, GraphBuilder, int};
use super::int8::Int8Matrix;
use super::moonshine::{
    Geometry, LOGITS, POSITIONS, TOKENS, cross_query, memory_key, memory_value, past_key, past_value,
    present_key, present_value, rotary_tables,
};
use super::source::SourceModel;
use super::{ConvertError, WeightRange};
use rten_onnx::onnx::DataType;

/// Positions the rotary tables reach: 6 tokens a second of the longest unit is 181.
const MAX_TOKENS: usize = 512;

/// The embedding table, which the logits product shares.
const EMBEDDING: &str = "model.decoder.embed_tokens.weight_merged_0";

/// Returns the decoder graph as an ONNX file.
pub(super) fn build(
    source: &SourceModel,
    geometry: &Geometry,
    range: WeightRange,
) -> Result<Vec<u8>, ConvertError> {
    let mut graph = GraphBuilder::default();
    let tokens = graph.input(TOKENS, DataType::INT64, &[None]);
    let positions = graph.input(POSITIONS, DataType::INT64, &[Some(1), None]);
    let embedding = embedding(&mut graph, source, geometry, range)?;
    let (cos, sin) = rotation(&mut graph, source, &positions)?;
    let mut state = embed(&mut graph, &embedding, &tokens);
    for layer in 0..geometry.decoder_layers {
        state = block(&mut graph, source, geometry, range, layer, &state, (&cos, &sin))?;
    }
    let state = graph.layer_norm(&state, &source.floats("model.decoder.norm.weight")?);
    let state = graph.quantise(&state);
    let logits = graph.linear_by(&state, &embedding.weight, &embedding.scales);
    graph.named_node("Identity", &[&logits], &[LOGITS], vec![]);
    graph.output(LOGITS, DataType::FLOAT);
    graph.finish()
}

struct Embedding {
    /// `[hidden, vocabulary]`, int8.
    weight: String,
    /// `[vocabulary]`.
    scales: String,
}

fn embedding(
    graph: &mut GraphBuilder,
    source: &SourceModel,
    geometry: &Geometry,
    range: WeightRange,
) -> Result<Embedding, ConvertError> {
    let (hidden, vocabulary) = (geometry.hidden(), geometry.vocabulary);
    let values = source.bytes(&format!("{EMBEDDING}_quantized"))?;
    let scale = source.float(&format!("{EMBEDDING}_scale"))?;
    let zero_point = source.bytes(&format!("{EMBEDDING}_zero_point"))?;
    let &[zero_point] = &zero_point[..] else {
        return Err(source.lacks(EMBEDDING));
    };
    if values.len() != hidden * vocabulary {
        return Err(source.lacks(EMBEDDING));
    }
    let matrix = Int8Matrix::recode(
        hidden,
        vocabulary,
        |row, column| values[column * hidden + row] - zero_point,
        scale,
        range,
    );
    Ok(Embedding {
        weight: graph.int8(&[hidden, vocabulary], &matrix.values),
        scales: graph.floats(&[vocabulary], &matrix.scales),
    })
}

/// Looks the tokens up in the columns of the logits weight, so that the table is held once.
fn embed(graph: &mut GraphBuilder, embedding: &Embedding, tokens: &str) -> String {
    let columns = graph.node("Gather", &[&embedding.weight, tokens], vec![int("axis", 1)]);
    let columns = graph.node("Cast", &[&columns], vec![int("to", i64::from(DataType::FLOAT.0))]);
    let scales = graph.node("Gather", &[&embedding.scales, tokens], vec![int("axis", 0)]);
    let columns = graph.node("Mul", &[&columns, &scales], vec![]);
    let rows = graph.node("Transpose", &[&columns], vec![]);
    let axis = graph.ints(&[1], &[0]);
    graph.node("Unsqueeze", &[&rows, &axis], vec![])
}

/// The rotation of each given position, `[1, tokens, dims / 2]`.
fn rotation(
    graph: &mut GraphBuilder,
    source: &SourceModel,
    positions: &str,
) -> Result<(String, String), ConvertError> {
    let frequencies = source.floats("/model/decoder/rotary_emb/Cast_1_output_0")?;
    let tables = rotary_tables(&frequencies, MAX_TOKENS);
    let sizes = [MAX_TOKENS, frequencies.len()];
    let mut look_up = |table: &[f32]| {
        let table = graph.floats(&sizes, table);
        graph.node("Gather", &[&table, positions], vec![int("axis", 0)])
    };
    Ok((look_up(&tables.cos), look_up(&tables.sin)))
}

fn block(
    graph: &mut GraphBuilder,
    source: &SourceModel,
    geometry: &Geometry,
    range: WeightRange,
    layer: usize,
    state: &str,
    rotation: (&str, &str),
) -> Result<String, ConvertError> {
    let matrix =
        |part: &str| source.matrix(&format!("/model/decoder/layers.{layer}/{part}/MatMul_quant"), range);
    let floats = |part: &str| source.floats(&format!("model.decoder.layers.{layer}.{part}"));
    let norm = floats("input_layernorm.weight")?;
    let projections = [matrix("self_attn/q_proj")?, matrix("self_attn/k_proj")?, matrix("self_attn/v_proj")?];
    let turned = queries_keys_values(graph, geometry, state, &norm, &projections, rotation);
    let said = self_attention(graph, geometry, layer, turned.each_ref().map(String::as_str));
    let said = graph.quantise(&said);
    let said = graph.linear(&said, &matrix("self_attn/dense")?);
    let state = graph.node("Add", &[state, &said], vec![]);

    let normal = graph.layer_norm(&state, &floats("post_attention_layernorm.weight")?);
    let normal = graph.quantise(&normal);
    let query = graph.linear(&normal, &matrix("encoder_attn/q_proj")?);
    let heard = cross_attention(graph, geometry, layer, &query);
    let heard = graph.quantise(&heard);
    let heard = graph.linear(&heard, &matrix("encoder_attn/dense")?);
    let state = graph.node("Add", &[&state, &heard], vec![]);

    let normal = graph.layer_norm(&state, &floats("final_layernorm.weight")?);
    let normal = graph.quantise(&normal);
    let inner = graph.linear(&normal, &matrix("mlp/up_proj")?);
    let bias = floats("mlp.up_proj.bias")?;
    let half = i64::try_from(bias.len() / 2).map_err(|_| source.lacks("mlp.up_proj.bias"))?;
    let inner = graph.bias(&inner, &bias);
    let halves = graph.split(&inner, [half, half]);
    let gate = graph.node("Swish", &[&halves[1]], vec![]);
    let inner = graph.node("Mul", &[&gate, &halves[0]], vec![]);
    let inner = graph.quantise(&inner);
    let inner = graph.linear(&inner, &matrix("mlp/down_proj")?);
    let inner = graph.bias(&inner, &floats("mlp.down_proj.bias")?);
    Ok(graph.node("Add", &[&state, &inner], vec![]))
}

/// Attention to the tokens so far; grows the cache in place where it has room.
fn self_attention(
    graph: &mut GraphBuilder,
    geometry: &Geometry,
    layer: usize,
    [query, key, value]: [&str; 3],
) -> String {
    let sizes = [Some(1), Some(geometry.heads), None, Some(geometry.head_size)];
    let past_key = graph.input(&past_key(layer), DataType::FLOAT, &sizes);
    let past_value = graph.input(&past_value(layer), DataType::FLOAT, &sizes);
    let (present_key, present_value) = (present_key(layer), present_value(layer));
    let output = format!("self_attention.{layer}");
    let heads = geometry.heads_i64();
    graph.named_node(
        "Attention",
        &[query, key, value, ABSENT, &past_key, &past_value],
        &[&output, &present_key, &present_value],
        vec![int("q_num_heads", heads), int("kv_num_heads", heads), int("is_causal", 1)],
    );
    graph.output(&present_key, DataType::FLOAT);
    graph.output(&present_value, DataType::FLOAT);
    output
}

/// Attention to the audio.
fn cross_attention(graph: &mut GraphBuilder, geometry: &Geometry, layer: usize, query: &str) -> String {
    let sizes = [Some(1), None, Some(geometry.hidden())];
    let key = graph.input(&memory_key(layer), DataType::FLOAT, &sizes);
    let value = graph.input(&memory_value(layer), DataType::FLOAT, &sizes);
    if geometry.aligns(layer) {
        let name = cross_query(layer);
        graph.named_node("Identity", &[query], &[&name], vec![]);
        graph.output(&name, DataType::FLOAT);
    }
    let heads = geometry.heads_i64();
    let attributes = vec![int("q_num_heads", heads), int("kv_num_heads", heads)];
    graph.node("Attention", &[query, &key, &value], attributes)
}
