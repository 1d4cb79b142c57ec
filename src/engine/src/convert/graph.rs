//! Writes ONNX graphs for rten: constants, nodes, inputs and outputs, with names made up on the way.
//!
//! Knows operators, not models.

use super::ConvertError;
use super::int8::Int8Matrix;
use rten_onnx::onnx::{
    AttributeProto, AttributeType, DataType, Dimension, GraphProto, ModelProto, NodeProto,
    OperatorSetIdProto, TensorProto, TensorShapeProto, TypeProto, TypeProtoTensor, ValueInfoProto,
};
use std::cell::RefCell;

/// The ONNX opset of written graphs: the first that has `Attention` and `RotaryEmbedding`.
const OPSET: i64 = 23;
/// The ONNX file format version that came with it.
const IR_VERSION: i64 = 11;

/// Stands for an optional operator input that is not given.
pub(super) const ABSENT: &str = "";

/// An activation quantised to uint8: names of the values, the scale and the zero point.
pub(super) struct Quantised {
    values: String,
    scale: String,
    zero_point: String,
}

/// A graph under construction. Values are referred to by name.
#[derive(Default)]
pub(super) struct GraphBuilder {
    graph: GraphProto,
    named: usize,
    int8_zero: Option<String>,
}

impl GraphBuilder {
    fn fresh(&mut self, stem: &str) -> String {
        self.named += 1;
        format!("{stem}.{}", self.named)
    }

    fn constant(&mut self, dims: &[usize], data_type: DataType, raw: Vec<u8>) -> String {
        let name = self.fresh("constant");
        #[expect(clippy::cast_possible_wrap, reason = "tensor sizes are far below 2^63")]
        let dims = dims.iter().map(|dim| *dim as i64).collect();
        self.graph.initializer.push(TensorProto {
            dims,
            data_type: Some(data_type),
            raw_data: Some(RefCell::new(raw)),
            name: Some(name.clone()),
            ..TensorProto::default()
        });
        name
    }

    /// Adds an `f32` constant.
    pub(super) fn floats(&mut self, dims: &[usize], values: &[f32]) -> String {
        let raw = values.iter().flat_map(|value| value.to_le_bytes()).collect();
        self.constant(dims, DataType::FLOAT, raw)
    }

    /// Adds an `int64` constant.
    pub(super) fn ints(&mut self, dims: &[usize], values: &[i64]) -> String {
        let raw = values.iter().flat_map(|value| value.to_le_bytes()).collect();
        self.constant(dims, DataType::INT64, raw)
    }

    /// Adds an `int8` constant.
    pub(super) fn int8(&mut self, dims: &[usize], values: &[i8]) -> String {
        let raw = values.iter().map(|value| value.cast_unsigned()).collect();
        self.constant(dims, DataType::INT8, raw)
    }

    /// Declares a graph input; `None` is a size known only at run time.
    pub(super) fn input(&mut self, name: &str, data_type: DataType, dims: &[Option<usize>]) -> String {
        let info = value_info(name, data_type, dims);
        self.graph.input.push(info);
        name.to_string()
    }

    /// Declares a graph output.
    pub(super) fn output(&mut self, name: &str, data_type: DataType) {
        self.graph.output.push(ValueInfoProto {
            name: Some(name.to_string()),
            r#type: Some(TypeProto {
                tensor_type: Some(TypeProtoTensor { elem_type: Some(data_type), shape: None }),
                sequence: None,
            }),
        });
    }

    /// Adds a node with one output and returns its name.
    pub(super) fn node(&mut self, op_type: &str, inputs: &[&str], attributes: Vec<AttributeProto>) -> String {
        let output = self.fresh(op_type);
        self.named_node(op_type, inputs, &[&output], attributes);
        output
    }

    /// Adds a node whose outputs have given names.
    pub(super) fn named_node(
        &mut self,
        op_type: &str,
        inputs: &[&str],
        outputs: &[&str],
        attributes: Vec<AttributeProto>,
    ) {
        self.graph.node.push(NodeProto {
            domain: None,
            name: Some(format!("{op_type}:{}", self.graph.node.len())),
            input: inputs.iter().map(ToString::to_string).collect(),
            output: outputs.iter().map(ToString::to_string).collect(),
            op_type: Some(op_type.to_string()),
            attribute: attributes,
        });
    }

    /// Splits the last axis into pieces of the given sizes.
    pub(super) fn split<const PIECES: usize>(
        &mut self,
        value: &str,
        sizes: [i64; PIECES],
    ) -> [String; PIECES] {
        let lengths = self.ints(&[PIECES], &sizes);
        let outputs = sizes.map(|_| self.fresh("Split"));
        let names = outputs.each_ref().map(String::as_str);
        self.named_node("Split", &[value, &lengths], &names, vec![int("axis", -1)]);
        outputs
    }

    /// Normalises the last axis to zero mean and unit variance, times `weight`.
    pub(super) fn layer_norm(&mut self, value: &str, weight: &[f32]) -> String {
        let weight = self.floats(&[weight.len()], weight);
        self.node("LayerNormalization", &[value, &weight], vec![int("axis", -1), float("epsilon", 1e-5)])
    }

    /// Quantises an activation, once for all the products that take it.
    pub(super) fn quantise(&mut self, value: &str) -> Quantised {
        let quantised = Quantised {
            values: self.fresh("quantised"),
            scale: self.fresh("scale"),
            zero_point: self.fresh("zero_point"),
        };
        let outputs = [quantised.values.as_str(), &quantised.scale, &quantised.zero_point];
        self.named_node("DynamicQuantizeLinear", &[value], &outputs, vec![]);
        quantised
    }

    /// Multiplies by an int8 matrix. rten runs these four nodes as one, and only with the explicit zero point.
    pub(super) fn linear(&mut self, input: &Quantised, matrix: &Int8Matrix) -> String {
        let weight = self.int8(&[matrix.rows, matrix.columns], &matrix.values);
        let scales = self.floats(&[matrix.columns], &matrix.scales);
        self.linear_by(input, &weight, &scales)
    }

    /// The same with constants that are in the graph already.
    pub(super) fn linear_by(&mut self, input: &Quantised, weight: &str, scales: &str) -> String {
        let zero = match &self.int8_zero {
            Some(zero) => zero.clone(),
            None => {
                let zero = self.int8(&[], &[0]);
                self.int8_zero.insert(zero).clone()
            }
        };
        let product = self.node("MatMulInteger", &[&input.values, weight, &input.zero_point, &zero], vec![]);
        let product = self.node("Cast", &[&product], vec![int("to", i64::from(DataType::FLOAT.0))]);
        let scale = self.node("Mul", &[&input.scale, scales], vec![]);
        self.node("Mul", &[&product, &scale], vec![])
    }

    /// Adds a vector to the last axis.
    pub(super) fn bias(&mut self, value: &str, bias: &[f32]) -> String {
        let bias = self.floats(&[bias.len()], bias);
        self.node("Add", &[value, &bias], vec![])
    }

    /// Returns the file.
    pub(super) fn finish(self) -> Result<Vec<u8>, ConvertError> {
        let model = ModelProto {
            ir_version: Some(IR_VERSION),
            graph: Some(self.graph),
            opset_import: vec![OperatorSetIdProto { domain: None, version: Some(OPSET) }],
            metadata_props: vec![],
            producer_name: Some("sottovoce".into()),
            producer_version: None,
        };
        model.write_buf().map_err(|cause| ConvertError::Unwritable { cause: cause.to_string() })
    }
}

fn value_info(name: &str, data_type: DataType, dims: &[Option<usize>]) -> ValueInfoProto {
    let dim = dims
        .iter()
        .enumerate()
        .map(|(axis, size)| Dimension {
            dim_value: size.and_then(|size| i64::try_from(size).ok()),
            dim_param: size.is_none().then(|| format!("{name}.{axis}")),
        })
        .collect();
    let shape = Some(TensorShapeProto { dim });
    ValueInfoProto {
        name: Some(name.to_string()),
        r#type: Some(TypeProto {
            tensor_type: Some(TypeProtoTensor { elem_type: Some(data_type), shape }),
            sequence: None,
        }),
    }
}

/// An integer attribute.
pub(super) fn int(name: &str, value: i64) -> AttributeProto {
    AttributeProto {
        name: Some(name.into()),
        i: Some(value),
        r#type: Some(AttributeType::INT),
        ..AttributeProto::default()
    }
}

/// A list of integers as an attribute.
pub(super) fn ints(name: &str, values: &[i64]) -> AttributeProto {
    AttributeProto {
        name: Some(name.into()),
        ints: values.to_vec(),
        r#type: Some(AttributeType::INTS),
        ..AttributeProto::default()
    }
}

/// A float attribute.
pub(super) fn float(name: &str, value: f32) -> AttributeProto {
    AttributeProto {
        name: Some(name.into()),
        f: Some(value),
        r#type: Some(AttributeType::FLOAT),
        ..AttributeProto::default()
    }
}
