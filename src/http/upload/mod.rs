//! `POST /saas/jobs`: streams the upload to the object store, looks at it, and queues the job. Nothing of a refused
//! upload stays behind. The doors of `/v1` take their files by the same steps.

mod fields;
mod idempotency;
mod pace;
mod params;
mod pending;
mod places;
mod probe;
mod receive;
mod translation;

use crate::http::callback_secret;
use crate::http::error::ApiError;
use crate::http::guard::{Guarded, JobsWrite};
use crate::http::limits::Rate;
use crate::http::state::HttpState;
use actix_web::http::header;
use actix_web::{HttpRequest, HttpResponse, web};
use sottovoce_actors::dispatcher::JobHint;
use sottovoce_actors::job::{announce, state_of};
use sottovoce_actors::ports::store::{Idempotency, NewJob, StoreError, Submitted};
use sottovoce_protocol::error_code::ErrorCode;
use sottovoce_protocol::ids::{AccountId, JobId};

pub(crate) use fields::receive_fields;
pub(crate) use params::check_made;
pub use places::{UploadPlace, UploadPlaces};
pub(crate) use probe::probe;
pub(crate) use receive::{Received, Upload, is_form, receive_file};

const REPLAYED: &str = "idempotent-replayed";

/// The handler.
pub async fn submit(
    caller: Guarded<JobsWrite>,
    request: HttpRequest,
    payload: web::Payload,
    state: web::Data<HttpState>,
) -> Result<HttpResponse, ApiError> {
    let account = caller.caller.account;
    let _place = admit(&state, account).map_err(ApiError::closing)?;
    let key = idempotency::key_of(&request).map_err(ApiError::closing)?;
    let id = JobId::from_uuid(state.ids.uuid());
    let upload = receive::receive(&state, &request, payload, id).await?;
    if !translation::is_text(&state, &upload).await? {
        probe(&state, &upload).await?;
    }
    let idempotency = key.map(|key| idempotency::of(&state, key, &request, &upload));
    match enqueue(&state, account, id, upload, idempotency).await? {
        Submitted::New(job) => {
            Ok(created().insert_header((header::LOCATION, location(job.id))).json(state.view(&job)))
        }
        Submitted::Replayed(job) => Ok(created()
            .insert_header((header::LOCATION, location(job.id)))
            .insert_header((REPLAYED, "true"))
            .json(state.view(&job))),
    }
}

/// Lets an account begin an upload; the place is given back when dropped.
pub(crate) fn admit(state: &HttpState, account: AccountId) -> Result<UploadPlace, ApiError> {
    (state.ready)().map_err(|reason| ApiError::new(ErrorCode::ShuttingDown, reason))?;
    state.rates.count(Rate::Submit, account, state.clock.now())?;
    state.uploads.take(account).ok_or_else(|| {
        ApiError::new(ErrorCode::RateLimited, "too many uploads at once; try again").retry_after(5)
    })
}

/// Queues what was received. The object of a replayed or refused submission is deleted.
pub(crate) async fn enqueue(
    state: &HttpState,
    account: AccountId,
    id: JobId,
    mut upload: Upload,
    idempotency: Option<Idempotency>,
) -> Result<Submitted, ApiError> {
    let job = NewJob {
        id,
        account,
        params: upload.params,
        input: upload.object.name().clone(),
        file_name: upload.file_name,
        max_attempts: state.limits.max_attempts,
        max_queued: state.limits.max_queued_jobs,
        idempotency,
        now: state.clock.now(),
    };
    if job.params.callback_url.is_some() {
        let fresh = callback_secret::fresh()?;
        state.callbacks.callback_secret(account, fresh, job.now).await?;
    }
    // If the client goes away now, the index may still take the row.
    upload.object.keep();
    match state.store.submit(job).await {
        Ok(submitted) => {
            match &submitted {
                Submitted::New(job) => {
                    announce(&*state.bus, job.account, &state_of(job)).await;
                    (state.hint)(JobHint::Enqueued);
                }
                Submitted::Replayed(_) => upload.object.give_up(),
            }
            Ok(submitted)
        }
        Err(error) => {
            // An index that failed half-way may have kept the row; if not, the janitor sweeps the object.
            if !matches!(error, StoreError::Unavailable(_) | StoreError::Broken(_)) {
                upload.object.give_up();
            }
            Err(error.into())
        }
    }
}

fn created() -> actix_web::HttpResponseBuilder {
    HttpResponse::Created()
}

fn location(id: JobId) -> String {
    format!("/saas/jobs/{id}")
}
