//! `POST /auth/login`.

use crate::auth::FlowError;
use crate::http::audit;
use crate::http::auth::{answers, cookie, counting, email_of};
use crate::http::body::Json;
use crate::http::error::ApiError;
use crate::http::state::HttpState;
use actix_web::{HttpRequest, HttpResponse, web};
use sottovoce_protocol::auth::{ClientKind, Login};

/// The handler.
pub async fn login(
    request: HttpRequest,
    body: Json<Login>,
    state: web::Data<HttpState>,
) -> Result<HttpResponse, ApiError> {
    let Json(Login { email, password, client }) = body;
    if client == ClientKind::Browser {
        cookie::require_no_foreign_page(&state, &request)?;
    }
    let email = email_of(&email)?;
    counting::count_try(&state, &request, Some(&email))?;
    match state.flows.log_in(&email, password).await {
        Ok(login) => {
            let (account, session) = (login.owner.account, login.owner.session);
            audit::record(&state, &request, Some(account), "logged_in", session.to_string()).await;
            Ok(answers::tokens(&state, HttpResponse::Ok(), client, login))
        }
        Err(error) => {
            match &error {
                FlowError::LoginFailed { account } => {
                    audit::record(&state, &request, *account, "login_failed", "").await;
                }
                FlowError::EmailUnverified { account } => {
                    audit::record(&state, &request, Some(*account), "login_failed", "not confirmed").await;
                }
                _ => {}
            }
            Err(error.into())
        }
    }
}
