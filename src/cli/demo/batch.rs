//! A batch job as a back end would run it: submit, wait, download the subtitles.

use reqwest::{Client, Response, StatusCode, multipart};
use serde::Deserialize;
use std::path::Path;
use std::time::Duration;

const LOOK_AGAIN: Duration = Duration::from_millis(200);
const PATIENCE: Duration = Duration::from_secs(120);

/// Why the job gave no subtitles.
#[derive(Debug, thiserror::Error)]
pub(super) enum BatchFailure {
    /// The file cannot be read.
    #[error("{path}: {cause}")]
    File {
        /// Which.
        path: String,
        /// What the system said.
        cause: std::io::Error,
    },
    /// The server does not answer.
    #[error("the server does not answer: {0}")]
    Unreachable(#[from] reqwest::Error),
    /// The server refused.
    #[error("the server refused ({status}): {told}")]
    Refused {
        /// HTTP status.
        status: StatusCode,
        /// Its words.
        told: String,
    },
    /// The job failed.
    #[error("the job failed: {0}")]
    Failed(String),
    /// It took too long.
    #[error("the job was not done after {} s", PATIENCE.as_secs())]
    TooSlow,
}

/// The part of a job that is looked at.
#[derive(Deserialize)]
struct Job {
    id: String,
    status: String,
    error: Option<String>,
}

/// Transcribes a file and returns its subtitles (SRT).
pub(super) async fn transcribe(file: &Path, url: &str, key: &str) -> Result<String, BatchFailure> {
    let client = Client::builder().no_proxy().build()?;
    let told = |cause| BatchFailure::File { path: file.display().to_string(), cause };
    let bytes = tokio::fs::read(file).await.map_err(told)?;
    let name = file.file_name().unwrap_or_default().to_string_lossy().into_owned();
    let form = multipart::Form::new()
        .text("params", r#"{"type":"transcription"}"#)
        .part("file", multipart::Part::bytes(bytes).file_name(name));
    let submitted = client.post(format!("{url}/saas/jobs")).bearer_auth(key).multipart(form).send().await?;
    let mut job: Job = good(submitted).await?.json().await?;
    let address = format!("{url}/saas/jobs/{}", job.id);
    let waiting = async {
        while !matches!(job.status.as_str(), "done" | "failed") {
            tokio::time::sleep(LOOK_AGAIN).await;
            job = good(client.get(&address).bearer_auth(key).send().await?).await?.json().await?;
        }
        Ok::<_, BatchFailure>(job)
    };
    let job = tokio::time::timeout(PATIENCE, waiting).await.map_err(|_| BatchFailure::TooSlow)??;
    if job.status == "failed" {
        return Err(BatchFailure::Failed(job.error.unwrap_or_else(|| "it gave no reason".into())));
    }
    let subtitles = client.get(format!("{address}/artifacts/srt")).bearer_auth(key).send().await?;
    Ok(good(subtitles).await?.text().await?)
}

/// Returns the answer, or the server's words if it refused.
async fn good(response: Response) -> Result<Response, BatchFailure> {
    #[derive(Deserialize)]
    struct Problem {
        detail: String,
    }
    if response.status().is_success() {
        return Ok(response);
    }
    let status = response.status();
    let told = response.json::<Problem>().await.map_or_else(|_| "it gave no reason".into(), |p| p.detail);
    Err(BatchFailure::Refused { status, told })
}
