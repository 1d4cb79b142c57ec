//! `POST /auth/logout` and `/auth/logout-all`. A logout may be repeated.

use crate::auth::RefreshSecret;
use crate::http::audit;
use crate::http::auth::answers::without_cookie;
use crate::http::auth::counting;
use crate::http::auth::presented::presented;
use crate::http::body::MaybeJson;
use crate::http::error::ApiError;
use crate::http::guard::Person;
use crate::http::state::HttpState;
use actix_web::http::header;
use actix_web::{FromRequest, HttpRequest, HttpResponse, HttpResponseBuilder, web};
use sottovoce_actors::ports::identity::RevokeReason;
use sottovoce_protocol::auth::RefreshToken;

/// `POST /auth/logout`: ends the login of the refresh token in the body, or of the access token, or of the cookie; the
/// first that is there counts. Without any there is nothing to end.
pub async fn logout(
    request: HttpRequest,
    body: MaybeJson<RefreshToken>,
    state: web::Data<HttpState>,
) -> Result<HttpResponse, ApiError> {
    let ended = if body.0.is_none() && request.headers().contains_key(header::AUTHORIZATION) {
        let person = Person::extract(&request).await?;
        let session = person.signed_in.session;
        state.identity.revoke_session(session, RevokeReason::Logout, state.clock.now()).await?;
        Some((session, person.caller.account))
    } else {
        counting::count_refresh(&state, &request, None)?;
        match presented(&state, &request, body.0)? {
            Some(token) if RefreshSecret::looks_like(token.secret.expose()) => {
                state.flows.log_out(&token.secret).await?
            }
            Some(_) | None => None,
        }
    };
    if let Some((session, account)) = ended {
        audit::record(&state, &request, Some(account), "logged_out", session.to_string()).await;
    }
    Ok(gone(&state, HttpResponse::NoContent()))
}

/// `POST /auth/logout-all`: ends every login of the account, everywhere; API keys stay.
pub async fn logout_all(
    person: Person,
    request: HttpRequest,
    state: web::Data<HttpState>,
) -> Result<HttpResponse, ApiError> {
    let account = person.caller.account;
    state.identity.log_out_everywhere(account, RevokeReason::Logout, state.clock.now()).await?;
    audit::record(&state, &request, Some(account), "logged_out", "everywhere").await;
    Ok(gone(&state, HttpResponse::NoContent()))
}

/// What a page kept goes too. Not the cookies: the browser would take those of every host of the domain.
pub(super) fn gone(state: &HttpState, answer: HttpResponseBuilder) -> HttpResponse {
    without_cookie(state, answer).insert_header((header::CLEAR_SITE_DATA, "\"storage\"")).finish()
}
