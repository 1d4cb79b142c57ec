//! Writes a published file anew so that its integer products are computed in `f32`.
//!
//! On CPUs that sum int8 products in 16 bits rten computes something else than the published graph means.

use rten_onnx::onnx::{DataType, GraphProto, ModelProto, NodeProto, TensorProto};
use std::cell::RefCell;
use std::fs;
use std::path::Path;

/// The scale of an integer that is taken as it is.
const ONE: &str = "exact.one";

/// Returns the file at `path` with every `MatMulInteger` replaced by a product of floats.
pub fn exact(path: &Path) -> Vec<u8> {
    let bytes = fs::read(path).expect("the published file is there");
    let mut model = ModelProto::parse_buf(&bytes).expect("it is an ONNX file");
    let graph = model.graph.as_mut().expect("it holds a graph");
    assert!(spread(graph) > 30, "the products were found");
    graph.initializer.push(TensorProto {
        data_type: Some(DataType::FLOAT),
        raw_data: Some(RefCell::new(1.0_f32.to_le_bytes().to_vec())),
        name: Some(ONE.into()),
        ..TensorProto::default()
    });
    model.write_buf().expect("it can be written")
}

/// Replaces the products of a graph and of its branches; returns how many there were.
fn spread(graph: &mut GraphProto) -> usize {
    let mut count = 0;
    for mut node in std::mem::take(&mut graph.node) {
        for branch in node.attribute.iter_mut().filter_map(|attribute| attribute.g.as_mut()) {
            count += spread(branch);
        }
        if node.op_type.as_deref() == Some("MatMulInteger") {
            count += 1;
            graph.node.extend(product(&node));
        } else {
            graph.node.push(node);
        }
    }
    count
}

fn product(integer: &NodeProto) -> [NodeProto; 3] {
    let name = integer.name.clone().expect("nodes have names");
    let [left, right, left_zero, right_zero] = &integer.input[..] else { panic!("{name} has zero points") };
    let node = |op: &str, inputs: [&str; 3], output: &str| NodeProto {
        name: Some(format!("{name}.{output}")),
        op_type: Some(op.into()),
        input: inputs.iter().filter(|input| !input.is_empty()).map(ToString::to_string).collect(),
        output: vec![output.to_string()],
        ..NodeProto::default()
    };
    let (left_float, right_float) = (format!("{name}.left"), format!("{name}.right"));
    [
        node("DequantizeLinear", [left, ONE, left_zero], &left_float),
        node("DequantizeLinear", [right, ONE, right_zero], &right_float),
        node("MatMul", [&left_float, &right_float, ""], &integer.output[0]),
    ]
}
