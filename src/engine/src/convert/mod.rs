//! Rewrites the published Moonshine files into the graphs that rten runs fast, once, and keeps the result.
//!
//! The published decoder is two graphs inside an `If`, about a thousand small nodes each, with uint8 weights that rten
//! can neither prepack nor multiply quickly. Here the weights are read out and recoded (`int8`), and two lean graphs
//! are written: `encoder` (samples to cross-attention keys and values) and `decoder` (tokens and cache to logits).
//! Never loads a model, never decides where models come from.

mod attention;
mod cache;
mod decoder;
mod encoder;
mod graph;
mod int8;
mod moonshine;
pub(crate) mod silero;
mod source;
#[cfg(test)]
mod tests;

pub use cache::{MoonshineSources, PrepareError, Prepared, prepare};
pub use moonshine::Geometry;
pub(crate) use moonshine::{
    LOGITS, POSITIONS, TOKENS, cross_query, memory_key, memory_value, past_key, past_value, present_key,
    present_value,
};

/// Encoder input: 16 kHz samples, `[1, samples]`.
pub(crate) const AUDIO: &str = "audio";

/// Changes when the written graphs change, so that older conversions are not taken for new ones.
pub const CONVERTER_VERSION: u32 = 2;

/// How much of int8 the weights use.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum WeightRange {
    /// −127..127: exact wherever the CPU sums products in 32 bits.
    Full,
    /// As much as lets the products of two rows that follow each other be summed in 16 bits: for CPUs whose int8 product
    /// does that and would saturate (x86 without VNNI: `vpmaddubsw` adds the rows 2i and 2i + 1).
    Paired,
}

impl WeightRange {
    /// Returns the range that this CPU's int8 kernel needs.
    pub fn for_this_cpu() -> Self {
        if rten_gemm::GemmExecutor::<u8, i8, i32>::default().may_saturate() {
            Self::Paired
        } else {
            Self::Full
        }
    }

    fn suffix(self) -> &'static str {
        match self {
            Self::Full => "",
            Self::Paired => "-paired",
        }
    }
}

/// Why a published model could not be rewritten.
#[derive(Debug, thiserror::Error)]
pub enum ConvertError {
    /// Not an ONNX file.
    #[error("the {file} file is not a readable ONNX model ({cause}); fetch the models again")]
    Unreadable {
        /// Which file.
        file: &'static str,
        /// What the parser said.
        cause: String,
    },
    /// Another export than the pinned one.
    #[error(
        "the {file} file is not the expected export of Moonshine: it lacks {part}; fetch the pinned models again"
    )]
    UnknownLayout {
        /// Which file.
        file: &'static str,
        /// What was looked for.
        part: String,
    },
    /// The result could not be encoded.
    #[error("the converted model could not be encoded: {cause}")]
    Unwritable {
        /// What the writer said.
        cause: String,
    },
}

/// The two graphs of a model, as ONNX files, and its sizes.
pub(crate) struct Converted {
    pub(crate) encoder: Vec<u8>,
    pub(crate) decoder: Vec<u8>,
    pub(crate) geometry: Geometry,
}

/// Rewrites the two published files. The same input gives the same bytes.
pub(crate) fn convert(encoder: &[u8], decoder: &[u8], range: WeightRange) -> Result<Converted, ConvertError> {
    let encoder = source::SourceModel::parse("encoder", encoder)?;
    let decoder = source::SourceModel::parse("decoder", decoder)?;
    let geometry = Geometry::of(&encoder, &decoder)?;
    Ok(Converted {
        encoder: encoder::build(&encoder, &decoder, &geometry, range)?,
        decoder: decoder::build(&decoder, &geometry, range)?,
        geometry,
    })
}
