//! Loads the converted graphs and runs the encoder.

use super::{MIN_SAMPLES, ModelError, RunError};
use crate::convert::{
    AUDIO, Geometry, LOGITS, POSITIONS, Prepared, TOKENS, cross_query, memory_key, memory_value, past_key,
    past_value, present_key, present_value,
};
use rten::{Model, ModelOptions, NodeId, RunOptions, Value};
use rten_tensor::Tensor;
use rten_tensor::prelude::*;
use std::path::Path;

/// A loaded Moonshine model.
pub(crate) struct Moonshine {
    pub(super) encoder: Model,
    pub(super) decoder: Model,
    pub(super) nodes: Nodes,
    pub(crate) geometry: Geometry,
}

/// Where values enter and leave the graphs. Caches and memories alternate key and value, layer by layer.
pub(super) struct Nodes {
    audio: NodeId,
    memory_out: Vec<NodeId>,
    pub(super) tokens: NodeId,
    pub(super) positions: NodeId,
    pub(super) memory_in: Vec<NodeId>,
    pub(super) past: Vec<NodeId>,
    /// Logits, then the grown caches, then the cross-attention queries of the aligning layers.
    pub(super) decoded: Vec<NodeId>,
}

/// An encoded utterance: what the decoder attends to. Keys and values alternate, layer by layer.
pub(crate) struct Memory {
    pub(super) values: Vec<Value>,
}

impl Memory {
    /// Returns the cross-attention keys of a layer, `[1, frames, hidden]`.
    pub(crate) fn keys(&self, layer: usize) -> Option<rten_tensor::TensorView<'_, f32>> {
        self.values.get(2 * layer)?.as_tensor_view()
    }

    /// Returns the number of encoder frames.
    pub(crate) fn frames(&self) -> usize {
        self.keys(0).map_or(0, |keys| keys.size(1))
    }
}

impl Moonshine {
    /// Loads the graphs; `prepack` lays the weights out for speed, at the price of a copy.
    pub(super) fn load_with(prepared: &Prepared, prepack: bool) -> Result<Self, ModelError> {
        let encoder = load(&prepared.encoder, prepack)?;
        let decoder = load(&prepared.decoder, prepack)?;
        let geometry = prepared.geometry;
        let enter = |name: &str| find(&encoder, &prepared.encoder, name);
        let decode = |name: &str| find(&decoder, &prepared.decoder, name);
        let layers = 0..geometry.decoder_layers;
        let pairs = |key: fn(usize) -> String, value: fn(usize) -> String| -> Vec<String> {
            layers.clone().flat_map(|layer| [key(layer), value(layer)]).collect()
        };
        let memory = pairs(memory_key, memory_value);
        let mut decoded = vec![LOGITS.to_string()];
        decoded.extend(pairs(present_key, present_value));
        decoded.extend(layers.clone().filter(|layer| geometry.aligns(*layer)).map(cross_query));
        let nodes = Nodes {
            audio: enter(AUDIO)?,
            memory_out: memory.iter().map(|name| enter(name)).collect::<Result<_, _>>()?,
            tokens: decode(TOKENS)?,
            positions: decode(POSITIONS)?,
            memory_in: memory.iter().map(|name| decode(name)).collect::<Result<_, _>>()?,
            past: pairs(past_key, past_value).iter().map(|name| decode(name)).collect::<Result<_, _>>()?,
            decoded: decoded.iter().map(|name| decode(name)).collect::<Result<_, _>>()?,
        };
        Ok(Self { encoder, decoder, nodes, geometry })
    }

    /// Encodes 16 kHz samples. Samples that are not numbers count as silence; short audio is padded.
    pub(crate) fn encode(&self, samples: &[f32], options: &RunOptions) -> Result<Memory, RunError> {
        let clean = |sample: &f32| if sample.is_finite() { sample.clamp(-1.0, 1.0) } else { 0.0 };
        let mut audio: Vec<f32> = samples.iter().map(clean).collect();
        if audio.len() < MIN_SAMPLES {
            audio.resize(MIN_SAMPLES, 0.0);
        }
        let audio = Tensor::from_data(&[1, audio.len()], audio);
        let inputs = vec![(self.nodes.audio, audio.view().into())];
        let values = self.encoder.run(inputs, &self.nodes.memory_out, Some(options.clone()))?;
        Ok(Memory { values })
    }
}

fn load(path: &Path, prepack: bool) -> Result<Model, ModelError> {
    let mut options = ModelOptions::with_all_ops();
    options.prepack_weights(prepack);
    options.load_file(path).map_err(|cause| ModelError::Load { path: path.into(), cause: cause.to_string() })
}

fn find(model: &Model, path: &Path, name: &str) -> Result<NodeId, ModelError> {
    model.find_node(name).ok_or_else(|| ModelError::Layout { path: path.into(), name: name.into() })
}
