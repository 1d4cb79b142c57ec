//! `/saas/jobs`: list, show, delete. Submission is `upload/`, content is `artifacts.rs`.

use crate::http::error::ApiError;
use crate::http::guard::{Guarded, JobsRead, JobsWrite};
use crate::http::state::HttpState;
use actix_web::http::header;
use actix_web::{HttpRequest, HttpResponse, web};
use serde::Deserialize;
use sottovoce_actors::dispatcher::JobHint;
use sottovoce_actors::job::announce;
use sottovoce_actors::ports::store::{Deleted, JobQuery};
use sottovoce_protocol::error_code::ErrorCode;
use sottovoce_protocol::ids::{AccountId, JobId};
use sottovoce_protocol::jobs::{JobPage, JobStatus, JobType};
use sottovoce_protocol::status::JobState;

const DEFAULT_LIMIT: u32 = 20;
const MAX_LIMIT: u32 = 100;

/// The query of a list.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ListQuery {
    status: Option<JobStatus>,
    #[serde(rename = "type")]
    job_type: Option<JobType>,
    limit: Option<u32>,
    cursor: Option<String>,
}

/// `GET /saas/jobs`: newest first.
pub async fn list(
    caller: Guarded<JobsRead>,
    query: web::Query<ListQuery>,
    state: web::Data<HttpState>,
) -> Result<HttpResponse, ApiError> {
    let ListQuery { status, job_type, limit, cursor } = query.into_inner();
    let limit = limit.unwrap_or(DEFAULT_LIMIT);
    if !(1..=MAX_LIMIT).contains(&limit) {
        return Err(ApiError::bad_request(format!("`limit` must be 1 to {MAX_LIMIT}")));
    }
    let account = caller.caller.account;
    let list = list_name(account, status, job_type);
    let before = match &cursor {
        None => None,
        Some(cursor) => Some(state.cursor_key.open(&list, cursor).ok_or_else(|| {
            ApiError::new(ErrorCode::BadCursor, "use `next_cursor` as it was given, with the same filters")
        })?),
    };
    // One more than asked tells whether another page follows.
    let query = JobQuery { account, status, job_type, before, limit: limit + 1 };
    let mut jobs = state.store.jobs(query).await?;
    let more = jobs.len() > limit as usize;
    jobs.truncate(limit as usize);
    let next_cursor =
        jobs.last().filter(|_| more).map(|last| state.cursor_key.sign(&list, last.created_at, last.id));
    Ok(HttpResponse::Ok()
        .json(JobPage { items: jobs.iter().map(|job| state.view(job)).collect(), next_cursor }))
}

fn list_name(account: AccountId, status: Option<JobStatus>, job_type: Option<JobType>) -> String {
    format!(
        "jobs/{account}/{}/{}",
        status.map_or("", |status| status.as_str()),
        job_type.map_or("", |job_type| job_type.as_str()),
    )
}

/// `GET /saas/jobs/{id}`: its ETag is the state's sequence number.
pub async fn show(
    caller: Guarded<JobsRead>,
    path: web::Path<String>,
    request: HttpRequest,
    state: web::Data<HttpState>,
) -> Result<HttpResponse, ApiError> {
    let job = state.store.job(caller.caller.account, job_id(&path)?).await?;
    let etag = format!("\"{}\"", job.seq.0);
    let mut response = if matches_etag(&request, &etag) {
        return Ok(HttpResponse::NotModified().insert_header((header::ETAG, etag)).finish());
    } else {
        HttpResponse::Ok()
    };
    Ok(response.insert_header((header::ETAG, etag)).json(state.view(&job)))
}

/// `DELETE /saas/jobs/{id}`: 204 when it is gone, 202 while its worker stops.
pub async fn delete(
    caller: Guarded<JobsWrite>,
    path: web::Path<String>,
    state: web::Data<HttpState>,
) -> Result<HttpResponse, ApiError> {
    Ok(match remove(&state, caller.caller.account, job_id(&path)?).await? {
        Deleted::Stopping => HttpResponse::Accepted().finish(),
        Deleted::Gone => HttpResponse::NoContent().finish(),
    })
}

/// Deletes or cancels a job and tells whom it concerns.
pub(crate) async fn remove(state: &HttpState, account: AccountId, id: JobId) -> Result<Deleted, ApiError> {
    let before = state.store.job(account, id).await.ok();
    let (deleted, changed) = state.store.delete(account, id, state.clock.now()).await?;
    if deleted == Deleted::Stopping {
        (state.hint)(JobHint::CancelRequested(id));
        return Ok(deleted);
    }
    if before.is_some_and(|job| job.status == JobStatus::Queued) {
        let cancelled = JobState {
            job: id,
            seq: changed.seq.0,
            status: JobStatus::Failed,
            progress: 0,
            error_code: Some(ErrorCode::Canceled),
        };
        announce(&*state.bus, account, &cancelled).await;
    }
    Ok(deleted)
}

/// Reads a job's id from a path; a text that is no id names no job.
pub(crate) fn job_id(text: &str) -> Result<JobId, ApiError> {
    text.parse().map_err(|_| ApiError::not_found())
}

/// Returns whether `If-None-Match` names this tag (weak comparison, RFC 9110 §13.1.2).
pub(crate) fn matches_etag(request: &HttpRequest, etag: &str) -> bool {
    request.headers().get_all(header::IF_NONE_MATCH).filter_map(|value| value.to_str().ok()).any(|value| {
        value.split(',').map(str::trim).any(|tag| tag == "*" || tag.trim_start_matches("W/") == etag)
    })
}
