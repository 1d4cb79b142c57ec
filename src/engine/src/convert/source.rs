//! Reads the published ONNX files: finds weights by the name of the node that uses them, also inside `If` branches.
//!
//! Knows nothing of what is built from them, and never writes.

use super::int8::Int8Matrix;
use super::{ConvertError, WeightRange};
use rten_onnx::onnx::{DataType, GraphProto, ModelProto, NodeProto, TensorProto, ValueInfoProto};
use std::collections::HashMap;

/// A published model, flattened: the nodes and constants of the graph and of every `If` branch.
///
/// The branches of a merged decoder hold nodes of the same names that use the same weights; the first one met is kept.
pub(super) struct SourceModel {
    file: &'static str,
    nodes: HashMap<String, NodeProto>,
    constants: HashMap<String, TensorProto>,
    inputs: Vec<ValueInfoProto>,
}

impl SourceModel {
    /// Parses an ONNX file; `file` is the name used in errors.
    pub(super) fn parse(file: &'static str, bytes: &[u8]) -> Result<Self, ConvertError> {
        let model = ModelProto::parse_buf(bytes)
            .map_err(|cause| ConvertError::Unreadable { file, cause: cause.to_string() })?;
        let graph = model
            .graph
            .ok_or_else(|| ConvertError::Unreadable { file, cause: "it holds no graph".into() })?;
        let mut source =
            Self { file, nodes: HashMap::new(), constants: HashMap::new(), inputs: graph.input.clone() };
        source.flatten(graph);
        Ok(source)
    }

    fn flatten(&mut self, graph: GraphProto) {
        for constant in graph.initializer {
            self.keep_constant(constant.name.clone(), constant);
        }
        for mut node in graph.node {
            for attribute in std::mem::take(&mut node.attribute) {
                if let Some(branch) = attribute.g {
                    self.flatten(branch);
                } else if let Some(value) = attribute.t
                    && node.op_type.as_deref() == Some("Constant")
                {
                    self.keep_constant(node.output.first().cloned(), value);
                }
            }
            if let Some(name) = node.name.clone() {
                self.nodes.entry(name).or_insert(node);
            }
        }
    }

    fn keep_constant(&mut self, name: Option<String>, constant: TensorProto) {
        if let Some(name) = name {
            self.constants.entry(name).or_insert(constant);
        }
    }

    /// Returns the error for a part that this converter needs and the file lacks.
    pub(super) fn lacks(&self, part: &str) -> ConvertError {
        ConvertError::UnknownLayout { file: self.file, part: part.to_string() }
    }

    /// Returns the sizes of a graph input; 0 where a size is symbolic.
    pub(super) fn input_sizes(&self, name: &str) -> Result<Vec<usize>, ConvertError> {
        self.inputs
            .iter()
            .find(|input| input.name.as_deref() == Some(name))
            .and_then(|input| input.r#type.as_ref()?.tensor_type.as_ref()?.shape.as_ref())
            .map(|shape| {
                let size = |value: Option<i64>| value.and_then(|v| usize::try_from(v).ok()).unwrap_or(0);
                shape.dim.iter().map(|dim| size(dim.dim_value)).collect()
            })
            .ok_or_else(|| self.lacks(name))
    }

    /// Returns whether the graph has this input.
    pub(super) fn has_input(&self, name: &str) -> bool {
        self.inputs.iter().any(|input| input.name.as_deref() == Some(name))
    }

    /// Returns the name of the given input of the named node.
    pub(super) fn node_input(&self, node: &str, index: usize) -> Result<&str, ConvertError> {
        let found = self.nodes.get(node).and_then(|node| node.input.get(index));
        found.map(String::as_str).ok_or_else(|| self.lacks(node))
    }

    fn constant(&self, name: &str) -> Result<&TensorProto, ConvertError> {
        // Merging the two decoders renamed the constants they share.
        self.constants
            .get(name)
            .or_else(|| self.constants.get(&format!("{name}_merged_0")))
            .ok_or_else(|| self.lacks(name))
    }

    /// Returns the sizes of a constant.
    pub(super) fn sizes(&self, name: &str) -> Result<Vec<usize>, ConvertError> {
        let sizes = self.constant(name)?.dims.iter().map(|dim| usize::try_from(*dim));
        sizes.collect::<Result<_, _>>().map_err(|_| self.lacks(name))
    }

    /// Returns the values of an `f32` constant.
    pub(super) fn floats(&self, name: &str) -> Result<Vec<f32>, ConvertError> {
        let constant = self.constant(name)?;
        if constant.data_type != Some(DataType::FLOAT) {
            return Err(self.lacks(name));
        }
        if let Some(raw) = &constant.raw_data {
            let raw = raw.borrow();
            let (words, _) = raw.as_chunks::<4>();
            return Ok(words.iter().map(|word| f32::from_le_bytes(*word)).collect());
        }
        Ok(constant.float_data.clone())
    }

    /// Returns the single value of an `f32` constant.
    pub(super) fn float(&self, name: &str) -> Result<f32, ConvertError> {
        self.floats(name)?.first().copied().ok_or_else(|| self.lacks(name))
    }

    /// Returns the values of an `int8` or `uint8` constant.
    pub(super) fn bytes(&self, name: &str) -> Result<Vec<i16>, ConvertError> {
        let constant = self.constant(name)?;
        let signed = match constant.data_type {
            Some(DataType::INT8) => true,
            Some(DataType::UINT8) => false,
            _ => return Err(self.lacks(name)),
        };
        if let Some(raw) = &constant.raw_data {
            let widen = |byte: &u8| if signed { i16::from(byte.cast_signed()) } else { i16::from(*byte) };
            return Ok(raw.borrow().iter().map(widen).collect());
        }
        let narrow = constant.int32_data.iter().map(|value| i16::try_from(*value));
        narrow.collect::<Result<_, _>>().map_err(|_| self.lacks(name))
    }

    /// Returns the weight of the named `MatMulInteger`, recoded to symmetric int8 per output column.
    ///
    /// `range` says how much of int8 it uses.
    pub(super) fn matrix(&self, node: &str, range: WeightRange) -> Result<Int8Matrix, ConvertError> {
        let weight = self.node_input(node, 1)?;
        let zero_point = self.bytes(self.node_input(node, 3)?)?;
        let scale = self.float(&weight.replace("_quantized", "_scale"))?;
        let sizes = self.sizes(weight)?;
        let (&[rows, columns], &[zero_point]) = (&sizes[..], &zero_point[..]) else {
            return Err(self.lacks(node));
        };
        let values = self.bytes(weight)?;
        if values.len() != rows * columns {
            return Err(self.lacks(node));
        }
        Ok(Int8Matrix::recode(
            rows,
            columns,
            |row, column| values[row * columns + column] - zero_point,
            scale,
            range,
        ))
    }
}
