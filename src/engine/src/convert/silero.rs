//! Rewrites the 16 kHz half of Silero VAD: convolutions over four frames become products with prepacked matrices.
//!
//! The published file holds both rates in an `If`, and rten repacks convolution weights on every call, which is most of
//! its time. The rewritten graph computes the same to rounding. Small enough to be made at every start.

use super::ConvertError;
use super::graph::{GraphBuilder, int};
use super::source::SourceModel;
use rten_onnx::onnx::DataType;

/// Input: `[4, 256]`, windows of the context, the frame and its end mirrored.
pub(crate) const WINDOWS: &str = "windows";
/// Input and output: recurrent state, `[1, 1, 128]` each.
pub(crate) const HIDDEN: &str = "hidden";
/// See [`HIDDEN`].
pub(crate) const CELL: &str = "cell";
/// Output: the state after the frame.
pub(crate) const NEXT_HIDDEN: &str = "next_hidden";
/// See [`NEXT_HIDDEN`].
pub(crate) const NEXT_CELL: &str = "next_cell";
/// Output: the probability of speech, `[1, 1]`.
pub(crate) const PROBABILITY: &str = "probability";

/// Windows of the short-time Fourier transform in a frame.
pub(crate) const WINDOW_COUNT: usize = 4;
/// Samples of a window.
pub(crate) const WINDOW_SAMPLES: usize = 256;
/// Values of the recurrent state.
pub(crate) const STATE_SIZE: usize = 128;

/// Names of constants in the branch for 16 kHz.
const PREFIX: &str = "If_0_then_branch__Inline_0__";

/// Returns the rewritten graph as an ONNX file.
pub(crate) fn convert_silero(published: &[u8]) -> Result<Vec<u8>, ConvertError> {
    let source = SourceModel::parse("voice detector", published)?;
    let mut graph = GraphBuilder::default();
    let windows = graph.input(WINDOWS, DataType::FLOAT, &[Some(WINDOW_COUNT), Some(WINDOW_SAMPLES)]);
    let state = spectrum(&mut graph, &source, &windows)?;
    // Rows of each window of three, counted from 1; 0 is the padding.
    let state = convolution(&mut graph, &source, 0, &state, &[0, 1, 2, 1, 2, 3, 2, 3, 4, 3, 4, 0])?;
    let state = convolution(&mut graph, &source, 1, &state, &[0, 1, 2, 2, 3, 4])?;
    let state = convolution(&mut graph, &source, 2, &state, &[0, 1, 2])?;
    let state = convolution(&mut graph, &source, 3, &state, &[0, 1, 0])?;
    let state = recurrence(&mut graph, &source, &state)?;
    let state = graph.node("Relu", &[&state], vec![]);
    let weight = floats(&source, "decoder.decoder.2.weight", STATE_SIZE)?;
    let weight = graph.floats(&[STATE_SIZE, 1], &weight);
    let state = graph.node("MatMul", &[&state, &weight], vec![]);
    let state = graph.bias(&state, &floats(&source, "decoder.decoder.2.bias", 1)?);
    graph.named_node("Sigmoid", &[&state], &[PROBABILITY], vec![]);
    graph.output(PROBABILITY, DataType::FLOAT);
    graph.finish()
}

fn floats(source: &SourceModel, name: &str, count: usize) -> Result<Vec<f32>, ConvertError> {
    let values = source.floats(&format!("{PREFIX}{name}"))?;
    if values.len() == count { Ok(values) } else { Err(source.lacks(name)) }
}

/// Magnitudes of the Fourier transform of each window.
fn spectrum(graph: &mut GraphBuilder, source: &SourceModel, windows: &str) -> Result<String, ConvertError> {
    let bins = WINDOW_SAMPLES / 2 + 1;
    let basis = floats(source, "stft.forward_basis_buffer", 2 * bins * WINDOW_SAMPLES)?;
    let basis = graph.floats(&[WINDOW_SAMPLES, 2 * bins], &transposed(&basis, 2 * bins, WINDOW_SAMPLES));
    let parts = graph.node("MatMul", &[windows, &basis], vec![]);
    let squares = graph.node("Mul", &[&parts, &parts], vec![]);
    #[expect(clippy::cast_possible_wrap, reason = "129")]
    let halves = graph.split(&squares, [bins as i64, bins as i64]);
    let power = graph.node("Add", &[&halves[0], &halves[1]], vec![]);
    Ok(graph.node("Sqrt", &[&power], vec![]))
}

/// A convolution of width 3 over the rows of `state`, as one product: `rows` says which rows make each window.
fn convolution(
    graph: &mut GraphBuilder,
    source: &SourceModel,
    layer: usize,
    state: &str,
    rows: &[i64],
) -> Result<String, ConvertError> {
    let name = format!("encoder.{layer}.reparam_conv.weight");
    let sizes = source.sizes(&format!("{PREFIX}{name}"))?;
    let &[outputs, inputs, 3] = &sizes[..] else {
        return Err(source.lacks(&name));
    };
    let published = floats(source, &name, outputs * inputs * 3)?;
    // Published as [output, input, tap]; a window is [tap, input].
    let weight = (0..3 * inputs).flat_map(|row| {
        let (tap, input) = (row / inputs, row % inputs);
        (0..outputs).map(move |output| (output * inputs + input) * 3 + tap)
    });
    let weight: Vec<f32> = weight.map(|index| published[index]).collect();
    let padding = graph.floats(&[1, inputs], &vec![0.0; inputs]);
    let padded = graph.node("Concat", &[&padding, state], vec![int("axis", 0)]);
    let rows_name = graph.ints(&[rows.len()], rows);
    let windows = graph.node("Gather", &[&padded, &rows_name], vec![int("axis", 0)]);
    #[expect(clippy::cast_possible_wrap, reason = "some hundred")]
    let shape = graph.ints(&[2], &[rows.len() as i64 / 3, 3 * inputs as i64]);
    let windows = graph.node("Reshape", &[&windows, &shape], vec![]);
    let weight = graph.floats(&[3 * inputs, outputs], &weight);
    let state = graph.node("MatMul", &[&windows, &weight], vec![]);
    let state = graph.bias(&state, &floats(source, &format!("encoder.{layer}.reparam_conv.bias"), outputs)?);
    Ok(graph.node("Relu", &[&state], vec![]))
}

/// One step of the LSTM; returns its output, `[1, 128]`.
fn recurrence(graph: &mut GraphBuilder, source: &SourceModel, state: &str) -> Result<String, ConvertError> {
    let size = STATE_SIZE;
    let dims = [Some(1), Some(1), Some(size)];
    let hidden = graph.input(HIDDEN, DataType::FLOAT, &dims);
    let cell = graph.input(CELL, DataType::FLOAT, &dims);
    let inward = onnx_gates(&floats(source, "decoder.rnn.weight_ih", 4 * size * size)?, size * size);
    let onward = onnx_gates(&floats(source, "decoder.rnn.weight_hh", 4 * size * size)?, size * size);
    let mut bias = onnx_gates(&floats(source, "decoder.rnn.bias_ih", 4 * size)?, size);
    bias.extend(onnx_gates(&floats(source, "decoder.rnn.bias_hh", 4 * size)?, size));
    let inward = graph.floats(&[1, 4 * size, size], &inward);
    let onward = graph.floats(&[1, 4 * size, size], &onward);
    let bias = graph.floats(&[1, 8 * size], &bias);
    let axis = graph.ints(&[1], &[0]);
    let state = graph.node("Unsqueeze", &[state, &axis], vec![]);
    #[expect(clippy::cast_possible_wrap, reason = "128")]
    let attributes = vec![int("hidden_size", size as i64)];
    let inputs = [state.as_str(), &inward, &onward, &bias, "", &hidden, &cell];
    graph.named_node("LSTM", &inputs, &["all_hidden", NEXT_HIDDEN, NEXT_CELL], attributes);
    graph.output(NEXT_HIDDEN, DataType::FLOAT);
    graph.output(NEXT_CELL, DataType::FLOAT);
    Ok(graph.node("Squeeze", &[NEXT_HIDDEN, &axis], vec![]))
}

/// Puts the four gates, `step` values each, from PyTorch's order (input, forget, cell, output) into ONNX's (input,
/// output, forget, cell).
fn onnx_gates(values: &[f32], step: usize) -> Vec<f32> {
    [0, 3, 1, 2].iter().flat_map(|gate| &values[gate * step..(gate + 1) * step]).copied().collect()
}

fn transposed(values: &[f32], rows: usize, columns: usize) -> Vec<f32> {
    (0..columns)
        .flat_map(|column| (0..rows).map(move |row| row * columns + column))
        .map(|i| values[i])
        .collect()
}
