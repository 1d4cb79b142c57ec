//! Builds the encoder graph: samples in, the keys and values that the decoder attends to out.
//!
//! The last step, the projection to cross-attention keys and values, comes from the decoder file: it is done once per
//! utterance, so it belongs here and the decoder needs no first-pass variant.

use super::WeightRange;
use super::attention::queries_keys_values;
use super::graph::{GraphBuilder, float, int, ints};
use super::int8::Int8Matrix;
use super::moonshine::{Geometry, memory_key, memory_value, rotary_tables};
use super::source::SourceModel;
use super::{AUDIO, ConvertError};
use rten_onnx::onnx::DataType;

/// Positions the rotary tables reach: 41.7 a second, so about 49 s, beyond the longest unit.
const MAX_FRAMES: usize = 2048;

/// Returns the encoder graph as an ONNX file.
pub(super) fn build(
    encoder: &SourceModel,
    decoder: &SourceModel,
    geometry: &Geometry,
    range: WeightRange,
) -> Result<Vec<u8>, ConvertError> {
    let mut graph = GraphBuilder::default();
    let audio = graph.input(AUDIO, DataType::FLOAT, &[Some(1), None]);
    let mut state = stem(&mut graph, encoder, &audio)?;
    let (cos, sin) = rotation(&mut graph, encoder, &state)?;
    for layer in 0..geometry.encoder_layers {
        state = block(&mut graph, encoder, geometry, range, layer, &state, (&cos, &sin))?;
    }
    let state = graph.layer_norm(&state, &encoder.floats("layer_norm.weight")?);
    memory(&mut graph, decoder, geometry, range, &state)?;
    graph.finish()
}

/// Three convolutions: 16 kHz samples to 41.7 frames a second.
fn stem(graph: &mut GraphBuilder, source: &SourceModel, audio: &str) -> Result<String, ConvertError> {
    let axis = graph.ints(&[1], &[1]);
    let audio = graph.node("Unsqueeze", &[audio, &axis], vec![]);
    let state = conv(graph, source, "conv1", &audio, 64)?;
    let state = graph.node("Tanh", &[&state], vec![]);
    let state = group_norm(graph, source, &state)?;
    let state = conv(graph, source, "conv2", &state, 3)?;
    let state = graph.node("Gelu", &[&state], vec![]);
    let state = conv(graph, source, "conv3", &state, 2)?;
    let state = graph.node("Gelu", &[&state], vec![]);
    Ok(graph.node("Transpose", &[&state], vec![ints("perm", &[0, 2, 1])]))
}

/// A convolution whose int8 weights are stored as `value * scale + zero_point`.
fn conv(
    graph: &mut GraphBuilder,
    source: &SourceModel,
    name: &str,
    input: &str,
    stride: i64,
) -> Result<String, ConvertError> {
    let values = source.bytes(&format!("{name}.weight_quantized"))?;
    let sizes = source.sizes(&format!("{name}.weight_quantized"))?;
    let scale = source.float(&format!("{name}.weight_scale"))?;
    let offset = source.float(&format!("{name}.weight_zero_point"))?;
    let weights: Vec<f32> = values.iter().map(|value| f32::from(*value) * scale + offset).collect();
    let &[outputs, _, kernel] = &sizes[..] else {
        return Err(source.lacks(name));
    };
    let weight = graph.floats(&sizes, &weights);
    #[expect(clippy::cast_possible_wrap, reason = "a kernel has at most some hundred taps")]
    let attributes = vec![
        int("group", 1),
        ints("dilations", &[1]),
        ints("kernel_shape", &[kernel as i64]),
        ints("pads", &[0, 0]),
        ints("strides", &[stride]),
    ];
    match source.floats(&format!("{name}.bias")) {
        Ok(bias) => {
            let bias = graph.floats(&[outputs], &bias);
            Ok(graph.node("Conv", &[input, &weight, &bias], attributes))
        }
        Err(_) => Ok(graph.node("Conv", &[input, &weight], attributes)),
    }
}

/// Normalises all channels and frames together, then scales and shifts each channel.
fn group_norm(graph: &mut GraphBuilder, source: &SourceModel, state: &str) -> Result<String, ConvertError> {
    let scale = source.floats(source.node_input("/groupnorm/Mul", 1)?)?;
    let shift = source.floats(source.node_input("/groupnorm/Add", 1)?)?;
    let shape = graph.node("Shape", &[state], vec![]);
    let flat = graph.ints(&[3], &[0, 1, -1]);
    let state = graph.node("Reshape", &[state, &flat], vec![]);
    let one = graph.floats(&[1], &[1.0]);
    let zero = graph.floats(&[1], &[0.0]);
    let state = graph.node("InstanceNormalization", &[&state, &one, &zero], vec![float("epsilon", 1e-5)]);
    let state = graph.node("Reshape", &[&state, &shape], vec![]);
    let scale = graph.floats(&[scale.len(), 1], &scale);
    let shift = graph.floats(&[shift.len(), 1], &shift);
    let state = graph.node("Mul", &[&state, &scale], vec![]);
    Ok(graph.node("Add", &[&state, &shift], vec![]))
}

/// The rotation of every frame, `[1, frames, dims / 2]`, cut from tables to the length of this audio.
fn rotation(
    graph: &mut GraphBuilder,
    source: &SourceModel,
    state: &str,
) -> Result<(String, String), ConvertError> {
    let frequencies = source.floats("/rotary_emb/Cast_1_output_0")?;
    let tables = rotary_tables(&frequencies, MAX_FRAMES);
    let sizes = [1, MAX_FRAMES, frequencies.len()];
    let frames = graph.node("Shape", &[state], vec![int("start", 1), int("end", 2)]);
    let (start, axis) = (graph.ints(&[1], &[0]), graph.ints(&[1], &[1]));
    let mut cut = |table: &[f32]| {
        let table = graph.floats(&sizes, table);
        graph.node("Slice", &[&table, &start, &frames, &axis], vec![])
    };
    Ok((cut(&tables.cos), cut(&tables.sin)))
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
    let matrix = |part: &str| source.matrix(&format!("/layers.{layer}/{part}/MatMul_quant"), range);
    let floats = |part: &str| source.floats(&format!("layers.{layer}.{part}"));
    let norm = floats("input_layernorm.weight")?;
    let projections = [matrix("self_attn/q_proj")?, matrix("self_attn/k_proj")?, matrix("self_attn/v_proj")?];
    let [query, key, value] = queries_keys_values(graph, geometry, state, &norm, &projections, rotation);
    let heads = geometry.heads_i64();
    let attend = vec![int("q_num_heads", heads), int("kv_num_heads", heads)];
    let heard = graph.node("Attention", &[&query, &key, &value], attend);
    let heard = graph.quantise(&heard);
    let heard = graph.linear(&heard, &matrix("self_attn/dense")?);
    let state = graph.node("Add", &[state, &heard], vec![]);

    let normal = graph.layer_norm(&state, &floats("post_attention_layernorm.weight")?);
    let normal = graph.quantise(&normal);
    let inner = graph.linear(&normal, &matrix("mlp/fc1")?);
    let inner = graph.bias(&inner, &floats("mlp.fc1.bias")?);
    let inner = graph.node("Gelu", &[&inner], vec![]);
    let inner = graph.quantise(&inner);
    let inner = graph.linear(&inner, &matrix("mlp/fc2")?);
    let inner = graph.bias(&inner, &floats("mlp.fc2.bias")?);
    Ok(graph.node("Add", &[&state, &inner], vec![]))
}

/// The cross-attention keys and values of all decoder layers, in one product.
fn memory(
    graph: &mut GraphBuilder,
    decoder: &SourceModel,
    geometry: &Geometry,
    range: WeightRange,
    state: &str,
) -> Result<(), ConvertError> {
    let mut parts = Vec::new();
    let mut names = Vec::new();
    for layer in 0..geometry.decoder_layers {
        for (part, name) in [("k_proj", memory_key(layer)), ("v_proj", memory_value(layer))] {
            let node = format!("/model/decoder/layers.{layer}/encoder_attn/{part}/MatMul_quant");
            parts.push(decoder.matrix(&node, range)?);
            names.push(name);
        }
    }
    let state = graph.quantise(state);
    let projected = graph.linear(&state, &Int8Matrix::beside(&parts));
    let sizes = graph.ints(&[names.len()], &vec![geometry.hidden_i64(); names.len()]);
    let outputs: Vec<&str> = names.iter().map(String::as_str).collect();
    graph.named_node("Split", &[&projected, &sizes], &outputs, vec![int("axis", -1)]);
    for name in outputs {
        graph.output(name, DataType::FLOAT);
    }
    Ok(())
}
