//! `POST /auth/refresh`.

use crate::auth::{FlowError, RefreshSecret};
use crate::http::audit;
use crate::http::auth::presented::presented;
use crate::http::auth::{answers, counting};
use crate::http::body::MaybeJson;
use crate::http::error::ApiError;
use crate::http::state::HttpState;
use actix_web::{HttpRequest, HttpResponse, web};
use sottovoce_protocol::auth::{ClientKind, RefreshToken};
use sottovoce_protocol::error_code::ErrorCode;

/// The handler: fresh tokens on the way that the old one came. A token that is good for nothing is taken out of the
/// cookie.
pub async fn refresh(
    request: HttpRequest,
    body: MaybeJson<RefreshToken>,
    state: web::Data<HttpState>,
) -> Result<HttpResponse, ApiError> {
    let Some(token) = presented(&state, &request, body.0)? else {
        counting::count_refresh(&state, &request, None)?;
        return Err(FlowError::RefreshInvalid.into());
    };
    let client = if token.by_cookie { ClientKind::Browser } else { ClientKind::Native };
    exchange(&state, &request, &token.secret, client).await.map_err(|error| {
        let is_spent = matches!(error.code(), ErrorCode::RefreshInvalid | ErrorCode::RefreshReused);
        if token.by_cookie && is_spent { answers::refused_without_cookie(&state, error) } else { error }
    })
}

async fn exchange(
    state: &HttpState,
    request: &HttpRequest,
    secret: &RefreshSecret,
    client: ClientKind,
) -> Result<HttpResponse, ApiError> {
    let owner = if RefreshSecret::looks_like(secret.expose()) {
        state.identity.session_of_refresh(&secret.hash()).await?
    } else {
        None
    };
    counting::count_refresh(state, request, owner.map(|(session, _)| session))?;
    if owner.is_none() {
        return Err(FlowError::RefreshInvalid.into());
    }
    match state.flows.refresh(secret).await {
        Ok(login) => Ok(answers::tokens(state, HttpResponse::Ok(), client, login)),
        Err(error) => {
            if let FlowError::RefreshReused { session, account } = &error {
                audit::record(state, request, Some(*account), "refresh_reused", session.to_string()).await;
            }
            Err(error.into())
        }
    }
}
