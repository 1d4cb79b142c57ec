//! How errors are said: ours (`application/problem+json`, RFC 9457), and those of the services that clients of `/v1/` know.
//! Pure.

use crate::http::error::{ApiError, status_of};
use actix_web::http::StatusCode;
use actix_web::http::header::{HeaderName, HeaderValue};
use actix_web::{HttpResponse, HttpResponseBuilder};
use serde_json::json;
use sottovoce_protocol::error_code::ErrorCode;
use sottovoce_protocol::ids::RequestId;

/// Deepgram's name of the request (`wire.md` §4c); some SDKs require it and that it is a UUID.
pub const DG_REQUEST_ID: HeaderName = HeaderName::from_static("dg-request-id");
/// Deepgram's name of the reason for a refusal.
pub const DG_ERROR: HeaderName = HeaderName::from_static("dg-error");

/// Whose shapes a path keeps.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Dialect {
    /// Ours.
    Problem,
    /// Deepgram's: `{err_code, err_msg, request_id}` (`wire.md` §4g).
    Deepgram,
    /// OpenAI's: `{"error": {message, type, param, code}}` (`wire.md` §5d).
    OpenAi,
}

impl Dialect {
    /// Returns the dialect of a path.
    pub fn of(path: &str) -> Self {
        if path.starts_with("/v1/audio/") {
            Self::OpenAi
        } else if path.starts_with("/v1/") {
            Self::Deepgram
        } else {
            Self::Problem
        }
    }

    /// Returns the status of a code. A file that cannot be used is 400 in both foreign dialects, whose clients know no 422;
    /// a kind of file that is not known is 415 in Deepgram's and 400 in OpenAI's.
    pub fn status(self, code: ErrorCode) -> StatusCode {
        match (self, status_of(code)) {
            (Self::Deepgram | Self::OpenAi, StatusCode::UNPROCESSABLE_ENTITY) => StatusCode::BAD_REQUEST,
            (Self::OpenAi, StatusCode::UNSUPPORTED_MEDIA_TYPE) => StatusCode::BAD_REQUEST,
            (_, status) => status,
        }
    }

    /// Writes the body, and the headers that belong to it.
    pub fn write(
        self,
        error: &ApiError,
        status: StatusCode,
        request: RequestId,
        mut response: HttpResponseBuilder,
    ) -> HttpResponse {
        match self {
            Self::Problem => response.content_type("application/problem+json").body(
                json!({
                    "type": "about:blank",
                    "title": status.canonical_reason().unwrap_or("Error"),
                    "status": status.as_u16(),
                    "code": error.code(),
                    "detail": error.detail(),
                    "request_id": request,
                })
                .to_string(),
            ),
            Self::Deepgram => {
                if let Ok(value) = HeaderValue::from_str(error.detail()) {
                    response.insert_header((DG_ERROR, value));
                }
                response.insert_header((DG_REQUEST_ID, request.to_string()));
                response.json(json!({
                    "err_code": deepgram_code(error.code()),
                    "err_msg": error.detail(),
                    "request_id": request,
                }))
            }
            Self::OpenAi => response.json(json!({
                "error": {
                    "message": error.detail(),
                    "type": openai_type(status),
                    "param": error.param(),
                    "code": openai_code(error.code()),
                },
            })),
        }
    }
}

/// Returns Deepgram's name for a code (`wire.md` §4g), or ours in capitals where it has none.
fn deepgram_code(code: ErrorCode) -> String {
    match code {
        ErrorCode::BadRequest | ErrorCode::LanguageUnsupported => "INVALID_QUERY_PARAMETER".into(),
        ErrorCode::Unauthorized | ErrorCode::Ticket => "INVALID_AUTH".into(),
        ErrorCode::Scope | ErrorCode::Origin => "INSUFFICIENT_PERMISSIONS".into(),
        ErrorCode::CreditsExhausted => "ASR_PAYMENT_REQUIRED".into(),
        ErrorCode::TooLarge => "PAYLOAD_TOO_LARGE".into(),
        ErrorCode::MediaUnsupported => "UNSUPPORTED_MEDIA_TYPE".into(),
        ErrorCode::MediaCorrupt
        | ErrorCode::MediaTooLong
        | ErrorCode::NoAudio
        | ErrorCode::DurationMismatch => "Bad Request".into(),
        ErrorCode::RateLimited | ErrorCode::AtCapacity | ErrorCode::TooManySockets => {
            "TOO_MANY_REQUESTS".into()
        }
        other => other.as_str().to_ascii_uppercase(),
    }
}

fn openai_type(status: StatusCode) -> &'static str {
    match status {
        StatusCode::PAYMENT_REQUIRED => "insufficient_quota",
        StatusCode::FORBIDDEN => "permission_error",
        StatusCode::TOO_MANY_REQUESTS => "requests",
        status if status.is_server_error() => "server_error",
        _ => "invalid_request_error",
    }
}

/// Returns OpenAI's name for a code, or ours where it has none.
fn openai_code(code: ErrorCode) -> &'static str {
    match code {
        ErrorCode::Unauthorized => "invalid_api_key",
        ErrorCode::CreditsExhausted => "insufficient_quota",
        ErrorCode::RateLimited => "rate_limit_exceeded",
        other => other.as_str(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn foreign_dialects_know_no_422() {
        for &code in ErrorCode::ALL {
            assert_eq!(Dialect::Problem.status(code), status_of(code));
            for dialect in [Dialect::Deepgram, Dialect::OpenAi] {
                let status = dialect.status(code);
                assert_ne!(status, StatusCode::UNPROCESSABLE_ENTITY, "{code}");
                assert_eq!(status.is_server_error(), status_of(code).is_server_error(), "{code}");
            }
            assert_ne!(Dialect::OpenAi.status(code), StatusCode::UNSUPPORTED_MEDIA_TYPE);
        }
    }

    #[test]
    fn a_path_has_one_dialect() {
        for (path, dialect) in [
            ("/v1/listen", Dialect::Deepgram),
            ("/v1/auth/grant", Dialect::Deepgram),
            ("/v1/audio/transcriptions", Dialect::OpenAi),
            ("/v1/audio/speech", Dialect::OpenAi),
            ("/saas/jobs", Dialect::Problem),
            ("/v1", Dialect::Problem),
        ] {
            assert_eq!(Dialect::of(path), dialect, "{path}");
        }
    }
}
