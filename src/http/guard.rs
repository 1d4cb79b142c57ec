//! Who may call: `Guarded<Scope>` in a handler's signature authenticates, counts the request and checks the scope.

use crate::auth::ApiKeySecret;
use crate::http::error::ApiError;
use crate::http::state::HttpState;
use actix_web::dev::Payload;
use actix_web::http::header;
use actix_web::{FromRequest, HttpRequest, web};
use futures_util::future::LocalBoxFuture;
use sottovoce_actors::ports::store::{KeyOwner, StoreError};
use sottovoce_protocol::error_code::ErrorCode;
use std::marker::PhantomData;
use std::net::IpAddr;

/// Longer credentials are not looked at.
const MAX_CREDENTIAL_BYTES: usize = 512;

/// A permission that a key carries.
pub trait Scope: 'static {
    /// Its name in the key's list of scopes.
    const NAME: &'static str;
}

macro_rules! scopes {
    ($($(#[$doc:meta])* $name:ident = $text:literal),* $(,)?) => {
        $($(#[$doc])*
        #[derive(Clone, Copy, Debug)]
        pub enum $name {}

        impl Scope for $name {
            const NAME: &'static str = $text;
        })*
    };
}

scopes! {
    /// Open live streams.
    Listen = "listen",
    /// Read jobs and artifacts, follow their status.
    JobsRead = "jobs:read",
    /// Submit and delete jobs.
    JobsWrite = "jobs:write",
    /// Read usage and credits.
    UsageRead = "usage:read",
}

/// A caller with the scope `S`.
#[derive(Debug)]
pub struct Guarded<S: Scope> {
    /// The caller.
    pub owner: KeyOwner,
    scope: PhantomData<S>,
}

impl<S: Scope> FromRequest for Guarded<S> {
    type Error = ApiError;
    type Future = LocalBoxFuture<'static, Result<Self, ApiError>>;

    fn from_request(request: &HttpRequest, _payload: &mut Payload) -> Self::Future {
        let state = request.app_data::<web::Data<HttpState>>().cloned();
        let credential = credential_of(request);
        let address = state.as_ref().and_then(|state| state.proxies.client_of(request));
        Box::pin(async move {
            let Some(state) = state else {
                return Err(ApiError::new(ErrorCode::Internal, "the server is not set up"));
            };
            let owner = authenticate(&state, credential.as_deref(), address).await?;
            require(&owner, S::NAME)?;
            Ok(Self { owner, scope: PhantomData })
        })
    }
}

/// Returns the owner of a presented key and counts the request: on the key, or on the address where there is no valid
/// one.
///
/// # Errors
/// `unauthorized`, `rate_limited`, or the index's.
pub async fn authenticate(
    state: &HttpState,
    credential: Option<&str>,
    address: Option<IpAddr>,
) -> Result<KeyOwner, ApiError> {
    let now = state.clock.now();
    let Some(credential) = credential.filter(|text| text.len() <= MAX_CREDENTIAL_BYTES) else {
        state.rates.count(("address", address), now)?;
        return Err(unauthorized("send an API key: `Authorization: Bearer KEY`"));
    };
    match state.store.use_api_key(&ApiKeySecret::presented(credential).hash(), now).await {
        Ok(owner) => {
            state.rates.count(("key", owner.key), now)?;
            Ok(owner)
        }
        Err(StoreError::NotFound) => {
            state.rates.count(("address", address), now)?;
            Err(unauthorized("the API key is not valid (any more); make one with `sottovoce keys create`"))
        }
        Err(error) => Err(error.into()),
    }
}

/// Checks that the caller has a scope.
///
/// # Errors
/// `scope`.
pub fn require(owner: &KeyOwner, scope: &str) -> Result<(), ApiError> {
    if owner.scopes.split_ascii_whitespace().any(|held| held == scope) {
        return Ok(());
    }
    Err(ApiError::new(ErrorCode::Scope, format!("this key lacks the scope `{scope}`")))
}

/// Returns the credential of an `Authorization` header with scheme `Bearer` or `Token`, whatever its case.
pub fn credential_of(request: &HttpRequest) -> Option<String> {
    let value = request.headers().get(header::AUTHORIZATION)?.to_str().ok()?;
    let (scheme, credential) = value.split_once(' ')?;
    let known = scheme.eq_ignore_ascii_case("bearer") || scheme.eq_ignore_ascii_case("token");
    let credential = credential.trim();
    (known && !credential.is_empty()).then(|| credential.to_owned())
}

fn unauthorized(detail: &str) -> ApiError {
    ApiError::new(ErrorCode::Unauthorized, detail)
}

#[cfg(test)]
mod tests {
    use super::*;
    use actix_web::test::TestRequest;

    fn credential(value: &str) -> Option<String> {
        credential_of(&TestRequest::default().insert_header((header::AUTHORIZATION, value)).to_http_request())
    }

    #[test]
    fn bearer_and_token_in_any_case_carry_a_key() {
        for scheme in ["Bearer", "bearer", "BEARER", "Token", "token"] {
            assert_eq!(credential(&format!("{scheme} sv_x")).as_deref(), Some("sv_x"));
        }
        for value in ["", "sv_x", "Basic sv_x", "Bearer", "Bearer  "] {
            assert_eq!(credential(value), None, "{value:?}");
        }
    }
}
