//! Counts what can be tried: logins, registrations and links, of an address and at an e-mail address; refreshes of a login.

use crate::http::error::ApiError;
use crate::http::limits::Rate;
use crate::http::state::HttpState;
use actix_web::HttpRequest;
use sottovoce_protocol::ids::{AccountId, SessionId};

/// Counts a try by a client's address, and at an e-mail address where one is named.
///
/// # Errors
/// `rate_limited`.
pub fn count_try(state: &HttpState, request: &HttpRequest, email: Option<&str>) -> Result<(), ApiError> {
    let now = state.clock.now();
    state.rates.count(Rate::Login, state.proxies.counted(request), now)?;
    email.map_or(Ok(()), |email| state.rates.count(Rate::Login, email, now))
}

/// Counts a letter that somebody asks to be sent to an e-mail address, and the try.
///
/// # Errors
/// `rate_limited`; the same whether the address has an account or not.
pub fn count_letter(state: &HttpState, request: &HttpRequest, email: &str) -> Result<(), ApiError> {
    count_try(state, request, None)?;
    state.rates.count(Rate::Letter, email, state.clock.now())
}

/// Counts a try of somebody who is logged in to name the account's password.
///
/// # Errors
/// `rate_limited`.
pub fn count_try_of(state: &HttpState, account: AccountId) -> Result<(), ApiError> {
    state.rates.count(Rate::Login, account, state.clock.now())
}

/// Counts a refresh: of its login, or of the client's address where there is none.
///
/// # Errors
/// `rate_limited`.
pub fn count_refresh(
    state: &HttpState,
    request: &HttpRequest,
    session: Option<SessionId>,
) -> Result<(), ApiError> {
    let now = state.clock.now();
    match session {
        Some(session) => state.rates.count(Rate::Refresh, session, now),
        None => state.rates.count(Rate::Refresh, state.proxies.counted(request), now),
    }
}
