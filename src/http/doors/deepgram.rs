//! `POST /v1/listen`: a file in the body, its transcript in Deepgram's shape in the answer.

use crate::http::dialect::DG_REQUEST_ID;
use crate::http::doors::deepgram_answer::Shape;
use crate::http::doors::deepgram_query::FileQuery;
use crate::http::doors::{params, routing, wait};
use crate::http::error::ApiError;
use crate::http::guard::{Guarded, Listen};
use crate::http::state::HttpState;
use crate::http::upload::{self, Received, Upload};
use actix_web::http::header;
use actix_web::web::{Data, Payload, Query};
use actix_web::{HttpRequest, HttpResponse};
use sottovoce_actors::time::rfc3339;
use sottovoce_protocol::ids::JobId;
use sottovoce_protocol::jobs::JobType;

/// The handler.
pub async fn listen(
    caller: Guarded<Listen>,
    request: HttpRequest,
    query: Query<Vec<(String, String)>>,
    payload: Payload,
    state: Data<HttpState>,
) -> Result<HttpResponse, ApiError> {
    let account = caller.caller.account;
    let query =
        FileQuery::parse(&query).map_err(|error| ApiError::bad_request(error.to_string()).closing())?;
    refuse_address(&request)?;
    let model = routing::model(&state.models, query.model.as_deref(), &state.doors.default_model)
        .map_err(ApiError::closing)?;
    let language = routing::language(model, query.language.as_deref()).map_err(ApiError::closing)?;
    let mut params = params(JobType::Transcription, language, &model.id);
    params.multichannel = query.multichannel.then_some(true);

    let (_waiting, place) = wait::enter(&state, account)?;
    let id = JobId::from_uuid(state.ids.uuid());
    let Received { file_name, object, stored } = upload::receive_file(&state, &request, payload, id).await?;
    let sha256 = stored.sha256.clone();
    let upload = Upload { params, file_name, object, stored };
    let channels = upload::probe(&state, &upload).await?;
    drop(place);

    let (job, made) = wait::done(&state, &request, account, id, upload).await?;
    let shape = Shape {
        query,
        request_id: id.to_string(),
        sha256,
        created: rfc3339(job.created_at),
        channels,
        model_uuid: routing::model_uuid(&model.id).to_string(),
        model: routing::model_info(model),
        ids: state.ids.clone(),
    };
    let body = wait::reshaped(&state, &job, move |transcript| shape.of(&transcript)).await?;
    made.answered().await;
    Ok(HttpResponse::Ok()
        .content_type("application/json")
        .insert_header((DG_REQUEST_ID, id.to_string()))
        .body(body))
}

/// Only `application/json` is taken for a document (`{"url": …}`); any other body is a file, whatever it is said to be.
fn refuse_address(request: &HttpRequest) -> Result<(), ApiError> {
    let kind = request.headers().get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok());
    let essence = kind.and_then(|kind| kind.split(';').next()).unwrap_or_default().trim();
    if essence.eq_ignore_ascii_case("application/json") {
        let detail = "this server fetches no addresses: send the file itself as the body, with the content type of audio";
        return Err(ApiError::bad_request(detail).closing());
    }
    if upload::is_form(request) {
        let detail = "send the file alone as the body, without a form";
        return Err(ApiError::bad_request(detail).closing());
    }
    Ok(())
}
