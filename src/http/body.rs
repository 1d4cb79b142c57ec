//! Small JSON bodies, read within a time. They may hold passwords, so what is wrong with one is told without quoting it.
//! Extractors are for routes that are open to all: behind a guard the handler reads the body itself, so that nobody learns
//! anything of it before saying who they are.

use crate::http::error::{ApiError, of_framework};
use actix_web::dev::Payload;
use actix_web::http::header;
use actix_web::{FromRequest, HttpRequest, web};
use futures_util::StreamExt;
use futures_util::future::LocalBoxFuture;
use serde::de::DeserializeOwned;
use serde_json::error::Category;
use sottovoce_protocol::error_code::ErrorCode;
use std::time::Duration;

const MAX_BYTES: usize = 8 * 1024;
const WITHIN: Duration = Duration::from_secs(10);

/// A JSON document that must be there.
#[derive(Debug)]
pub struct Json<T>(pub T);

/// A JSON document, or an empty body.
#[derive(Debug)]
pub struct MaybeJson<T>(pub Option<T>);

/// Reads a JSON document.
///
/// # Errors
/// `media_unsupported`, `bad_request`, `too_large`, `upload_too_slow`.
pub async fn json<T: DeserializeOwned>(request: &HttpRequest, payload: web::Payload) -> Result<T, ApiError> {
    parse(is_json(request), &read(payload.into_inner()).await?)
}

/// Reads a JSON document; `None` for an empty body.
///
/// # Errors
/// As [`json`].
pub async fn maybe_json<T: DeserializeOwned>(
    request: &HttpRequest,
    payload: web::Payload,
) -> Result<Option<T>, ApiError> {
    optional(is_json(request), &read(payload.into_inner()).await?)
}

impl<T: DeserializeOwned + 'static> FromRequest for Json<T> {
    type Error = ApiError;
    type Future = LocalBoxFuture<'static, Result<Self, ApiError>>;

    fn from_request(request: &HttpRequest, payload: &mut Payload) -> Self::Future {
        let (is_json, payload) = (is_json(request), payload.take());
        Box::pin(async move { parse(is_json, &read(payload).await?).map(Self) })
    }
}

impl<T: DeserializeOwned + 'static> FromRequest for MaybeJson<T> {
    type Error = ApiError;
    type Future = LocalBoxFuture<'static, Result<Self, ApiError>>;

    fn from_request(request: &HttpRequest, payload: &mut Payload) -> Self::Future {
        let (is_json, payload) = (is_json(request), payload.take());
        Box::pin(async move { optional(is_json, &read(payload).await?).map(Self) })
    }
}

fn is_json(request: &HttpRequest) -> bool {
    let value = request.headers().get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok());
    let essence = value.and_then(|value| value.split(';').next());
    essence.is_some_and(|essence| essence.trim().eq_ignore_ascii_case("application/json"))
}

async fn read(mut payload: Payload) -> Result<Vec<u8>, ApiError> {
    let reading = async {
        let mut body = Vec::new();
        while let Some(chunk) = payload.next().await {
            let chunk = chunk.map_err(|error| of_framework(&error.into()).closing())?;
            if body.len() + chunk.len() > MAX_BYTES {
                let detail = format!("the body is too large; send at most {MAX_BYTES} bytes");
                return Err(ApiError::new(ErrorCode::TooLarge, detail).closing());
            }
            body.extend_from_slice(&chunk);
        }
        Ok(body)
    };
    tokio::time::timeout(WITHIN, reading).await.unwrap_or_else(|_| {
        Err(ApiError::new(ErrorCode::UploadTooSlow, "the body came too slowly; send it at once").closing())
    })
}

fn optional<T: DeserializeOwned>(is_json: bool, body: &[u8]) -> Result<Option<T>, ApiError> {
    if body.is_empty() { Ok(None) } else { parse(is_json, body).map(Some) }
}

fn parse<T: DeserializeOwned>(is_json: bool, body: &[u8]) -> Result<T, ApiError> {
    if !is_json {
        return Err(ApiError::new(ErrorCode::MediaUnsupported, "send `Content-Type: application/json`"));
    }
    serde_json::from_slice(body).map_err(|error| {
        let what = match error.classify() {
            Category::Data => "does not have the fields that it should have, of their types and no others",
            Category::Syntax | Category::Eof | Category::Io => "is no JSON",
        };
        let (line, column) = (error.line(), error.column());
        ApiError::bad_request(format!("the body {what} (line {line}, column {column})"))
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use actix_web::test::TestRequest;
    use sottovoce_protocol::auth::Login;

    #[test]
    fn what_is_wrong_is_told_without_quoting_it() {
        for body in [
            r#"{"email": "ada@example.test", "password": ["canary-password"]}"#,
            r#"{"email": "ada@example.test", "password": "canary-password", "canary-password": 1}"#,
            r#"{"email": "ada@example.test", "client": "canary-password", "password": "x"}"#,
            r#"{"email": "ada@example.test", "password": "canary-password"#,
            "canary-password",
        ] {
            let error = parse::<Login>(true, body.as_bytes()).unwrap_err();
            assert_eq!(error.code(), ErrorCode::BadRequest);
            assert!(!error.detail().contains("canary"), "{error}");
        }
    }

    #[test]
    fn json_is_told_by_its_type_only() {
        for (value, taken) in [
            ("application/json", true),
            ("Application/JSON; charset=utf-8", true),
            ("text/plain", false),
            ("application/jsonp", false),
            ("application/x-www-form-urlencoded", false),
            ("text/plain; application/json", false),
        ] {
            let request = TestRequest::default().insert_header((header::CONTENT_TYPE, value));
            assert_eq!(is_json(&request.to_http_request()), taken, "{value}");
        }
        assert!(!is_json(&TestRequest::default().to_http_request()));
    }
}
