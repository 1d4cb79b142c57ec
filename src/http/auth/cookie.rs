//! Our cookies, and what a request that uses the refresh token's must show against forgery
//! (`X-Sottovoce-CSRF: 1`, which no form can send, and an allowed `Origin`).

use crate::auth::AuthSettings;
use crate::http::error::ApiError;
use crate::http::state::HttpState;
use actix_web::HttpRequest;
use actix_web::http::header::{self, HeaderName, HeaderValue};
use sottovoce_protocol::error_code::ErrorCode;

/// A page adds this header, with the value 1, to requests that use the cookie.
pub const CSRF_HEADER: HeaderName = HeaderName::from_static("x-sottovoce-csrf");

/// A cookie of ours. For TLS only, with the prefix `__Host-` (browsers take it from this very host alone), but on plain
/// HTTP on one's own machine.
#[derive(Clone, Copy, Debug)]
pub struct Cookie {
    name: &'static str,
    same_site: &'static str,
}

/// The refresh token.
pub const REFRESH: Cookie = Cookie { name: "sottovoce_rt", same_site: "Strict" };
/// The browser's own secret of a login on its way: it must come back with a redirect from the provider.
pub const LOGIN: Cookie = Cookie { name: "sottovoce_login", same_site: "Lax" };

impl Cookie {
    fn name(self, settings: &AuthSettings) -> String {
        if settings.secure_cookies { format!("__Host-{}", self.name) } else { self.name.to_owned() }
    }

    /// Returns the `Set-Cookie` that keeps a secret of ours for so long.
    pub fn set(self, settings: &AuthSettings, secret: &str, life_ms: i64) -> HeaderValue {
        let secure = if settings.secure_cookies { "; Secure" } else { "" };
        let (name, same_site, max_age_s) = (self.name(settings), self.same_site, life_ms.max(0) / 1000);
        let cookie =
            format!("{name}={secret}; Path=/; Max-Age={max_age_s}; HttpOnly; SameSite={same_site}{secure}");
        HeaderValue::try_from(cookie).unwrap_or_else(|_| unreachable!("our secrets are letters and digits"))
    }

    /// Returns the `Set-Cookie` that removes it.
    pub fn remove(self, settings: &AuthSettings) -> HeaderValue {
        self.set(settings, "", 0)
    }

    /// Returns what a request brings in it.
    pub fn of<'a>(self, settings: &AuthSettings, request: &'a HttpRequest) -> Option<&'a str> {
        let name = self.name(settings);
        let headers = request.headers().get_all(header::COOKIE).filter_map(|value| value.to_str().ok());
        let mut pairs =
            headers.flat_map(|value| value.split(';')).filter_map(|pair| pair.trim().split_once('='));
        pairs.find(|(key, value)| *key == name && !value.is_empty()).map(|(_, value)| value)
    }
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
