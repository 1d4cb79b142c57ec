//! `/auth/api-keys`: a person's keys. A key can neither make nor see keys.

use crate::auth::{ApiKeySecret, FlowError};
use crate::http::error::ApiError;
use crate::http::guard::Person;
use crate::http::state::HttpState;
use crate::http::{audit, body};
use actix_web::{HttpRequest, HttpResponse, web};
use sottovoce_actors::ports::identity::{ApiKey, KeyAdded, NewApiKey};
use sottovoce_actors::time::rfc3339;
use sottovoce_protocol::auth::{ApiKeyList, ApiKeyView, Confidential, CreateApiKey, CreatedApiKey};
use sottovoce_protocol::error_code::ErrorCode;
use sottovoce_protocol::ids::ApiKeyId;
use sottovoce_protocol::scope::{Scope, Scopes};

const MAX_NAME_CHARS: usize = 100;
/// Ten years; longer is never.
const MAX_LIFE_S: u64 = 10 * 366 * 24 * 3600;

/// `POST /auth/api-keys`: the only answer that holds the secret.
pub async fn create(
    person: Person,
    request: HttpRequest,
    payload: web::Payload,
    state: web::Data<HttpState>,
) -> Result<HttpResponse, ApiError> {
    let CreateApiKey { name, scopes, expires_in } = body::json(&request, payload).await?;
    if name.is_empty() || name.chars().count() > MAX_NAME_CHARS || name.chars().any(char::is_control) {
        return Err(ApiError::bad_request(format!(
            "`name` must be 1 to {MAX_NAME_CHARS} printable characters"
        )));
    }
    let scopes: Scopes = scopes.map_or_else(Scopes::all, |scopes| scopes.into_iter().collect());
    if scopes.is_empty() {
        let names: Vec<&str> = Scope::ALL.iter().map(|scope| scope.as_str()).collect();
        return Err(ApiError::bad_request(format!("`scopes` must name some of {}", names.join(", "))));
    }
    if expires_in.is_some_and(|seconds| !(1..=MAX_LIFE_S).contains(&seconds)) {
        return Err(ApiError::bad_request(format!("`expires_in` must be 1 to {MAX_LIFE_S} seconds")));
    }
    // A key outlives the login it is made with: an old or stolen access token must not be made lasting.
    state.flows.require_recent(&person.signed_in)?;
    let now = state.clock.now();
    let secret = ApiKeySecret::generate().map_err(FlowError::from)?;
    let key = ApiKey {
        id: ApiKeyId::from_uuid(state.ids.uuid()),
        name,
        prefix: secret.shown(),
        scopes,
        created_at: now,
        last_used_at: None,
        expires_at: expires_in.map(|seconds| now.plus_ms(seconds as i64 * 1000)),
    };
    let added = state
        .identity
        .add_api_key(NewApiKey {
            id: key.id,
            account: person.caller.account,
            name: key.name.clone(),
            prefix: key.prefix.clone(),
            secret_hash: secret.hash(),
            scopes,
            expires_at: key.expires_at,
            max_keys: state.auth.keys_per_account,
            now,
        })
        .await?;
    if added == KeyAdded::TooMany {
        return Err(ApiError::new(
            ErrorCode::TooManyKeys,
            format!("an account may have {} keys; revoke one first", state.auth.keys_per_account),
        ));
    }
    audit::record(&state, &request, Some(person.caller.account), "api_key_created", key.id.to_string()).await;
    let key = CreatedApiKey { key: Confidential(secret.expose().to_owned()), view: view(&key) };
    Ok(HttpResponse::Created().json(key))
}

/// `GET /auth/api-keys`: newest first.
pub async fn list(person: Person, state: web::Data<HttpState>) -> Result<HttpResponse, ApiError> {
    let keys = state.identity.api_keys(person.caller.account, state.clock.now()).await?;
    Ok(HttpResponse::Ok().json(ApiKeyList { items: keys.iter().map(view).collect() }))
}

/// `DELETE /auth/api-keys/{id}`: the key ends now, and what was opened with it within moments.
pub async fn revoke(
    person: Person,
    path: web::Path<String>,
    request: HttpRequest,
    state: web::Data<HttpState>,
) -> Result<HttpResponse, ApiError> {
    let id: ApiKeyId = path.parse().map_err(|_| ApiError::not_found())?;
    state.identity.revoke_api_key(person.caller.account, id, state.clock.now()).await?;
    audit::record(&state, &request, Some(person.caller.account), "api_key_revoked", id.to_string()).await;
    Ok(HttpResponse::NoContent().finish())
}

fn view(key: &ApiKey) -> ApiKeyView {
    ApiKeyView {
        id: key.id,
        name: key.name.clone(),
        prefix: key.prefix.clone(),
        scopes: key.scopes.iter().collect(),
        created_at: rfc3339(key.created_at),
        last_used_at: key.last_used_at.map(rfc3339),
        expires_at: key.expires_at.map(rfc3339),
    }
}
