//! The one table from error codes to HTTP statuses, and the body of every error: `application/problem+json` (RFC 9457);
//! under `/v1/` the shape of the service that is spoken there (`dialect.rs`). The body is written by the request-id
//! middleware, which alone knows the request.

use crate::auth::{FlowError, PasswordError};
use crate::http::dialect::Dialect;
use actix_web::http::StatusCode;
use actix_web::http::header::{self, HeaderName, HeaderValue};
use actix_web::{HttpResponse, HttpResponseBuilder, ResponseError};
use sottovoce_actors::ports::files::FileError;
use sottovoce_actors::ports::media::MediaError;
use sottovoce_actors::ports::store::StoreError;
use sottovoce_protocol::error_code::ErrorCode;
use sottovoce_protocol::ids::RequestId;
use std::fmt;

/// How long a client should wait where nothing better is known, in seconds.
const RETRY_AFTER_S: u64 = 5;
/// The same where something is busy that is done within moments.
const BUSY_S: u64 = 2;

/// An answer that is an error: a stable code and a sentence that says what to do.
#[derive(Clone, Debug)]
pub struct ApiError {
    code: ErrorCode,
    detail: String,
    retry_after_s: Option<u64>,
    /// Boxed: rare, and large in every `Result`.
    header: Option<Box<(HeaderName, HeaderValue)>>,
    param: Option<&'static str>,
    close: bool,
}

impl ApiError {
    /// Makes an error.
    pub fn new(code: ErrorCode, detail: impl Into<String>) -> Self {
        let retry_after_s = (status_of(code) == StatusCode::SERVICE_UNAVAILABLE).then_some(RETRY_AFTER_S);
        Self { code, detail: detail.into(), retry_after_s, header: None, param: None, close: false }
    }

    /// Says when to come back, in seconds.
    #[must_use]
    pub fn retry_after(mut self, seconds: u64) -> Self {
        self.retry_after_s = Some(seconds);
        self
    }

    /// Adds a header.
    #[must_use]
    pub fn with_header(mut self, name: HeaderName, value: HeaderValue) -> Self {
        self.header = Some(Box::new((name, value)));
        self
    }

    /// Names the parameter that is at fault, for the dialect that has a place for it.
    #[must_use]
    pub fn about(mut self, param: &'static str) -> Self {
        self.param = Some(param);
        self
    }

    /// Closes the connection after the answer, because the rest of the request will not be read.
    #[must_use]
    pub fn closing(mut self) -> Self {
        self.close = true;
        self
    }

    /// Returns the code.
    pub fn code(&self) -> ErrorCode {
        self.code
    }

    /// Returns the parameter at fault, where one is named.
    pub fn param(&self) -> Option<&'static str> {
        self.param
    }

    /// Returns the sentence.
    pub fn detail(&self) -> &str {
        &self.detail
    }

    /// No such thing, or not the caller's: the two are never told apart.
    pub fn not_found() -> Self {
        Self::new(ErrorCode::NotFound, "there is no such resource")
    }

    /// The request cannot be understood.
    pub fn bad_request(detail: impl Into<String>) -> Self {
        Self::new(ErrorCode::BadRequest, detail)
    }

    /// The path exists, the method does not.
    pub fn method_not_allowed(allowed: &str) -> Self {
        let error = Self::new(ErrorCode::MethodNotAllowed, format!("allowed here: {allowed}"));
        match HeaderValue::from_str(allowed) {
            Ok(value) => error.with_header(header::ALLOW, value),
            Err(_) => error,
        }
    }

    /// Writes the answer in the shape that its path promises.
    pub fn response(&self, path: &str, request: RequestId) -> HttpResponse {
        let dialect = Dialect::of(path);
        let status = dialect.status(self.code);
        dialect.write(self, status, request, self.head(status))
    }

    fn head(&self, status: StatusCode) -> HttpResponseBuilder {
        let mut response = HttpResponse::build(status);
        if let Some(seconds) = self.retry_after_s {
            response.insert_header((header::RETRY_AFTER, seconds));
        }
        if let Some((name, value)) = self.header.as_deref() {
            response.insert_header((name.clone(), value.clone()));
        }
        if status == StatusCode::UNAUTHORIZED {
            response.insert_header((header::WWW_AUTHENTICATE, "Bearer"));
        }
        if self.close {
            response.force_close();
        }
        response
    }
}

/// Returns the HTTP status of a code. The only such mapping; a dialect may know fewer of them.
pub fn status_of(code: ErrorCode) -> StatusCode {
    match code {
        ErrorCode::BadRequest
        | ErrorCode::BadCursor
        | ErrorCode::ModelUnknown
        | ErrorCode::BadReturnTo
        | ErrorCode::LinkInvalid => StatusCode::BAD_REQUEST,
        ErrorCode::Unauthorized
        | ErrorCode::LoginFailed
        | ErrorCode::RefreshInvalid
        | ErrorCode::RefreshReused
        | ErrorCode::ReauthRequired
        | ErrorCode::Ticket => StatusCode::UNAUTHORIZED,
        ErrorCode::CreditsExhausted => StatusCode::PAYMENT_REQUIRED,
        ErrorCode::Scope
        | ErrorCode::Origin
        | ErrorCode::Csrf
        | ErrorCode::RegistrationClosed
        | ErrorCode::EmailUnverified => StatusCode::FORBIDDEN,
        ErrorCode::NotFound => StatusCode::NOT_FOUND,
        ErrorCode::MethodNotAllowed => StatusCode::METHOD_NOT_ALLOWED,
        ErrorCode::UploadTooSlow => StatusCode::REQUEST_TIMEOUT,
        ErrorCode::NotReady | ErrorCode::Canceled | ErrorCode::EmailTaken | ErrorCode::TooManyKeys => {
            StatusCode::CONFLICT
        }
        ErrorCode::TooLarge => StatusCode::PAYLOAD_TOO_LARGE,
        ErrorCode::MediaUnsupported => StatusCode::UNSUPPORTED_MEDIA_TYPE,
        ErrorCode::RangeNotSatisfiable => StatusCode::RANGE_NOT_SATISFIABLE,
        ErrorCode::IdempotencyMismatch
        | ErrorCode::MediaCorrupt
        | ErrorCode::MediaTooLong
        | ErrorCode::NoAudio
        | ErrorCode::DurationMismatch
        | ErrorCode::TextInvalid
        | ErrorCode::LanguageUnsupported
        | ErrorCode::PasswordUnsuitable => StatusCode::UNPROCESSABLE_ENTITY,
        ErrorCode::UpgradeRequired => StatusCode::UPGRADE_REQUIRED,
        ErrorCode::TimedOut => StatusCode::GATEWAY_TIMEOUT,
        ErrorCode::RateLimited
        | ErrorCode::TooManyJobs
        | ErrorCode::TooManySockets
        | ErrorCode::AtCapacity => StatusCode::TOO_MANY_REQUESTS,
        ErrorCode::Internal => StatusCode::INTERNAL_SERVER_ERROR,
        ErrorCode::ProviderUnavailable | ErrorCode::ProviderRejected => StatusCode::BAD_GATEWAY,
        ErrorCode::ShuttingDown
        | ErrorCode::StorageUnavailable
        | ErrorCode::LeaseExpired
        | ErrorCode::IdpUnavailable => StatusCode::SERVICE_UNAVAILABLE,
    }
}

/// Returns the error that stands for a failure of the framework's own (a path, a query, a body it could not read).
pub fn of_framework(error: &actix_web::Error) -> ApiError {
    if let Some(error) = error.as_error::<ApiError>() {
        return error.clone();
    }
    let code = match error.as_response_error().status_code() {
        StatusCode::NOT_FOUND => ErrorCode::NotFound,
        StatusCode::PAYLOAD_TOO_LARGE => ErrorCode::TooLarge,
        StatusCode::REQUEST_TIMEOUT => ErrorCode::UploadTooSlow,
        status if status.is_client_error() => ErrorCode::BadRequest,
        _ => ErrorCode::Internal,
    };
    if code == ErrorCode::Internal {
        tracing::error!(%error, "request failed");
        return ApiError::new(code, "the server failed; try again later");
    }
    ApiError::new(code, error.to_string())
}

impl fmt::Display for ApiError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.code, self.detail)
    }
}

impl ResponseError for ApiError {
    fn status_code(&self) -> StatusCode {
        status_of(self.code)
    }

    /// Without a body: the middleware writes it.
    fn error_response(&self) -> HttpResponse {
        self.head(status_of(self.code)).finish()
    }
}

impl From<StoreError> for ApiError {
    fn from(error: StoreError) -> Self {
        match error {
            StoreError::NotFound => Self::not_found(),
            StoreError::IdempotencyMismatch => Self::new(
                ErrorCode::IdempotencyMismatch,
                "this Idempotency-Key was used for another request; use a new key for each new request",
            ),
            StoreError::TooManyJobs => {
                Self::new(ErrorCode::TooManyJobs, "too many jobs are queued; wait until some have ended")
                    .retry_after(30)
            }
            StoreError::Unavailable(cause) => {
                tracing::warn!(%cause, "index unavailable");
                Self::new(ErrorCode::StorageUnavailable, "the index does not answer; try again")
            }
            StoreError::LeaseLost | StoreError::Broken(_) => {
                tracing::error!(%error, "index failed");
                Self::new(ErrorCode::Internal, "the server failed; try again later")
            }
        }
    }
}

impl From<FlowError> for ApiError {
    fn from(error: FlowError) -> Self {
        match error {
            FlowError::Store(error) => error.into(),
            FlowError::Unsuitable(why) => Self::new(ErrorCode::PasswordUnsuitable, why.to_string()),
            FlowError::LoginFailed { .. } => {
                Self::new(ErrorCode::LoginFailed, "the e-mail address or the password is wrong")
            }
            FlowError::EmailUnverified { .. } => Self::new(
                ErrorCode::EmailUnverified,
                "confirm the address first: open the link that was sent to it, or ask for another",
            ),
            FlowError::RefreshInvalid => Self::new(
                ErrorCode::RefreshInvalid,
                "the refresh token is not valid (any more); log in again",
            ),
            FlowError::RefreshReused { .. } => Self::new(
                ErrorCode::RefreshReused,
                "the refresh token was used before, so somebody may have stolen it; the login was ended, log in again",
            ),
            FlowError::ReauthRequired => {
                Self::new(ErrorCode::ReauthRequired, "the login is too old for this; log in again")
            }
            FlowError::CurrentPasswordMissing => Self::bad_request("send `current_password` too"),
            FlowError::EmailTaken => {
                Self::new(ErrorCode::EmailTaken, "the address has an account already; log in")
            }
            FlowError::RegistrationClosed => Self::new(
                ErrorCode::RegistrationClosed,
                "accounts are made by invitation or by the operator only; ask for one",
            ),
            FlowError::LinkInvalid => {
                Self::new(ErrorCode::LinkInvalid, "the link is unknown, used or too old; ask for a new one")
            }
            FlowError::TooManyLetters | FlowError::Password(PasswordError::Busy) => {
                Self::new(ErrorCode::RateLimited, "too many are at it at once; try again").retry_after(BUSY_S)
            }
            FlowError::Password(PasswordError::Failed(_)) | FlowError::Random(_) | FlowError::Signing(_) => {
                tracing::error!(%error, "credentials failed");
                Self::new(ErrorCode::Internal, "the server failed; try again later")
            }
        }
    }
}

impl From<FileError> for ApiError {
    fn from(error: FileError) -> Self {
        match error {
            FileError::NotFound => Self::not_found(),
            FileError::BadRange => {
                Self::new(ErrorCode::RangeNotSatisfiable, "the range lies outside of the file")
            }
            FileError::Unavailable(cause) => {
                tracing::warn!(%cause, "object storage unavailable");
                Self::new(ErrorCode::StorageUnavailable, "the file storage does not answer; try again")
            }
            FileError::Malformed(_) => {
                tracing::error!(%error, "object storage misused");
                Self::new(ErrorCode::Internal, "the server failed; try again later")
            }
        }
    }
}

impl From<MediaError> for ApiError {
    fn from(error: MediaError) -> Self {
        Self::new(error.code, error.detail)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_code_is_an_error_and_only_passing_ones_say_when_to_return() {
        for &code in ErrorCode::ALL {
            let status = status_of(code);
            assert!(status.is_client_error() || status.is_server_error(), "{code} is {status}");
            let response = ApiError::new(code, "what to do").error_response();
            let returns = response.headers().contains_key(header::RETRY_AFTER);
            assert_eq!(returns, status == StatusCode::SERVICE_UNAVAILABLE, "{code}");
            assert_eq!(
                response.headers().contains_key(header::WWW_AUTHENTICATE),
                status == StatusCode::UNAUTHORIZED
            );
        }
    }
}
