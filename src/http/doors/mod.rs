//! The doors of `/v1` that clients of other services know: a file goes in, its transcript comes out in one answer. Each is
//! an ordinary job on the ordinary path, made for one request: it goes before other jobs of its account, and is deleted
//! with all that it left once it was answered, unless the operator keeps such jobs.

pub mod deepgram;
mod deepgram_answer;
mod deepgram_query;
pub mod openai;
mod openai_answer;
mod openai_form;
pub mod routing;
mod wait;
mod words;

use crate::http::upload::UploadPlaces;
use sottovoce_protocol::ids::ModelId;
use sottovoce_protocol::jobs::{JobParams, JobType};
use std::time::Duration;

/// Somebody waits for it: before what the account submitted at leisure.
const PRIORITY: i32 = 1_000_000;

/// How the doors work; clones share the places.
#[derive(Clone)]
pub struct Doors {
    /// How long a request waits for its transcript.
    pub answer_within: Duration,
    /// How often the job and the client are looked at, besides being told of the job's end.
    pub look_every: Duration,
    /// Whether an answered job stays, to be found under `/saas/jobs`.
    pub keep_jobs: bool,
    /// The model of a request that names none of ours.
    pub default_model: ModelId,
    /// Places for requests that wait.
    pub waiting: UploadPlaces,
}

/// Returns the params of a job that is made for a request.
fn params(job_type: JobType, language: String, model: &ModelId) -> JobParams {
    JobParams {
        job_type,
        language: Some(language),
        detect_language: None,
        target_language: None,
        model: Some(model.to_string()),
        multichannel: None,
        callback_url: None,
        priority: Some(PRIORITY),
    }
}
