//! The transcript document: the `json` artifact, its segments and words, and the line of a segment log.

use crate::ids::JobId;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// A word with its times in seconds from the start of the audio.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct Word {
    /// The word as written, with punctuation.
    pub word: String,
    /// Start in seconds.
    pub start: f64,
    /// End in seconds.
    pub end: f64,
    /// Mean token probability, 0..1.
    pub confidence: f32,
}

/// One settled utterance.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct Segment {
    /// Counts from 0 within the document, over all channels.
    pub id: u64,
    /// Start in seconds.
    pub start: f64,
    /// End in seconds.
    pub end: f64,
    /// The text; never empty in a stored document.
    pub text: String,
    /// Mean token probability, 0..1.
    pub confidence: f32,
    /// Channel, from 0.
    pub channel: u16,
    /// The words of `text`.
    pub words: Vec<Word>,
}

/// A segment in another language.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct TranslatedSegment {
    /// The segment's id.
    pub id: u64,
    /// Its translation.
    pub text: String,
}

/// The `json` artifact of a job (`surface.md`).
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct Transcript {
    /// Version of this shape.
    pub version: u32,
    /// The job.
    pub job: JobId,
    /// BCP-47 language of the text.
    pub language: String,
    /// Length of the audio in seconds.
    pub duration_seconds: f64,
    /// The engine, e.g. `embedded`.
    pub engine: String,
    /// The model, e.g. `moonshine`.
    pub model: String,
    /// All segment texts joined by spaces.
    pub text: String,
    /// The segments in order of start.
    pub segments: Vec<Segment>,
    /// By language, the segments in their order.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub translations: BTreeMap<String, Vec<TranslatedSegment>>,
}

/// The current version of [`Transcript`].
pub const TRANSCRIPT_VERSION: u32 = 1;
