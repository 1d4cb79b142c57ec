//! What the two Moonshine graphs agree on: sizes, names of inputs and outputs, rotary tables.

use super::ConvertError;
use super::source::SourceModel;
use serde::{Deserialize, Serialize};

/// Dimensions of each head that turn with the position; the rest stay (Moonshine's `partial_rotary_factor`).
pub(super) const ROTARY_DIMS: i64 = 32;

/// Decoder input: token ids, `[tokens]`.
pub(crate) const TOKENS: &str = "tokens";
/// Decoder input: their positions, `[1, tokens]`.
pub(crate) const POSITIONS: &str = "positions";
/// Decoder output, `[1, tokens, vocabulary]`.
pub(crate) const LOGITS: &str = "logits";

/// Cross-attention keys of a layer, `[1, frames, hidden]`: encoder output, decoder input.
pub(crate) fn memory_key(layer: usize) -> String {
    format!("memory_key.{layer}")
}

/// Cross-attention values of a layer.
pub(crate) fn memory_value(layer: usize) -> String {
    format!("memory_value.{layer}")
}

/// Self-attention keys of the tokens so far, `[1, heads, tokens, head]`: decoder input.
pub(crate) fn past_key(layer: usize) -> String {
    format!("past_key.{layer}")
}

/// Self-attention values of the tokens so far.
pub(crate) fn past_value(layer: usize) -> String {
    format!("past_value.{layer}")
}

/// The grown keys: decoder output.
pub(crate) fn present_key(layer: usize) -> String {
    format!("present_key.{layer}")
}

/// The grown values: decoder output.
pub(crate) fn present_value(layer: usize) -> String {
    format!("present_value.{layer}")
}

/// Cross-attention queries of an aligning layer, `[1, tokens, hidden]`: decoder output.
pub(crate) fn cross_query(layer: usize) -> String {
    format!("cross_query.{layer}")
}

/// The sizes of a Moonshine model.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Geometry {
    /// Encoder blocks.
    pub encoder_layers: usize,
    /// Decoder blocks.
    pub decoder_layers: usize,
    /// Attention heads of every block.
    pub heads: usize,
    /// Width of a head.
    pub head_size: usize,
    /// Token ids.
    pub vocabulary: usize,
}

impl Geometry {
    pub(super) fn of(encoder: &SourceModel, decoder: &SourceModel) -> Result<Self, ConvertError> {
        let cache = decoder.input_sizes("past_key_values.0.decoder.key")?;
        let &[_, heads, _, head_size] = &cache[..] else {
            return Err(decoder.lacks("past_key_values.0.decoder.key"));
        };
        let embedding = decoder.sizes("model.decoder.embed_tokens.weight_merged_0_quantized")?;
        let &[vocabulary, hidden] = &embedding[..] else {
            return Err(decoder.lacks("embedding table"));
        };
        let decoder_layers = (0..)
            .take_while(|layer| decoder.has_input(&format!("past_key_values.{layer}.decoder.key")))
            .count();
        let encoder_layers = (0..)
            .take_while(|layer| encoder.sizes(&format!("layers.{layer}.input_layernorm.weight")).is_ok())
            .count();
        if encoder_layers == 0 || heads * head_size != hidden {
            return Err(encoder.lacks("encoder layers of the decoder's width"));
        }
        Ok(Self { encoder_layers, decoder_layers, heads, head_size, vocabulary })
    }

    /// Returns the width of a block.
    pub fn hidden(&self) -> usize {
        self.heads * self.head_size
    }

    /// Returns whether this decoder layer's cross-attention follows the audio closely enough for word times: the upper
    /// half does, but for the last layer (measured; no list of alignment heads was published for these models).
    pub fn aligns(&self, layer: usize) -> bool {
        (self.decoder_layers / 2..self.decoder_layers.saturating_sub(1)).contains(&layer)
    }

    #[expect(clippy::cast_possible_wrap, reason = "sizes of a model are far below 2^63")]
    pub(super) fn heads_i64(&self) -> i64 {
        self.heads as i64
    }

    #[expect(clippy::cast_possible_wrap, reason = "sizes of a model are far below 2^63")]
    pub(super) fn hidden_i64(&self) -> i64 {
        self.hidden() as i64
    }
}

pub(super) struct RotaryTables {
    pub(super) cos: Vec<f32>,
    pub(super) sin: Vec<f32>,
}

/// Returns cosines and sines of `position * frequency`, position by position (RoPE, Su et al. 2021).
pub(super) fn rotary_tables(frequencies: &[f32], positions: usize) -> RotaryTables {
    #[expect(clippy::cast_precision_loss, reason = "positions are far below 2^24")]
    let angles = (0..positions).flat_map(|position| frequencies.iter().map(move |f| position as f32 * f));
    let (sin, cos) = angles.map(f32::sin_cos).unzip();
    RotaryTables { cos, sin }
}
