//! `POST /auth/verify` and `/auth/verify/resend`: confirming an e-mail address.

use crate::http::audit;
use crate::http::auth::{answers, counting, email_of};
use crate::http::body::Json;
use crate::http::error::ApiError;
use crate::http::state::HttpState;
use actix_web::{HttpRequest, HttpResponse, web};
use sottovoce_protocol::auth::{EmailOnly, VerifyEmail};

/// `POST /auth/verify`: by the link that was sent. It logs nobody in.
pub async fn verify(
    request: HttpRequest,
    body: Json<VerifyEmail>,
    state: web::Data<HttpState>,
) -> Result<HttpResponse, ApiError> {
    counting::count_try(&state, &request, None)?;
    let account = state.flows.verify(&body.0.token).await?;
    audit::record(&state, &request, Some(account), "email_verified", "").await;
    Ok(HttpResponse::NoContent().finish())
}

/// `POST /auth/verify/resend`: the same answer whoever asks about whatever address.
pub async fn resend(
    request: HttpRequest,
    body: Json<EmailOnly>,
    state: web::Data<HttpState>,
) -> Result<HttpResponse, ApiError> {
    let email = email_of(&body.0.email)?;
    counting::count_letter(&state, &request, &email)?;
    state.flows.send_verification(email)?;
    Ok(answers::accepted(if state.flows.has_mail() {
        "if the address waits to be confirmed, a link is on its way to it"
    } else {
        "this server sends no mail; addresses need not be confirmed"
    }))
}
