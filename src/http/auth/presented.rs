//! The refresh token of a request: in the body (native clients), or in the cookie (browsers).

use crate::auth::RefreshSecret;
use crate::http::auth::cookie;
use crate::http::error::ApiError;
use crate::http::state::HttpState;
use actix_web::HttpRequest;
use sottovoce_protocol::auth::RefreshToken;

/// A refresh token, and where it came from: the answer goes the same way.
#[derive(Debug)]
pub struct Presented {
    /// The token.
    pub secret: RefreshSecret,
    /// It came in the cookie.
    pub by_cookie: bool,
}

/// Returns the token; what is said in the body goes before the cookie.
///
/// # Errors
/// `csrf`, `origin` where the cookie is used.
pub fn presented(
    state: &HttpState,
    request: &HttpRequest,
    body: Option<RefreshToken>,
) -> Result<Option<Presented>, ApiError> {
    if let Some(body) = body {
        let secret = RefreshSecret::presented(&body.refresh_token.0);
        return Ok(Some(Presented { secret, by_cookie: false }));
    }
    let Some(secret) = cookie::REFRESH.of(&state.auth, request) else { return Ok(None) };
    cookie::require_own_page(state, request)?;
    Ok(Some(Presented { secret: RefreshSecret::presented(secret), by_cookie: true }))
}
