//! A client of `/saas/jobs`: submits a file, follows the job, downloads what it left. Keeps nothing of what it receives.

use reqwest::{Body, Client, Response, StatusCode, Url, multipart};
use serde::Deserialize;
use sottovoce_protocol::ids::JobId;
use sottovoce_protocol::jobs::{ArtifactKind, JobParams, JobStatus, JobView};
use std::path::Path;
use std::time::Duration;
use tokio_util::io::ReaderStream;

const LOOK_AGAIN: Duration = Duration::from_millis(250);
/// One question about a job may take so long; an upload takes as long as it takes.
const ANSWER_WITHIN: Duration = Duration::from_secs(30);
/// Questions in a row that may go without an answer before the job is given up.
const UNANSWERED: u32 = 20;

/// Why a job gave nothing.
#[derive(Debug, thiserror::Error)]
pub(super) enum BatchFailure {
    /// The file cannot be read.
    #[error("{0}")]
    File(#[from] std::io::Error),
    /// The server does not answer.
    #[error("the server does not answer ({0}); is it running, and is --server its address?")]
    Unreachable(String),
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
    /// The answer is none of this server's version.
    #[error("the answer cannot be read ({0}); is --server the address of a Sottovoce server?")]
    Strange(String),
}

impl From<reqwest::Error> for BatchFailure {
    fn from(error: reqwest::Error) -> Self {
        if error.is_decode() { Self::Strange(error.to_string()) } else { Self::Unreachable(causes(&error)) }
    }
}

/// The last cause says what happened ("connection refused"); the first only that something did.
fn causes(error: &dyn std::error::Error) -> String {
    let mut last = error;
    while let Some(cause) = last.source() {
        last = cause;
    }
    last.to_string()
}

/// Where and as whom to submit.
pub(super) struct BatchClient<'a> {
    client: Client,
    base: &'a str,
    key: &'a str,
}

impl<'a> BatchClient<'a> {
    /// Prepares a client of the server at `base`.
    pub(super) fn new(base: &'a str, key: &'a str) -> Result<Self, BatchFailure> {
        let is_here = Url::parse(base)
            .is_ok_and(|url| matches!(url.host_str(), Some("127.0.0.1" | "localhost" | "[::1]")));
        // No proxy leads back to this machine.
        let builder = if is_here { Client::builder().no_proxy() } else { Client::builder() };
        Ok(Self { client: builder.build()?, base: base.trim_end_matches('/'), key })
    }

    /// Uploads a file; returns its job.
    pub(super) async fn submit(&self, file: &Path, params: &JobParams) -> Result<JobView, BatchFailure> {
        let opened = tokio::fs::File::open(file).await?;
        let length = opened.metadata().await?.len();
        let name = file.file_name().unwrap_or_default().to_string_lossy().into_owned();
        let content = Body::wrap_stream(ReaderStream::new(opened));
        let params = serde_json::to_string(params).map_err(std::io::Error::other)?;
        let part = multipart::Part::stream_with_length(content, length).file_name(name);
        let form = multipart::Form::new().text("params", params).part("file", part);
        let post = self.client.post(format!("{}/saas/jobs", self.base)).bearer_auth(self.key);
        Ok(good(post.multipart(form).send().await?).await?.json().await?)
    }

    /// Asks for the job again and again until it is done, telling each state.
    pub(super) async fn follow(
        &self,
        mut job: JobView,
        mut seen: impl FnMut(&JobView),
    ) -> Result<JobView, BatchFailure> {
        let mut unanswered = 0;
        loop {
            seen(&job);
            match job.status {
                JobStatus::Done => return Ok(job),
                JobStatus::Failed => {
                    return Err(BatchFailure::Failed(
                        job.error.unwrap_or_else(|| "it gave no reason".into()),
                    ));
                }
                JobStatus::Queued | JobStatus::Processing => tokio::time::sleep(LOOK_AGAIN).await,
            }
            match self.job(job.id).await {
                Ok(now) => (job, unanswered) = (now, 0),
                Err(failure) if unanswered >= UNANSWERED || !failure.may_pass() => return Err(failure),
                Err(_) => unanswered += 1,
            }
        }
    }

    async fn job(&self, id: JobId) -> Result<JobView, BatchFailure> {
        let get = self.client.get(format!("{}/saas/jobs/{id}", self.base)).bearer_auth(self.key);
        Ok(good(get.timeout(ANSWER_WITHIN).send().await?).await?.json().await?)
    }

    /// Downloads what the job left.
    pub(super) async fn artifact(
        &self,
        id: JobId,
        kind: ArtifactKind,
        lang: Option<&str>,
    ) -> Result<String, BatchFailure> {
        let address = format!("{}/saas/jobs/{id}/artifacts/{}", self.base, kind.as_str());
        let mut address = Url::parse(&address).map_err(|error| BatchFailure::Strange(error.to_string()))?;
        if let Some(lang) = lang {
            address.query_pairs_mut().append_pair("lang", lang);
        }
        let get = self.client.get(address).bearer_auth(self.key);
        Ok(good(get.timeout(ANSWER_WITHIN).send().await?).await?.text().await?)
    }

    /// Takes a job back; what cannot be told now the server finds out by itself, or its owner deletes it.
    pub(super) async fn cancel(&self, id: JobId) {
        let delete = self.client.delete(format!("{}/saas/jobs/{id}", self.base)).bearer_auth(self.key);
        let _ = delete.timeout(ANSWER_WITHIN).send().await;
    }
}

impl BatchFailure {
    /// A server that restarts answers nothing, or 503, for a moment; its jobs go on afterwards.
    fn may_pass(&self) -> bool {
        match self {
            Self::Unreachable(_) => true,
            Self::Refused { status, .. } => {
                status.is_server_error() || *status == StatusCode::TOO_MANY_REQUESTS
            }
            Self::File(_) | Self::Failed(_) | Self::Strange(_) => false,
        }
    }
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
