//! The converter on tiny graphs: what it reads out of a published file computes, on rten, what the file computes.

use super::graph::{GraphBuilder, int};
use super::source::SourceModel;
use super::{ConvertError, WeightRange, convert};
use rten::{Model, ModelOptions};
use rten_onnx::onnx::{
    AttributeProto, AttributeType, DataType, GraphProto, ModelProto, NodeProto, OperatorSetIdProto,
    TensorProto, ValueInfoProto,
};
use rten_tensor::Tensor;
use rten_tensor::prelude::*;
use std::cell::RefCell;

const ROWS: usize = 24;
const COLUMNS: usize = 20;
const ZERO_POINT: u8 = 131;
const SCALE: f32 = 0.013;

/// Returns numbers in 0..1 that look random and are the same every time.
fn numbers(count: usize) -> Vec<f32> {
    (0..count)
        .map(|index| ((index as f32 + 1.0) * 12.9898).sin().mul_add(4375.85, 0.0).rem_euclid(1.0))
        .collect()
}

fn published_weight() -> Vec<u8> {
    numbers(ROWS * COLUMNS).iter().map(|number| (number * 255.0) as u8).collect()
}

fn tensor(name: &str, dims: &[i64], data_type: DataType, raw: Vec<u8>) -> TensorProto {
    TensorProto {
        name: Some(name.into()),
        dims: dims.to_vec(),
        data_type: Some(data_type),
        raw_data: Some(RefCell::new(raw)),
        ..TensorProto::default()
    }
}

fn node(name: &str, op_type: &str, inputs: &[&str], outputs: &[&str]) -> NodeProto {
    NodeProto {
        name: Some(name.into()),
        op_type: Some(op_type.into()),
        input: inputs.iter().map(ToString::to_string).collect(),
        output: outputs.iter().map(ToString::to_string).collect(),
        ..NodeProto::default()
    }
}

fn value(name: &str) -> ValueInfoProto {
    ValueInfoProto { name: Some(name.into()), r#type: None }
}

/// A quantised product as exporters write it, in a graph that takes `x` from outside.
fn product() -> (Vec<NodeProto>, Vec<TensorProto>) {
    let cast = AttributeProto {
        name: Some("to".into()),
        i: Some(1),
        r#type: Some(AttributeType::INT),
        ..AttributeProto::default()
    };
    let mut to_float = node("cast", "Cast", &["product"], &["float"]);
    to_float.attribute.push(cast);
    let nodes = vec![
        node("quantise", "DynamicQuantizeLinear", &["x"], &["x_q", "x_s", "x_z"]),
        node(
            "fc/MatMul_quant",
            "MatMulInteger",
            &["x_q", "w_quantized", "x_z", "w_zero_point"],
            &["product"],
        ),
        to_float,
        node("scales", "Mul", &["x_s", "w_scale"], &["scale"]),
        node("scaled", "Mul", &["float", "scale"], &["y"]),
    ];
    let constants = vec![
        tensor("w_quantized", &[ROWS as i64, COLUMNS as i64], DataType::UINT8, published_weight()),
        tensor("w_zero_point", &[], DataType::UINT8, vec![ZERO_POINT]),
        tensor("w_scale", &[], DataType::FLOAT, SCALE.to_le_bytes().to_vec()),
    ];
    (nodes, constants)
}

fn file(graph: GraphProto) -> Vec<u8> {
    let model = ModelProto {
        ir_version: Some(10),
        graph: Some(graph),
        opset_import: vec![OperatorSetIdProto { domain: None, version: Some(14) }],
        ..ModelProto::default()
    };
    model.write_buf().expect("a small model can be written")
}

/// The same product in both branches of an `If`; the constants are outside, as in a merged decoder.
fn merged_file() -> Vec<u8> {
    let (nodes, initializer) = product();
    let branch = |name: &str| AttributeProto {
        name: Some(name.into()),
        g: Some(GraphProto { node: nodes.clone(), output: vec![value("y")], ..GraphProto::default() }),
        r#type: Some(AttributeType::GRAPH),
        ..AttributeProto::default()
    };
    let mut choice = node("choice", "If", &["use_cache"], &["y_out"]);
    choice.attribute = vec![branch("then_branch"), branch("else_branch")];
    file(GraphProto {
        node: vec![choice],
        initializer,
        input: vec![value("x"), value("use_cache")],
        output: vec![value("y_out")],
        ..GraphProto::default()
    })
}

fn plain_file() -> Vec<u8> {
    let (node, initializer) = product();
    file(GraphProto {
        node,
        initializer,
        input: vec![value("x")],
        output: vec![value("y")],
        ..GraphProto::default()
    })
}

fn load(file: Vec<u8>, prepack: bool) -> Model {
    ModelOptions::with_all_ops().prepack_weights(prepack).load(file).expect("rten loads the graph")
}

fn run(model: &Model, x: &Tensor<f32>) -> Vec<f32> {
    let output = model.run_one(x.view().into(), None).expect("rten runs the graph");
    output.into_tensor::<f32>().expect("the output is f32").to_vec()
}

/// What the published file means, in plain arithmetic: to run it would not do, as its weights saturate on some CPUs.
fn published_product(x: &[f32]) -> Vec<f32> {
    let weight = published_weight();
    let weight = |row: usize, column: usize| {
        (f32::from(weight[row * COLUMNS + column]) - f32::from(ZERO_POINT)) * SCALE
    };
    let product = |x: &[f32], column: usize| (0..ROWS).map(|row| x[row] * weight(row, column)).sum();
    x.chunks(ROWS).flat_map(|x| (0..COLUMNS).map(move |column| product(x, column))).collect()
}

/// The product rewritten: the weight read out of the `If` and recoded.
fn rewritten(range: WeightRange) -> Vec<u8> {
    let source = SourceModel::parse("decoder", &merged_file()).expect("the file parses");
    let matrix = source.matrix("fc/MatMul_quant", range).expect("the weight is found in the branch");
    let mut graph = GraphBuilder::default();
    let x = graph.input("x", DataType::FLOAT, &[None, Some(ROWS)]);
    let x = graph.quantise(&x);
    let y = graph.linear(&x, &matrix);
    graph.named_node("Identity", &[&y], &["y"], vec![]);
    graph.output("y", DataType::FLOAT);
    graph.finish().expect("the graph can be written")
}

#[test]
fn a_weight_read_out_of_an_if_computes_what_the_published_one_does() {
    let x: Vec<f32> = numbers(7 * ROWS).iter().map(|number| number * 4.0 - 2.0).collect();
    let expected = published_product(&x);
    let x = Tensor::from_data(&[7, ROWS], x);
    let magnitude = expected.iter().map(|value| value.abs()).fold(0.0, f32::max);
    let mut ranges = vec![(WeightRange::Paired, 0.02)];
    // Where the int8 product saturates the full range computes something else, and is not used.
    if WeightRange::for_this_cpu() == WeightRange::Full {
        ranges.push((WeightRange::Full, 0.01));
    }
    for (range, tolerance) in ranges {
        for prepack in [false, true] {
            let found = run(&load(rewritten(range), prepack), &x);
            assert_eq!(found.len(), expected.len());
            for (found, expected) in found.iter().zip(&expected) {
                let error = (found - expected).abs() / magnitude;
                assert!(error < tolerance, "{range:?}, prepacked {prepack}: {found} instead of {expected}");
            }
        }
    }
}

#[test]
fn conversion_gives_the_same_bytes_every_time() {
    assert_eq!(rewritten(WeightRange::Full), rewritten(WeightRange::Full));
}

#[test]
fn constants_given_as_nodes_are_found() {
    let mut constant = node("c", "Constant", &[], &["table"]);
    constant.attribute = vec![AttributeProto {
        name: Some("value".into()),
        t: Some(tensor(
            "",
            &[2],
            DataType::FLOAT,
            [1.5_f32, -2.0].iter().flat_map(|v| v.to_le_bytes()).collect(),
        )),
        r#type: Some(AttributeType::TENSOR),
        ..AttributeProto::default()
    }];
    let bytes = file(GraphProto { node: vec![constant], ..GraphProto::default() });
    let source = SourceModel::parse("encoder", &bytes).expect("the file parses");
    assert_eq!(source.floats("table").expect("found"), [1.5, -2.0]);
}

#[test]
fn other_files_are_refused_with_the_part_they_lack() {
    let other = plain_file();
    let refused = convert(&other, &other, WeightRange::Full).err().expect("it is no Moonshine");
    assert!(
        matches!(&refused, ConvertError::UnknownLayout { part, .. } if part.contains("past_key_values")),
        "{refused}"
    );
    let garbage = convert(b"not a model", &other, WeightRange::Full).err().expect("it is no ONNX file");
    assert!(matches!(garbage, ConvertError::Unreadable { file: "encoder", .. }), "{garbage}");
}

#[test]
fn split_parts_the_last_axis() {
    let mut graph = GraphBuilder::default();
    let x = graph.input("x", DataType::FLOAT, &[None, Some(3)]);
    let parts = graph.split(&x, [1, 2]);
    let turned = graph.node("Concat", &[&parts[1], &parts[0]], vec![int("axis", -1)]);
    graph.named_node("Identity", &[&turned], &["y"], vec![]);
    graph.output("y", DataType::FLOAT);
    let model = load(graph.finish().expect("the graph can be written"), false);
    let x = Tensor::from_data(&[2, 3], vec![1.0, 2.0, 3.0, 4.0, 5.0, 6.0]);
    assert_eq!(run(&model, &x), [2.0, 3.0, 1.0, 5.0, 6.0, 4.0]);
}
