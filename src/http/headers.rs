//! Security headers on every answer, and CORS by the one origin policy.

use crate::http::auth::CSRF_HEADER;
use crate::http::dialect::{DG_ERROR, DG_REQUEST_ID};
use crate::http::origin::Origins;
use crate::http::state::HttpState;
use actix_cors::Cors;
use actix_web::Error;
use actix_web::body::MessageBody;
use actix_web::dev::{ServiceRequest, ServiceResponse};
use actix_web::http::header::{self, HeaderName, HeaderValue};
use actix_web::middleware::Next;
use actix_web::web::Data;
use std::sync::Arc;

const SECURE: [(HeaderName, HeaderValue); 6] = [
    (header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff")),
    (header::CACHE_CONTROL, HeaderValue::from_static("no-store")),
    (header::REFERRER_POLICY, HeaderValue::from_static("no-referrer")),
    (header::X_FRAME_OPTIONS, HeaderValue::from_static("DENY")),
    (header::CROSS_ORIGIN_RESOURCE_POLICY, HeaderValue::from_static("same-origin")),
    (
        header::CONTENT_SECURITY_POLICY,
        HeaderValue::from_static("default-src 'none'; frame-ancestors 'none'; sandbox"),
    ),
];

/// A year. Sent where the public address is https only.
const HSTS: HeaderValue = HeaderValue::from_static("max-age=31536000");

/// Adds what a handler did not set itself.
pub async fn secure<B: MessageBody>(
    request: ServiceRequest,
    next: Next<B>,
) -> Result<ServiceResponse<B>, Error> {
    let behind_tls = request.app_data::<Data<HttpState>>().is_some_and(|state| state.auth.secure_cookies);
    let mut response = next.call(request).await?;
    if behind_tls {
        response.headers_mut().insert(header::STRICT_TRANSPORT_SECURITY, HSTS);
    }
    for (name, value) in SECURE {
        if !response.headers().contains_key(&name) {
            response.headers_mut().insert(name, value);
        }
    }
    Ok(response)
}

/// Lets the allowed origins read answers; requests of others are answered without CORS headers, so that browsers keep
/// the answer from the page. Credentials travel in `Authorization`; the one cookie is read by `/auth/refresh` and
/// `/auth/logout` only.
pub fn cors(origins: Arc<Origins>) -> Cors {
    Cors::default()
        .allowed_origin_fn(move |origin, _head| origins.allows(origin.as_bytes()))
        .allowed_methods(["GET", "HEAD", "POST", "DELETE"])
        .allowed_headers([
            header::AUTHORIZATION,
            header::CONTENT_TYPE,
            header::RANGE,
            header::IF_NONE_MATCH,
            HeaderName::from_static("idempotency-key"),
            HeaderName::from_static("x-sottovoce-params"),
            CSRF_HEADER,
        ])
        .supports_credentials()
        .expose_headers([
            header::LOCATION,
            header::ETAG,
            header::RETRY_AFTER,
            header::CONTENT_RANGE,
            header::CONTENT_DISPOSITION,
            DG_REQUEST_ID,
            DG_ERROR,
            HeaderName::from_static("x-request-id"),
            HeaderName::from_static("idempotent-replayed"),
        ])
        .max_age(600)
}
