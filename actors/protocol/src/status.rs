//! The `saas.v1` subscription protocol of `/ws`: job status and captions.

use crate::error_code::ErrorCode;
use crate::ids::JobId;
use crate::jobs::JobStatus;
use serde::{Deserialize, Serialize};

/// What a client asks. Unknown fields and operations are refused.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ClientMessage {
    /// `subscribe` or `unsubscribe`.
    pub op: Op,
    /// One job's status.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub job: Option<JobId>,
    /// `"all"`: the status of every job of the account.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub jobs: Option<AllJobs>,
    /// A running stream's captions.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub captions: Option<JobId>,
    /// Last sequence number that the client has seen.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub since: Option<u64>,
    /// Caption language.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub lang: Option<String>,
}

/// Operations of `saas.v1`.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Op {
    /// Begin.
    Subscribe,
    /// End.
    Unsubscribe,
}

/// The word `all`.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub enum AllJobs {
    /// Every job of the account, present and to come.
    #[serde(rename = "all")]
    All,
}

/// A job's state at a sequence number, as `snapshot` and `status` carry it.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct JobState {
    /// The job.
    pub job: JobId,
    /// Grows with every change of the job, never goes back.
    pub seq: u64,
    /// Where it stands.
    pub status: JobStatus,
    /// 0–100.
    pub progress: u8,
    /// Why it failed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error_code: Option<ErrorCode>,
}

/// A caption of a running stream.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct Caption {
    /// The stream.
    pub job: JobId,
    /// Grows with every caption of the stream.
    pub seq: u64,
    /// Settled, or still growing.
    #[serde(rename = "final")]
    pub is_final: bool,
    /// Start in seconds.
    pub start: f64,
    /// End in seconds.
    pub end: f64,
    /// The text.
    pub text: String,
    /// BCP-47 language.
    pub lang: String,
    /// Channel, from 0.
    pub channel: u16,
}

/// What the server says on `/ws`.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
#[serde(tag = "ev", rename_all = "lowercase")]
pub enum ServerMessage {
    /// The state at the time of subscribing: always the first of a subscription.
    Snapshot(JobState),
    /// A later state.
    Status(JobState),
    /// A caption.
    Caption(Caption),
    /// The request could not be met; the socket stays open.
    Error {
        /// Stable code.
        code: ErrorCode,
        /// What to do.
        detail: String,
        /// The job asked for, where there was one.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        job: Option<JobId>,
    },
}
