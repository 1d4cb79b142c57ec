//! Answers that carry tokens, and those that carry a sentence.

use crate::auth::LoggedIn;
use crate::http::auth::cookie::REFRESH;
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
    if !in_body {
        let cookie = REFRESH.set(&state.auth, login.refresh.expose(), login.refresh_ms);
        answer.insert_header((header::SET_COOKIE, cookie));
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
    answer.insert_header((header::SET_COOKIE, REFRESH.remove(&state.auth)));
    answer
}

/// Adds the removal of the cookie to a refusal.
pub fn refused_without_cookie(state: &HttpState, error: ApiError) -> ApiError {
    error.with_header(header::SET_COOKIE, REFRESH.remove(&state.auth))
}

/// Answers what goes on after the answer, with a sentence for people.
pub fn accepted(detail: &str) -> HttpResponse {
    HttpResponse::Accepted().json(Accepted { detail: detail.to_owned() })
}
