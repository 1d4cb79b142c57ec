//! The outermost middleware: gives each request an id, writes the bodies of errors in one shape, and logs one line.
//! Never logs a query, a header or a credential.

use crate::http::error::of_framework;
use crate::http::state::HttpState;
use actix_web::body::{EitherBody, MessageBody};
use actix_web::dev::{ServiceRequest, ServiceResponse};
use actix_web::http::header::{HeaderName, HeaderValue};
use actix_web::middleware::Next;
use actix_web::{Error, HttpMessage, HttpRequest, web};
use sottovoce_protocol::ids::RequestId;
use tokio::time::Instant;
use tracing::Instrument;

const HEADER: HeaderName = HeaderName::from_static("x-request-id");

/// Returns the id of a request that came through the middleware.
pub fn of(request: &HttpRequest) -> Option<RequestId> {
    request.extensions().get::<RequestId>().copied()
}

/// See the module.
pub async fn observe<B: MessageBody>(
    state: web::Data<HttpState>,
    request: ServiceRequest,
    next: Next<B>,
) -> Result<ServiceResponse<EitherBody<B>>, Error> {
    let id = RequestId::from_uuid(state.ids.uuid());
    request.extensions_mut().insert(id);
    let span = tracing::info_span!("request", request.id = %id, method = %request.method());
    async move {
        let began = Instant::now();
        let response = next.call(request).await?;
        let mut response = shaped(response, id);
        if let Ok(value) = HeaderValue::from_str(&id.to_string()) {
            response.headers_mut().insert(HEADER, value);
        }
        let route = response.request().match_pattern().unwrap_or_else(|| "unmatched".to_owned());
        let status = response.status().as_u16();
        let took_ms = began.elapsed().as_millis() as u64;
        if response.status().is_server_error() {
            tracing::warn!(route, status, took_ms, "request failed");
        } else {
            tracing::debug!(route, status, took_ms, "request served");
        }
        Ok(response)
    }
    .instrument(span)
    .await
}

fn shaped<B>(response: ServiceResponse<B>, id: RequestId) -> ServiceResponse<EitherBody<B>> {
    let Some(error) = response.response().error().map(of_framework) else {
        return response.map_into_left_body();
    };
    let (request, inner) = response.into_parts();
    let mut shaped = error.response(request.path(), id);
    // What inner middleware added (CORS, security headers) stays.
    for (name, value) in inner.headers() {
        if !shaped.headers().contains_key(name) {
            shaped.headers_mut().insert(name.clone(), value.clone());
        }
    }
    ServiceResponse::new(request, shaped).map_into_boxed_body().map_into_right_body()
}
