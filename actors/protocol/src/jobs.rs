//! Jobs as the REST surface shows them and as clients describe them.

use crate::error_code::ErrorCode;
use crate::ids::JobId;
use serde::{Deserialize, Serialize};

/// What a job does.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum JobType {
    /// Speech to text of a stored file.
    Transcription,
    /// Translation of text or speech.
    Translation,
    /// A live stream.
    Stream,
}

/// Where a job stands. Cancelled is `failed` with code `canceled`; a retry goes back to `queued`.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum JobStatus {
    /// Waits for a worker.
    Queued,
    /// A worker or a socket holds its lease.
    Processing,
    /// Ended well.
    Done,
    /// Ended with an `error_code`.
    Failed,
}

impl JobStatus {
    /// Returns whether the job has ended.
    pub const fn is_terminal(self) -> bool {
        matches!(self, Self::Done | Self::Failed)
    }
}

/// Kinds of artifact that a job may leave.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ArtifactKind {
    /// Plain text.
    Transcript,
    /// Translated plain text.
    Translation,
    /// SubRip subtitles.
    Srt,
    /// WebVTT subtitles.
    Vtt,
    /// The transcript document.
    Json,
}

macro_rules! wire_text {
    ($type:ident { $($name:ident = $text:literal),* $(,)? }) => {
        impl $type {
            /// Every value.
            pub const ALL: &'static [Self] = &[$(Self::$name),*];

            /// Returns the wire text.
            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$name => $text),* }
            }

            /// Returns the value that a wire text names.
            pub fn parse(text: &str) -> Option<Self> {
                match text { $($text => Some(Self::$name),)* _ => None }
            }
        }
    };
}

wire_text!(JobType { Transcription = "transcription", Translation = "translation", Stream = "stream" });
wire_text!(JobStatus { Queued = "queued", Processing = "processing", Done = "done", Failed = "failed" });
wire_text!(ArtifactKind {
    Transcript = "transcript",
    Translation = "translation",
    Srt = "srt",
    Vtt = "vtt",
    Json = "json",
});

/// The `params` of a submitted job. Unknown fields are refused.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct JobParams {
    /// What to do; `stream` cannot be submitted.
    #[serde(rename = "type")]
    pub job_type: JobType,
    /// BCP-47 language of the speech.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub language: Option<String>,
    /// Detect the language instead.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub detect_language: Option<bool>,
    /// Language to translate into.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub target_language: Option<String>,
    /// Catalogue id of the model.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub model: Option<String>,
    /// Hear each channel of the file by itself, instead of their mix.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub multichannel: Option<bool>,
    /// Where to report the end.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub callback_url: Option<String>,
    /// Order among the owner's own jobs.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub priority: Option<i32>,
}

/// A job as `GET /saas/jobs/{id}` shows it.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct JobView {
    /// The id.
    pub id: JobId,
    /// What it does.
    #[serde(rename = "type")]
    pub job_type: JobType,
    /// Where it stands.
    pub status: JobStatus,
    /// 0–100.
    pub progress: u8,
    /// Why it failed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub error_code: Option<ErrorCode>,
    /// The same in a sentence.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
    /// The uploaded file's name, for show only.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub file_name: Option<String>,
    /// Length of the audio, once known.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub duration_seconds: Option<f64>,
    /// Language of the text.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub language: Option<String>,
    /// Model that was used or asked for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub model: Option<String>,
    /// RFC 3339, UTC, milliseconds.
    pub created_at: String,
    /// RFC 3339, UTC, milliseconds.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub completed_at: Option<String>,
    /// What can be downloaded.
    pub artifacts: Vec<ArtifactView>,
}

/// An artifact in a job's view.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct ArtifactView {
    /// The kind, as in the artifact's path.
    pub kind: ArtifactKind,
    /// Language of a translation.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub lang: Option<String>,
    /// Size in bytes.
    pub bytes: u64,
    /// RFC 3339, UTC, milliseconds.
    pub created_at: String,
}

/// One page of `GET /saas/jobs`.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct JobPage {
    /// Newest first.
    pub items: Vec<JobView>,
    /// Cursor of the next page, absent on the last.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub next_cursor: Option<String>,
}
