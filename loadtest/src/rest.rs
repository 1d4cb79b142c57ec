//! Jobs over REST: submit, follow to the end, fetch artifacts.

use crate::endpoint::Endpoint;
use crate::error::LoadError;
use bytes::Bytes;
use reqwest::Method;
use reqwest::multipart::{Form, Part};
use sottovoce_protocol::jobs::{ArtifactKind, JobView};
use std::path::{Path, PathBuf};
use std::time::Duration;
use tokio::time::Instant;

/// A file to submit, read once and shared.
#[derive(Clone, Debug)]
pub struct Upload {
    /// Where it came from.
    pub path: PathBuf,
    /// File name to send.
    pub name: String,
    /// Content.
    pub bytes: Bytes,
}

impl Upload {
    /// Reads a file.
    ///
    /// # Errors
    /// When it cannot be read.
    pub fn load(path: &Path) -> Result<Self, LoadError> {
        let bytes = std::fs::read(path).map_err(|e| LoadError::file(path, e))?;
        let name =
            path.file_name().map_or_else(|| "audio".into(), |name| name.to_string_lossy().into_owned());
        Ok(Self { path: path.to_owned(), name, bytes: bytes.into() })
    }
}

/// What the server said to a submission.
#[derive(Clone, Debug)]
pub enum Submitted {
    /// 201 with the job.
    Accepted(Box<JobView>),
    /// Any other status: the status, `Retry-After` in seconds, and the body.
    Refused {
        /// HTTP status.
        status: u16,
        /// `Retry-After`, as sent.
        retry_after: Option<String>,
        /// The problem's `code`, or the beginning of the body.
        code: String,
    },
}

/// Submits one file: part `params` before part `file`.
///
/// # Errors
/// When the exchange breaks or a 201 does not carry a job.
pub async fn submit(
    endpoint: &Endpoint,
    upload: &Upload,
    params: &str,
    idempotency_key: &str,
) -> Result<Submitted, LoadError> {
    let length = upload.bytes.len() as u64;
    let file = Part::stream_with_length(upload.bytes.clone(), length).file_name(upload.name.clone());
    let params = Part::text(params.to_owned()).mime_str("application/json")?;
    let form = Form::new().part("params", params).part("file", file);
    let request = endpoint.request(Method::POST, "/saas/jobs").header("Idempotency-Key", idempotency_key);
    let response = request.multipart(form).send().await?;
    let status = response.status().as_u16();
    let retry_after = response.headers().get("retry-after").and_then(|v| v.to_str().ok()).map(str::to_owned);
    let body = response.bytes().await?;
    if status == 201 {
        let job =
            serde_json::from_slice(&body).map_err(|e| LoadError::Answer(format!("POST /saas/jobs: {e}")))?;
        return Ok(Submitted::Accepted(Box::new(job)));
    }
    Ok(Submitted::Refused { status, retry_after, code: problem_code(&body) })
}

/// Returns the `code` of a problem body, or its beginning.
pub fn problem_code(body: &[u8]) -> String {
    let problem: Option<serde_json::Value> = serde_json::from_slice(body).ok();
    let code =
        problem.as_ref().and_then(|p| p.get("code").or_else(|| p.get("err_code"))).and_then(|c| c.as_str());
    code.map_or_else(|| String::from_utf8_lossy(body).chars().take(80).collect(), str::to_owned)
}

/// Reads a job.
///
/// # Errors
/// When the exchange breaks or the answer is not a job.
pub async fn job(endpoint: &Endpoint, id: &str) -> Result<JobView, LoadError> {
    let response = endpoint.request(Method::GET, &format!("/saas/jobs/{id}")).send().await?;
    let status = response.status();
    let body = response.bytes().await?;
    if !status.is_success() {
        return Err(LoadError::Answer(format!("GET /saas/jobs/{id}: {status} {}", problem_code(&body))));
    }
    serde_json::from_slice(&body).map_err(|e| LoadError::Answer(format!("GET /saas/jobs/{id}: {e}")))
}

/// How a job is followed.
#[derive(Clone, Copy, Debug)]
pub struct Follow {
    /// Time between two looks.
    pub every: Duration,
    /// When to give up.
    pub limit: Duration,
}

/// A job followed to its end.
#[derive(Clone, Debug)]
pub struct Followed {
    /// The job as last seen.
    pub job: JobView,
    /// Since following began: when it was first seen off the queue.
    pub left_queue: Option<Duration>,
    /// Since following began: when its end was seen.
    pub ended: Duration,
    /// Looks that failed (server away) and were repeated.
    pub failed_looks: usize,
}

/// Looks at a job until it ends. A server that is away is asked again: a restart must not lose a job.
///
/// # Errors
/// When the job has not ended within the limit.
pub async fn follow(endpoint: &Endpoint, id: &str, how: Follow) -> Result<Followed, LoadError> {
    let began = Instant::now();
    let mut left_queue = None;
    let mut failed_looks = 0;
    let mut last_error = String::from("still running");
    while began.elapsed() < how.limit {
        match job(endpoint, id).await {
            Ok(job) => {
                let elapsed = began.elapsed();
                if job.status != sottovoce_protocol::jobs::JobStatus::Queued {
                    left_queue.get_or_insert(elapsed);
                }
                if job.status.is_terminal() {
                    return Ok(Followed { job, left_queue, ended: elapsed, failed_looks });
                }
            }
            Err(error) => {
                failed_looks += 1;
                last_error = error.to_string();
            }
        }
        tokio::time::sleep(how.every).await;
    }
    Err(LoadError::Answer(format!("job {id} did not end within {} s: {last_error}", how.limit.as_secs())))
}

/// Fetches an artifact.
///
/// # Errors
/// When the exchange breaks or the answer is not 200.
pub async fn artifact(endpoint: &Endpoint, id: &str, kind: ArtifactKind) -> Result<Bytes, LoadError> {
    let path = format!("/saas/jobs/{id}/artifacts/{}", kind.as_str());
    let response = endpoint.request(Method::GET, &path).send().await?;
    let status = response.status();
    let body = response.bytes().await?;
    if !status.is_success() {
        return Err(LoadError::Answer(format!("GET {path}: {status} {}", problem_code(&body))));
    }
    Ok(body)
}

/// Returns whether the server answers `GET /livez` with 200.
pub async fn is_alive(endpoint: &Endpoint) -> bool {
    let answer = endpoint.request(Method::GET, "/livez").timeout(Duration::from_secs(10)).send().await;
    answer.is_ok_and(|response| response.status().is_success())
}
