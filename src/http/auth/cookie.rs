//! The cookie that holds a browser's refresh token, and what a request that uses it must show against forgery
//! (`X-Sottovoce-CSRF: 1`, which no form can send, and an allowed `Origin`).

use crate::auth::{AuthSettings, RefreshSecret};
use crate::http::error::ApiError;
use crate::http::state::HttpState;
use actix_web::HttpRequest;
use actix_web::http::header::{self, HeaderName, HeaderValue};
use sottovoce_protocol::error_code::ErrorCode;

/// A page adds this header, with the value 1, to requests that use the cookie.
pub const CSRF_HEADER: HeaderName = HeaderName::from_static("x-sottovoce-csrf");

/// `__Host-`: browsers take it from this very host over TLS only.
const SECURE_NAME: &str = "__Host-sottovoce_rt";
/// For plain HTTP on one's own machine.
const PLAIN_NAME: &str = "sottovoce_rt";

const fn name(settings: &AuthSettings) -> &'static str {
    if settings.secure_cookies { SECURE_NAME } else { PLAIN_NAME }
}

/// Returns the `Set-Cookie` that keeps a refresh token for so long.
pub fn keep(settings: &AuthSettings, secret: &RefreshSecret, life_ms: i64) -> Option<HeaderValue> {
    set(settings, secret.expose(), life_ms.max(0) / 1000)
}

/// Returns the `Set-Cookie` that removes it.
pub fn remove(settings: &AuthSettings) -> Option<HeaderValue> {
    set(settings, "", 0)
}

fn set(settings: &AuthSettings, value: &str, max_age_s: i64) -> Option<HeaderValue> {
    let secure = if settings.secure_cookies { "; Secure" } else { "" };
    let name = name(settings);
    let cookie = format!("{name}={value}; Path=/; Max-Age={max_age_s}; HttpOnly; SameSite=Strict{secure}");
    HeaderValue::from_str(&cookie).ok()
}

/// Returns the refresh token in a request's cookie.
pub fn of(settings: &AuthSettings, request: &HttpRequest) -> Option<RefreshSecret> {
    let headers = request.headers().get_all(header::COOKIE).filter_map(|value| value.to_str().ok());
    let mut pairs = headers.flat_map(|value| value.split(';')).filter_map(|pair| pair.trim().split_once('='));
    let (_, value) = pairs.find(|(key, value)| *key == name(settings) && !value.is_empty())?;
    Some(RefreshSecret::presented(value))
}

/// Checks that a request that uses the cookie comes from a page of ours.
///
/// # Errors
/// `csrf`, `origin`.
pub fn require_own_page(state: &HttpState, request: &HttpRequest) -> Result<(), ApiError> {
    if request.headers().get(&CSRF_HEADER).is_none_or(|value| value != "1") {
        return Err(ApiError::new(
            ErrorCode::Csrf,
            "send the header `X-Sottovoce-CSRF: 1` with requests that use the cookie",
        ));
    }
    match origin_of(request) {
        Some(origin) if state.origins.allows(origin) => Ok(()),
        Some(_) | None => Err(foreign_origin()),
    }
}

/// Checks that a request whose answer sets the cookie does not come from a foreign page. Programs send no `Origin`.
///
/// # Errors
/// `origin`.
pub fn require_no_foreign_page(state: &HttpState, request: &HttpRequest) -> Result<(), ApiError> {
    match origin_of(request) {
        Some(origin) if !state.origins.allows(origin) => Err(foreign_origin()),
        Some(_) | None => Ok(()),
    }
}

/// Two origins in one request are none that is allowed.
fn origin_of(request: &HttpRequest) -> Option<&[u8]> {
    let mut values = request.headers().get_all(header::ORIGIN);
    let first = values.next()?;
    Some(if values.next().is_some() { b"" } else { first.as_bytes() })
}

fn foreign_origin() -> ApiError {
    ApiError::new(ErrorCode::Origin, "this origin may not use the cookie; add it to http.allowed_origins")
}
