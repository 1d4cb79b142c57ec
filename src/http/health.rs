//! `/livez` and `/readyz`: for supervisors and load balancers; without credentials.

use crate::http::error::ApiError;
use crate::http::state::HttpState;
use actix_web::{HttpResponse, web};
use sottovoce_protocol::error_code::ErrorCode;
use std::time::Duration;

/// A slower index is not ready.
const PING_TIMEOUT: Duration = Duration::from_secs(2);

/// `GET /livez`: the process answers.
pub async fn live() -> HttpResponse {
    HttpResponse::Ok().content_type("text/plain").body("ok\n")
}

/// `GET /readyz`: models are loaded, the index answers, and the server is not stopping.
pub async fn ready(state: web::Data<HttpState>) -> Result<HttpResponse, ApiError> {
    if let Err(reason) = (state.ready)() {
        return Err(ApiError::new(ErrorCode::ShuttingDown, reason));
    }
    match tokio::time::timeout(PING_TIMEOUT, state.store.ping()).await {
        Ok(Ok(())) => Ok(HttpResponse::Ok().content_type("text/plain").body("ready\n")),
        Ok(Err(error)) => Err(error.into()),
        Err(_) => Err(ApiError::new(ErrorCode::StorageUnavailable, "the index does not answer in time")),
    }
}
