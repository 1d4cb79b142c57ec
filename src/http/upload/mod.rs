//! `POST /saas/jobs`: streams the upload to the object store, looks at it, and queues the job. Nothing of a refused
//! upload stays behind.

mod idempotency;
mod pace;
mod params;
mod pending;
mod places;
mod probe;
mod receive;
mod translation;

use crate::http::error::ApiError;
use crate::http::guard::{Guarded, JobsWrite};
use crate::http::limits::Rate;
use crate::http::state::HttpState;
use crate::http::view::view;
use actix_web::http::header;
use actix_web::{HttpRequest, HttpResponse, web};
use sottovoce_actors::dispatcher::JobHint;
use sottovoce_actors::job::{announce, state_of};
use sottovoce_actors::ports::store::{NewJob, StoreError, Submitted};
use sottovoce_protocol::error_code::ErrorCode;
use sottovoce_protocol::ids::JobId;

pub use places::UploadPlaces;

const REPLAYED: &str = "idempotent-replayed";

/// The handler.
pub async fn submit(
    caller: Guarded<JobsWrite>,
    request: HttpRequest,
    payload: web::Payload,
    state: web::Data<HttpState>,
) -> Result<HttpResponse, ApiError> {
    (state.ready)().map_err(|reason| ApiError::new(ErrorCode::ShuttingDown, reason).closing())?;
    let account = caller.caller.account;
    state.rates.count(Rate::Submit, account, state.clock.now()).map_err(ApiError::closing)?;
    let _place = state.uploads.take(account).ok_or_else(|| {
        ApiError::new(ErrorCode::RateLimited, "too many uploads at once; try again").retry_after(5).closing()
    })?;
    let key = idempotency::key_of(&request).map_err(ApiError::closing)?;
    let id = JobId::from_uuid(state.ids.uuid());
    let mut upload = receive::receive(&state, &request, payload, id).await?;
    if !translation::is_text(&state, &upload).await? {
        probe::probe(&state, upload.object.name()).await?;
    }

    let idempotency = key.map(|key| idempotency::of(&state, key, &request, &upload));
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
    // If the client goes away now, the index may still take the row.
    upload.object.keep();
    match state.store.submit(job).await {
        Ok(Submitted::New(job)) => {
            announce(&*state.bus, job.account, &state_of(&job)).await;
            (state.hint)(JobHint::Enqueued);
            Ok(created().insert_header((header::LOCATION, location(job.id))).json(view(&job)))
        }
        Ok(Submitted::Replayed(job)) => {
            upload.object.give_up();
            Ok(created()
                .insert_header((header::LOCATION, location(job.id)))
                .insert_header((REPLAYED, "true"))
                .json(view(&job)))
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
