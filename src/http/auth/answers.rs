//! Answers that carry tokens, and those that carry a sentence.

use crate::auth::LoggedIn;
use crate::http::auth::cookie;
use crate::http::error::ApiError;
use crate::http::state::HttpState;
use actix_web::HttpResponse;
use actix_web::HttpResponseBuilder;
use actix_web::http::header;
use sottovoce_protocol::auth::{Accepted, ClientKind, Confidential, Tokens};

/// Puts a login's tokens into an answer: the refresh token into the cookie or, for native clients, into the body.
pub fn tokens(
    state: &HttpState,
    mut answer: HttpResponseBuilder,
    client: ClientKind,
    login: LoggedIn,
) -> HttpResponse {
    let in_body = client == ClientKind::Native;
    if !in_body && let Some(value) = cookie::keep(&state.auth, &login.refresh, login.refresh_ms) {
        answer.insert_header((header::SET_COOKIE, value));
    }
    answer.json(Tokens {
        access_token: login.access_token,
        refresh_token: in_body.then(|| Confidential(login.refresh.expose().to_owned())),
        token_type: "Bearer".into(),
        expires_in: login.access_ms.unsigned_abs() / 1000,
    })
}

/// Adds the removal of the cookie.
pub fn without_cookie(state: &HttpState, mut answer: HttpResponseBuilder) -> HttpResponseBuilder {
    if let Some(value) = cookie::remove(&state.auth) {
        answer.insert_header((header::SET_COOKIE, value));
    }
    answer
}

/// Adds the removal of the cookie to a refusal.
pub fn refused_without_cookie(state: &HttpState, error: ApiError) -> ApiError {
    match cookie::remove(&state.auth) {
        Some(value) => error.with_header(header::SET_COOKIE, value),
        None => error,
    }
}

/// Answers what goes on after the answer, with a sentence for people.
pub fn accepted(detail: &str) -> HttpResponse {
    HttpResponse::Accepted().json(Accepted { detail: detail.to_owned() })
}
