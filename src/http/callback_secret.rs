//! `/saas/callback-secret`: what an account's callbacks are signed with. Kept readable, so it may be asked for again.

use crate::auth::FlowError;
use crate::callbacks::generate_secret;
use crate::http::error::ApiError;
use crate::http::guard::{Guarded, JobsWrite};
use crate::http::state::HttpState;
use actix_web::{HttpResponse, web};
use sottovoce_actors::ports::callback::CallbackSecret;
use sottovoce_protocol::auth::Confidential;
use sottovoce_protocol::jobs::CallbackSecretView;

/// `GET`: the secret, made on the first call.
pub async fn show(caller: Guarded<JobsWrite>, state: web::Data<HttpState>) -> Result<HttpResponse, ApiError> {
    let now = state.clock.now();
    let secret = state.callbacks.callback_secret(caller.caller.account, fresh()?, now).await?;
    Ok(HttpResponse::Ok().json(view(secret)))
}

/// `POST`: a new one; callbacks from now on are signed with it.
pub async fn replace(
    caller: Guarded<JobsWrite>,
    state: web::Data<HttpState>,
) -> Result<HttpResponse, ApiError> {
    let secret = fresh()?;
    let now = state.clock.now();
    state.callbacks.replace_callback_secret(caller.caller.account, secret.clone(), now).await?;
    Ok(HttpResponse::Created().json(view(secret)))
}

/// Makes a secret.
pub fn fresh() -> Result<CallbackSecret, ApiError> {
    Ok(generate_secret().map_err(FlowError::from)?)
}

fn view(secret: CallbackSecret) -> CallbackSecretView {
    CallbackSecretView { secret: Confidential(secret.0) }
}
