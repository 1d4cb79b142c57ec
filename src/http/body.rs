//! Small JSON bodies. Read by the handler after the caller was authenticated, not by an extractor beside it, so that nobody
//! learns about a body before saying who they are.

use crate::http::error::ApiError;
use actix_web::http::header;
use actix_web::{HttpRequest, web};
use futures_util::StreamExt;
use serde::de::DeserializeOwned;
use sottovoce_protocol::error_code::ErrorCode;
use std::time::Duration;

/// Largest body.
const MAX_BYTES: usize = 16 * 1024;
/// A body of this size that takes longer is no honest client's.
const WITHIN: Duration = Duration::from_secs(10);

/// Reads a JSON body.
///
/// # Errors
/// `bad_request` where it is not `application/json` or not of this shape, `too_large`, `upload_too_slow`.
pub async fn json<T: DeserializeOwned>(request: &HttpRequest, payload: web::Payload) -> Result<T, ApiError> {
    let body = bytes(payload).await?;
    // A page of another origin can send any other type without asking first.
    if !is_json(request) {
        return Err(ApiError::bad_request("send the body as `Content-Type: application/json`"));
    }
    // serde names fields and positions, and may quote a value that is of the wrong kind: only its place is told.
    serde_json::from_slice(&body).map_err(|error| ApiError::bad_request(told(&error)))
}

/// Reads a JSON body that may be left out.
///
/// # Errors
/// As [`json`].
pub async fn json_or_default<T: DeserializeOwned + Default>(payload: web::Payload) -> Result<T, ApiError> {
    let body = bytes(payload).await?;
    if body.is_empty() {
        return Ok(T::default());
    }
    serde_json::from_slice(&body).map_err(|error| ApiError::bad_request(told(&error)))
}

/// Says what is wrong without quoting a value, which may be a secret.
fn told(error: &serde_json::Error) -> String {
    use serde_json::error::Category;
    let at = format!("line {}, column {}", error.line(), error.column());
    match error.classify() {
        Category::Data => {
            let text = error.to_string();
            let named = ["missing field", "unknown field", "duplicate field"];
            match named.iter().find(|kind| text.starts_with(**kind)) {
                Some(_) => format!("the body is not as it should be: {text}"),
                None => format!("a value of the body is of the wrong kind ({at}); see /openapi.json"),
            }
        }
        Category::Eof | Category::Syntax | Category::Io => format!("the body is no JSON ({at})"),
    }
}

fn is_json(request: &HttpRequest) -> bool {
    request
        .headers()
        .get(header::CONTENT_TYPE)
        .and_then(|value| value.to_str().ok())
        .and_then(|value| value.split(';').next())
        .is_some_and(|kind| kind.trim().eq_ignore_ascii_case("application/json"))
}

async fn bytes(mut payload: web::Payload) -> Result<Vec<u8>, ApiError> {
    let reading = async {
        let mut body = Vec::new();
        while let Some(chunk) = payload.next().await {
            let chunk = chunk.map_err(|_| ApiError::bad_request("the body broke off").closing())?;
            if body.len() + chunk.len() > MAX_BYTES {
                let detail = format!("the body may have {MAX_BYTES} bytes");
                return Err(ApiError::new(ErrorCode::TooLarge, detail).closing());
            }
            body.extend_from_slice(&chunk);
        }
        Ok(body)
    };
    match tokio::time::timeout(WITHIN, reading).await {
        Ok(read) => read,
        Err(_) => Err(ApiError::new(ErrorCode::UploadTooSlow, "the body did not arrive in time").closing()),
    }
}
