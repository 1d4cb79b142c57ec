//! The answer of `POST /v1/listen` (Deepgram's shape for files, `wire.md` §4h). Times are seconds from the start of the file.

use crate::live::{ModelInfo, Word};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// The whole answer.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct Prerecorded {
    /// Request, file and model.
    pub metadata: Metadata,
    /// What was said.
    pub results: Results,
}

/// Request, file and model.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct Metadata {
    /// Always `deprecated`.
    pub transaction_key: String,
    /// UUID of the request: the id of its job.
    pub request_id: String,
    /// SHA-256 of the file, hex.
    pub sha256: String,
    /// RFC 3339.
    pub created: String,
    /// Seconds of audio.
    pub duration: f64,
    /// Channels that were heard; 1 where they were mixed.
    pub channels: u16,
    /// Model UUIDs.
    pub models: Vec<String>,
    /// By model UUID.
    pub model_info: BTreeMap<String, ModelInfo>,
    /// What the client gave as `tag`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub tags: Vec<String>,
    /// What the client gave as `extra=KEY:VALUE`.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub extra: BTreeMap<String, String>,
    /// What was asked for and ignored.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub warnings: Vec<Warning>,
}

/// A parameter that was ignored.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Warning {
    /// Its name.
    pub parameter: String,
    /// `unsupported_feature`.
    #[serde(rename = "type")]
    pub kind: String,
    /// The same in a sentence.
    pub message: String,
}

/// What was said.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct Results {
    /// One of each heard channel.
    pub channels: Vec<Channel>,
    /// With `utterances=true`: of all channels, in order of start.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub utterances: Option<Vec<Utterance>>,
}

/// One channel.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct Channel {
    /// Always one.
    pub alternatives: Vec<Alternative>,
}

/// One reading of a channel.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct Alternative {
    /// The text, empty for silence.
    pub transcript: String,
    /// Mean of its words', 0..1; 0 for silence.
    pub confidence: f64,
    /// Its words.
    pub words: Vec<Word>,
    /// With `paragraphs=true` or `smart_format=true`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub paragraphs: Option<Paragraphs>,
}

/// The text of a channel in paragraphs.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct Paragraphs {
    /// The text, with an empty line between paragraphs and a line feed before the first.
    pub transcript: String,
    /// In order.
    pub paragraphs: Vec<Paragraph>,
}

/// What was said between two long pauses.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct Paragraph {
    /// Its sentences.
    pub sentences: Vec<Sentence>,
    /// How many words it has.
    pub num_words: usize,
    /// Start.
    pub start: f64,
    /// End.
    pub end: f64,
}

/// One sentence.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct Sentence {
    /// As written.
    pub text: String,
    /// Start.
    pub start: f64,
    /// End.
    pub end: f64,
}

/// What was said between two pauses of `utt_split` seconds.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct Utterance {
    /// Start.
    pub start: f64,
    /// End.
    pub end: f64,
    /// Mean of its words', 0..1.
    pub confidence: f64,
    /// Channel, from 0.
    pub channel: u16,
    /// The text.
    pub transcript: String,
    /// Its words.
    pub words: Vec<Word>,
    /// A UUID.
    pub id: String,
}
