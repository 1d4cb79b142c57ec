//! Waits for the end of a job that was made for one request, and reads what it left. The bus tells of the end; the index is
//! looked at now and then as well, because the bus is a hint. A request that ends before its job, however, cancels it.

use crate::http::error::ApiError;
use crate::http::jobs::remove;
use crate::http::state::HttpState;
use crate::http::upload::{self, Upload, UploadPlace};
use crate::http::view::sentence;
use crate::ws::conn::ConnHandle;
use actix_web::HttpRequest;
use actix_web::http::header::{HeaderName, HeaderValue};
use futures_util::StreamExt;
use serde::Serialize;
use sottovoce_actors::ports::bus::{BusItem, Subscription, Topic};
use sottovoce_actors::ports::store::{Deleted, Job, StoreError};
use sottovoce_protocol::error_code::ErrorCode;
use sottovoce_protocol::ids::{AccountId, JobId};
use sottovoce_protocol::jobs::{ArtifactKind, JobStatus};
use sottovoce_protocol::status::JobState;
use sottovoce_protocol::transcript::Transcript;
use tokio::time::MissedTickBehavior;

/// How long a client should wait where all places are taken, in seconds.
const BUSY_S: u64 = 5;
/// Looks at a job that was told to stop, before it is left to its owner.
const STOPPING_LOOKS: u32 = 60;
/// OpenAI's libraries try a 5xx or a 409 again unless this says otherwise; the same file would take as long again.
const SHOULD_RETRY: HeaderName = HeaderName::from_static("x-should-retry");

/// Lets a request in: the server takes work, the account's minute is not spent, there is a place to wait, to be held until
/// the answer, and one to upload.
pub fn enter(state: &HttpState, account: AccountId) -> Result<(UploadPlace, UploadPlace), ApiError> {
    let waiting = state.doors.waiting.take(account).ok_or_else(|| {
        let detail =
            "too many requests wait for their transcripts; try again, or submit the file to /saas/jobs";
        ApiError::new(ErrorCode::RateLimited, detail).retry_after(BUSY_S).closing()
    })?;
    let upload = upload::admit(state, account).map_err(ApiError::closing)?;
    Ok((waiting, upload))
}

/// A job that is cancelled, or deleted if it has ended, when this is dropped: also with a handler whose client went away.
pub struct MadeForRequest {
    state: HttpState,
    account: AccountId,
    id: JobId,
    is_open: bool,
}

impl MadeForRequest {
    /// Deletes the job and what it left, unless such jobs are kept.
    pub async fn answered(mut self) {
        self.is_open = false;
        if !self.state.doors.keep_jobs {
            drop_job(&self.state, self.account, self.id).await;
        }
    }
}

impl Drop for MadeForRequest {
    fn drop(&mut self) {
        if !self.is_open || tokio::runtime::Handle::try_current().is_err() {
            return;
        }
        let (state, account, id) = (self.state.clone(), self.account, self.id);
        tokio::spawn(async move { drop_job(&state, account, id).await });
    }
}

/// Deletes a job. One that runs is told to stop, and deleted once it has ended, however it ended: it may be done before it
/// hears of it. Where such jobs are kept, what was stopped stays to be seen.
async fn drop_job(state: &HttpState, account: AccountId, id: JobId) {
    for _ in 0..STOPPING_LOOKS {
        if matches!(state.store.job(account, id).await, Err(StoreError::NotFound)) {
            return;
        }
        match remove(state, account, id).await {
            Ok(Deleted::Stopping) if !state.doors.keep_jobs => {
                tokio::time::sleep(state.doors.look_every).await
            }
            Ok(_) => return,
            Err(error) => {
                tracing::warn!(job.id = %id, %error, "a job made for a request was not deleted");
                return;
            }
        }
    }
    tracing::warn!(job.id = %id, "a job made for a request does not stop");
}

/// Queues an upload and waits for its job to be done.
///
/// # Errors
/// Those of a submission; the job's own; `timed_out`; `shutting_down`. In each case the job is gone, or stops.
pub async fn done(
    state: &HttpState,
    request: &HttpRequest,
    account: AccountId,
    id: JobId,
    upload: Upload,
) -> Result<(Job, MadeForRequest), ApiError> {
    // Before the job can end.
    let subscription = match state.bus.subscribe(Topic::Job(id), None).await {
        Ok(subscription) => Some(subscription),
        Err(error) => {
            tracing::warn!(job.id = %id, %error, "a request waits without the bus");
            None
        }
    };
    let made = MadeForRequest { state: state.clone(), account, id, is_open: true };
    upload::enqueue(state, account, id, upload, None).await?;
    let waiting = ended(state, request, account, id, subscription);
    let job = tokio::time::timeout(state.doors.answer_within, waiting).await.unwrap_or_else(|_| {
        let detail = "the transcript is not ready in time; submit the file to /saas/jobs and fetch it later";
        Err(once(ApiError::new(ErrorCode::TimedOut, detail)))
    })?;
    if job.status == JobStatus::Done {
        return Ok((job, made));
    }
    made.answered().await;
    let code = job.error_code.unwrap_or(ErrorCode::Internal);
    let error = ApiError::new(code, sentence(code));
    Err(if code == ErrorCode::Canceled { once(error) } else { error })
}

fn once(error: ApiError) -> ApiError {
    error.with_header(SHOULD_RETRY, HeaderValue::from_static("false"))
}

/// Waits until the job has ended, for as long as the client and the server stay.
async fn ended(
    state: &HttpState,
    request: &HttpRequest,
    account: AccountId,
    id: JobId,
    mut subscription: Option<Box<dyn Subscription>>,
) -> Result<Job, ApiError> {
    let connection = request.conn_data::<ConnHandle>();
    let mut looks = tokio::time::interval(state.doors.look_every);
    looks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        let has_ended = tokio::select! {
            item = next(&mut subscription) => match item {
                Some(item) => says_end(&item),
                None => {
                    subscription = None;
                    false
                }
            },
            _ = looks.tick() => {
                (state.ready)().map_err(|why| ApiError::new(ErrorCode::ShuttingDown, why))?;
                if connection.is_some_and(ConnHandle::is_gone) {
                    tracing::info!(job.id = %id, "the client went away before its transcript was ready");
                    return Err(ApiError::new(ErrorCode::Canceled, "the client went away"));
                }
                true
            }
        };
        if !has_ended {
            continue;
        }
        match state.store.job(account, id).await {
            Ok(job) if job.status.is_terminal() => return Ok(job),
            Ok(_) => {}
            Err(StoreError::NotFound) => {
                return Err(once(ApiError::new(ErrorCode::Canceled, sentence(ErrorCode::Canceled))));
            }
            // The next look tries again.
            Err(error) => tracing::warn!(job.id = %id, %error, "a request's job was not read"),
        }
    }
}

/// Waits for ever without a subscription.
async fn next(subscription: &mut Option<Box<dyn Subscription>>) -> Option<BusItem> {
    match subscription {
        Some(subscription) => subscription.next().await,
        None => std::future::pending().await,
    }
}

/// Returns whether the job may have ended: it says so, or something was missed.
fn says_end(item: &BusItem) -> bool {
    match item {
        BusItem::Gap => true,
        BusItem::Message(message) => {
            serde_json::from_slice::<JobState>(&message.body).map_or(true, |state| state.status.is_terminal())
        }
    }
}

/// Reads an artifact that a done job of this kind always has.
pub async fn artifact(
    state: &HttpState,
    job: &Job,
    kind: ArtifactKind,
    lang: &str,
) -> Result<Vec<u8>, ApiError> {
    let found = job.artifacts.iter().find(|artifact| artifact.kind == kind && artifact.lang == lang);
    let Some(artifact) = found else {
        tracing::error!(job.id = %job.id, kind = kind.as_str(), lang, "a done job lacks an artifact");
        return Err(ApiError::new(ErrorCode::Internal, sentence(ErrorCode::Internal)));
    };
    let mut content = Vec::with_capacity(usize::try_from(artifact.size_bytes).unwrap_or(0));
    if artifact.size_bytes > 0 {
        let mut chunks = state.files.read(&artifact.storage, 0, artifact.size_bytes).await?;
        while let Some(chunk) = chunks.next().await {
            content.extend_from_slice(&chunk?);
        }
    }
    Ok(content)
}

/// Reads the transcript of a done job and gives it another shape, as JSON. Hours of speech are megabytes of it: neither is
/// done on an arbiter.
pub async fn reshaped<T: Serialize>(
    state: &HttpState,
    job: &Job,
    shape: impl FnOnce(Transcript) -> T + Send + 'static,
) -> Result<Vec<u8>, ApiError> {
    let content = artifact(state, job, ArtifactKind::Json, "").await?;
    let shaping = tokio::task::spawn_blocking(move || {
        serde_json::from_slice(&content).and_then(|transcript| serde_json::to_vec(&shape(transcript)))
    });
    let failed = |cause: &dyn std::fmt::Display| {
        tracing::error!(job.id = %job.id, %cause, "a transcript could not be given its shape");
        ApiError::new(ErrorCode::Internal, sentence(ErrorCode::Internal))
    };
    shaping.await.map_err(|error| failed(&error))?.map_err(|error| failed(&error))
}
