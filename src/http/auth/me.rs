//! `GET` and `DELETE /auth/me`: the caller's own account.

use crate::http::audit;
use crate::http::auth::logout;
use crate::http::error::ApiError;
use crate::http::guard::{Anyone, Person};
use crate::http::state::HttpState;
use actix_web::{HttpRequest, HttpResponse, web};
use sottovoce_actors::time::rfc3339;
use sottovoce_protocol::auth::Me;
use sottovoce_protocol::error_code::ErrorCode;

/// `GET /auth/me`.
pub async fn show(anyone: Anyone, state: web::Data<HttpState>) -> Result<HttpResponse, ApiError> {
    if anyone.caller.is_derived {
        return Err(ApiError::new(ErrorCode::Scope, "a short token listens and does nothing else"));
    }
    let account = state.identity.account(anyone.caller.account).await?;
    Ok(HttpResponse::Ok().json(Me {
        id: account.id,
        email: account.email,
        email_verified: account.email_verified,
        has_password: account.has_password,
        created_at: rfc3339(account.created_at),
        scopes: anyone.caller.scopes.iter().collect(),
    }))
}

/// `DELETE /auth/me`: needs a login that is young. Every login and key ends now; jobs and artifacts go in the background.
pub async fn delete(
    person: Person,
    request: HttpRequest,
    state: web::Data<HttpState>,
) -> Result<HttpResponse, ApiError> {
    let account = person.caller.account;
    state.flows.delete_account(account, &person.signed_in).await?;
    audit::record(&state, &request, Some(account), "account_deleted", "").await;
    Ok(logout::gone(&state, HttpResponse::Accepted()))
}
