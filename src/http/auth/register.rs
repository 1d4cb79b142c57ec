//! `POST /auth/register`.

use crate::auth::Joined;
use crate::http::audit;
use crate::http::auth::{answers, cookie, counting, email_of};
use crate::http::body::Json;
use crate::http::error::ApiError;
use crate::http::state::HttpState;
use actix_web::{HttpRequest, HttpResponse, web};
use sottovoce_protocol::auth::{ClientKind, Register};

/// The handler: 201 with tokens, or 202 where the address must be confirmed first.
pub async fn register(
    request: HttpRequest,
    body: Json<Register>,
    state: web::Data<HttpState>,
) -> Result<HttpResponse, ApiError> {
    let Json(Register { email, password, client, invitation }) = body;
    if client == ClientKind::Browser {
        cookie::require_no_foreign_page(&state, &request)?;
    }
    let email = email_of(&email)?;
    counting::count_try(&state, &request, Some(&email))?;
    let joined = state.flows.register(email, password, invitation).await?;
    match joined {
        Joined::LoggedIn(login) => {
            audit::record(&state, &request, Some(login.owner.account), "registered", "").await;
            Ok(answers::tokens(&state, HttpResponse::Created(), client, *login))
        }
        Joined::ToBeConfirmed(account) => {
            audit::record(&state, &request, Some(account), "registered", "to be confirmed").await;
            Ok(answers::accepted("open the link that was sent to the address, then log in"))
        }
    }
}
