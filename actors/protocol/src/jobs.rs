//! Jobs as the REST surface shows them and as clients describe them.

use crate::auth::Confidential;
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

/// What became of the request to a job's `callback_url`.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum CallbackState {
    /// It waits for its next attempt.
    Pending,
    /// The address took it.
    Delivered,
    /// No attempt is left.
    Failed,
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
wire_text!(CallbackState { Pending = "pending", Delivered = "delivered", Failed = "failed" });
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

impl JobParams {
    /// Returns what asks for this and leaves the rest to the server.
    pub const fn of(job_type: JobType) -> Self {
        Self {
            job_type,
            language: None,
            detect_language: None,
            target_language: None,
            model: None,
            callback_url: None,
            multichannel: None,
            priority: None,
        }
    }
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
    /// When it will be deleted, if the operator keeps jobs for a time only; RFC 3339, UTC, milliseconds.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub expires_at: Option<String>,
    /// While a file is worked on: about how long that will take yet.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub estimated_seconds_left: Option<u64>,
    /// How telling `callback_url` went, once the job has ended.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub callback: Option<CallbackView>,
    /// What can be downloaded.
    pub artifacts: Vec<ArtifactView>,
}

/// The attempts at a callback, in a job's view.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct CallbackView {
    /// What became of it.
    pub state: CallbackState,
    /// Attempts so far.
    pub attempts: u32,
    /// The HTTP status of the last one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub last_status: Option<u16>,
    /// What went wrong with it: `status`, `unreachable`, `timeout` or `forbidden`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub last_error: Option<String>,
    /// When it is tried next; RFC 3339, UTC, milliseconds.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub next_attempt_at: Option<String>,
}

/// What is sent to a `callback_url`, as Standard Webhooks has it: no content, no file name.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct CallbackBody {
    /// `job.done` or `job.failed`.
    #[serde(rename = "type")]
    pub kind: String,
    /// When the job ended; RFC 3339, UTC, milliseconds.
    pub timestamp: String,
    /// The job.
    pub data: CallbackJob,
}

/// The job in a [`CallbackBody`].
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct CallbackJob {
    /// The id.
    pub id: JobId,
    /// What it did.
    #[serde(rename = "type")]
    pub job_type: JobType,
    /// `done` or `failed`.
    pub status: JobStatus,
    /// Why it failed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub error_code: Option<ErrorCode>,
    /// Length of the audio.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub duration_seconds: Option<f64>,
}

/// `GET` and `POST /saas/callback-secret`.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct CallbackSecretView {
    /// `whsec_` and base64: what callbacks of this account are signed with.
    pub secret: Confidential,
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
