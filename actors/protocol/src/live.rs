//! Frames of `GET /v1/listen` (Deepgram's live protocol, `wire.md` §4d–4e).

use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// A text frame from the client.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
#[serde(tag = "type")]
pub enum ClientFrame {
    /// Keeps an idle socket open; no reply.
    KeepAlive,
    /// Settles what was heard so far and goes on.
    Finalize {
        /// Only this channel.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        channel: Option<u16>,
    },
    /// Settles everything, then `Metadata`, then close 1000.
    CloseStream,
    /// Feature changes; accepted and answered, nothing to change yet.
    Configure {
        /// Replaces the key terms.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        keyterms: Option<Vec<String>>,
    },
}

/// Identifies a model in `metadata.model_info`.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct ModelInfo {
    /// Name.
    pub name: String,
    /// Version.
    pub version: String,
    /// Architecture.
    pub arch: String,
}

/// `metadata` of every `Results`; Python SDKs v3 and v4 require all of it.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct ResultsMetadata {
    /// The stream's job id.
    pub request_id: String,
    /// Stable UUID of the model.
    pub model_uuid: String,
    /// The model.
    pub model_info: ModelInfo,
    /// What the client gave as `extra=KEY:VALUE`.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub extra: BTreeMap<String, String>,
}

/// A word of an alternative.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct Word {
    /// Lower case, without punctuation.
    pub word: String,
    /// Seconds from the start of the stream.
    pub start: f64,
    /// Seconds from the start of the stream.
    pub end: f64,
    /// Mean token probability, 0..1.
    pub confidence: f64,
    /// The word as written, when punctuation was asked for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub punctuated_word: Option<String>,
}

/// One reading of the audio; there is always exactly one.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct Alternative {
    /// The text, empty for silence.
    pub transcript: String,
    /// Mean token probability, 0..1; 0 for silence.
    pub confidence: f64,
    /// Its words.
    pub words: Vec<Word>,
}

/// The `channel` of a `Results`.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct Channel {
    /// One alternative.
    pub alternatives: Vec<Alternative>,
}

/// A text frame from the server.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
#[serde(tag = "type")]
pub enum ServerFrame {
    /// A caption, growing or settled.
    Results {
        /// `[index, total]`.
        channel_index: [u16; 2],
        /// Seconds covered, from `start`.
        duration: f64,
        /// Seconds from the start of the stream.
        start: f64,
        /// Settled.
        is_final: bool,
        /// The speaker paused (endpointing); implies `is_final`.
        speech_final: bool,
        /// Answers a `Finalize`.
        from_finalize: bool,
        /// The text.
        channel: Channel,
        /// Request and model.
        metadata: ResultsMetadata,
    },
    /// The last frame before a normal close.
    Metadata {
        /// Always `deprecated`.
        transaction_key: String,
        /// The stream's job id.
        request_id: String,
        /// SHA-256 of the audio received, hex.
        sha256: String,
        /// RFC 3339.
        created: String,
        /// Seconds of audio received.
        duration: f64,
        /// Channels.
        channels: u16,
        /// Model UUIDs.
        models: Vec<String>,
        /// By model UUID.
        model_info: BTreeMap<String, ModelInfo>,
        /// What the client gave as `extra=KEY:VALUE`.
        #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
        extra: BTreeMap<String, String>,
    },
    /// The first word of an utterance was heard (`vad_events`).
    SpeechStarted {
        /// `[index, total]`.
        channel: [u16; 2],
        /// Seconds from the start of the stream.
        timestamp: f64,
    },
    /// No word for `utterance_end_ms`.
    UtteranceEnd {
        /// `[index, total]`.
        channel: [u16; 2],
        /// Seconds from the start of the stream.
        last_word_end: f64,
    },
    /// Answers `Configure`.
    ConfigureSuccess {
        /// The stream's job id.
        request_id: String,
    },
    /// Answers a `Configure` that asks for what this engine lacks.
    ConfigureFailure {
        /// The stream's job id.
        request_id: String,
        /// E.g. `CONFIGURE_KEYTERMS_NOT_SUPPORTED`.
        code: String,
        /// What to do.
        description: String,
    },
}

/// Body of a refused handshake or REST error under `/v1/listen`.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct ListenError {
    /// Deepgram's code, e.g. `INVALID_AUTH`.
    pub err_code: String,
    /// What to do.
    pub err_msg: String,
    /// The request.
    pub request_id: String,
}
