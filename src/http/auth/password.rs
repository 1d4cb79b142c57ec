//! `POST /auth/password`, `/auth/password/forgotten`, `/auth/password/reset`.

use crate::auth::FlowError;
use crate::http::audit;
use crate::http::auth::{answers, counting, email_of};
use crate::http::body::{self, Json};
use crate::http::error::ApiError;
use crate::http::guard::Person;
use crate::http::state::HttpState;
use actix_web::{HttpRequest, HttpResponse, web};
use sottovoce_protocol::auth::{ChangePassword, EmailOnly, ResetPassword};

/// `POST /auth/password`: a new password; every other login ends.
pub async fn change(
    person: Person,
    request: HttpRequest,
    payload: web::Payload,
    state: web::Data<HttpState>,
) -> Result<HttpResponse, ApiError> {
    let ChangePassword { current_password, new_password } = body::json(&request, payload).await?;
    let account = person.caller.account;
    counting::count_try_of(&state, account)?;
    let changed =
        state.flows.change_password(account, &person.signed_in, current_password, new_password).await;
    if let Err(FlowError::LoginFailed { .. }) = &changed {
        audit::record(&state, &request, Some(account), "login_failed", "at a change of the password").await;
    }
    changed?;
    audit::record(&state, &request, Some(account), "password_changed", "").await;
    Ok(HttpResponse::NoContent().finish())
}

/// `POST /auth/password/forgotten`: the same answer whoever asks about whatever address.
pub async fn forgotten(
    request: HttpRequest,
    body: Json<EmailOnly>,
    state: web::Data<HttpState>,
) -> Result<HttpResponse, ApiError> {
    let email = email_of(&body.0.email)?;
    counting::count_letter(&state, &request, &email)?;
    state.flows.send_password_link(email)?;
    audit::record(&state, &request, None, "password_link_asked", "").await;
    Ok(answers::accepted(if state.flows.has_mail() {
        "if the address has an account, a link to set a new password is on its way to it"
    } else {
        "this server sends no mail; ask its operator for a link (`sottovoce users password-link`)"
    }))
}

/// `POST /auth/password/reset`: a new password by a one-time link; every login ends.
pub async fn reset(
    request: HttpRequest,
    body: Json<ResetPassword>,
    state: web::Data<HttpState>,
) -> Result<HttpResponse, ApiError> {
    let Json(ResetPassword { token, new_password }) = body;
    counting::count_try(&state, &request, None)?;
    let account = state.flows.reset_password(&token, new_password).await?;
    audit::record(&state, &request, Some(account), "password_reset", "").await;
    Ok(HttpResponse::NoContent().finish())
}
