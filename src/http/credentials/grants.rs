//! `/v1/auth/*`: Deepgram's short tokens. A token opens `/v1/listen` and nothing else, and ends with what it was made with.

use crate::auth::access_token::{Behind, Token, TokenUse};
use crate::http::body;
use crate::http::error::ApiError;
use crate::http::guard::{Anyone, Guarded, Listen};
use crate::http::state::HttpState;
use actix_web::{HttpRequest, HttpResponse, web};
use serde::Serialize;
use sottovoce_actors::ports::identity::{Credential, TokenEpoch};
use sottovoce_protocol::auth::{Confidential, Grant, Granted};
use sottovoce_protocol::error_code::ErrorCode;
use sottovoce_protocol::ids::AccountId;
use sottovoce_protocol::scope::Scope;

/// Deepgram's default.
const DEFAULT_TTL_S: u64 = 30;
const MAX_TTL_S: u64 = 3600;

/// `POST /v1/auth/grant`; an empty body asks for the default.
pub async fn grant(
    guarded: Guarded<Listen>,
    request: HttpRequest,
    payload: web::Payload,
    state: web::Data<HttpState>,
) -> Result<HttpResponse, ApiError> {
    let caller = guarded.caller;
    if caller.is_derived {
        return Err(ApiError::new(
            ErrorCode::Scope,
            "a short token makes no further ones; use the key itself",
        ));
    }
    let Grant { ttl_seconds } = body::maybe_json(&request, payload).await?.unwrap_or_default();
    let ttl_s = ttl_seconds.unwrap_or(DEFAULT_TTL_S);
    if !(1..=MAX_TTL_S).contains(&ttl_s) {
        return Err(ApiError::bad_request(format!("`ttl_seconds` must be 1 to {MAX_TTL_S}")));
    }
    let now = state.clock.now();
    let behind = match caller.credential {
        Credential::Key(key) => Behind::Key(key),
        Credential::Session(session) => Behind::Session(session),
    };
    // A key has none; what is made from it ends with the key.
    let epoch = caller.signed_in.map_or(TokenEpoch(0), |signed_in| signed_in.epoch);
    let token = Token {
        token_use: TokenUse::Listen,
        account: caller.account,
        behind,
        epoch,
        expires_at: now.plus_ms(ttl_s as i64 * 1000),
    };
    let signed = state.tokens.sign(&token, now, state.ids.uuid()).map_err(|error| {
        tracing::error!(%error, "a token could not be signed");
        ApiError::new(ErrorCode::Internal, "the server failed; try again later")
    })?;
    Ok(HttpResponse::Ok().json(Granted { access_token: Confidential(signed), expires_in: ttl_s }))
}

/// What a credential is, in Deepgram's words.
#[derive(Debug, Serialize)]
struct Described {
    api_key_id: String,
    accessor: AccountId,
    scopes: Vec<Scope>,
}

/// `GET /v1/auth/token`: describes the presented credential.
pub async fn describe(anyone: Anyone) -> HttpResponse {
    let caller = anyone.caller;
    let api_key_id = match caller.credential {
        Credential::Key(key) => key.to_string(),
        Credential::Session(session) => session.to_string(),
    };
    HttpResponse::Ok().json(Described {
        api_key_id,
        accessor: caller.account,
        scopes: caller.scopes.iter().collect(),
    })
}
