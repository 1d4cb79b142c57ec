//! Who may call: `Guarded<Scope>` and `Person` in a handler's signature authenticate, count the request, and check what the
//! caller may do.

use crate::auth::access_token::{Behind, TokenKeys, TokenUse};
use crate::auth::{ApiKeySecret, Caller, SignedIn};
use crate::http::audit;
use crate::http::error::ApiError;
use crate::http::limits::Rate;
use crate::http::state::HttpState;
use actix_web::dev::Payload;
use actix_web::http::header;
use actix_web::{FromRequest, HttpRequest, web};
use futures_util::future::LocalBoxFuture;
use sottovoce_actors::ports::identity::Credential;
use sottovoce_actors::ports::store::{EpochMs, StoreError};
use sottovoce_protocol::error_code::ErrorCode;
use sottovoce_protocol::scope::{Scope, Scopes};
use std::marker::PhantomData;
use std::net::IpAddr;

/// Longer credentials are not looked at.
const MAX_CREDENTIAL_BYTES: usize = 1024;

/// A scope as a type, for signatures.
pub trait Needs: 'static {
    /// The scope.
    const SCOPE: Scope;
}

macro_rules! needs {
    ($($name:ident),* $(,)?) => {
        $(
            #[doc = concat!("Needs [`Scope::", stringify!($name), "`].")]
            #[derive(Clone, Copy, Debug)]
            pub enum $name {}

            impl Needs for $name {
                const SCOPE: Scope = Scope::$name;
            }
        )*
    };
}

needs!(Listen, JobsRead, JobsWrite, UsageRead);

/// A caller with the scope `S`: a key, or a person.
#[derive(Debug)]
pub struct Guarded<S: Needs> {
    /// The caller.
    pub caller: Caller,
    scope: PhantomData<S>,
}

/// Any caller: a key with whatever scopes, or a person.
#[derive(Debug)]
pub struct Anyone {
    /// The caller.
    pub caller: Caller,
}

/// A person who logged in; keys, however many scopes they have, are refused.
#[derive(Debug)]
pub struct Person {
    /// The caller.
    pub caller: Caller,
    /// The login.
    pub signed_in: SignedIn,
}

impl<S: Needs> FromRequest for Guarded<S> {
    type Error = ApiError;
    type Future = LocalBoxFuture<'static, Result<Self, ApiError>>;

    fn from_request(request: &HttpRequest, _payload: &mut Payload) -> Self::Future {
        let (authenticating, request) = (authenticating(request), request.clone());
        Box::pin(async move {
            let caller = authenticating.await?;
            require(&caller, S::SCOPE, &request).await?;
            Ok(Self { caller, scope: PhantomData })
        })
    }
}

impl FromRequest for Anyone {
    type Error = ApiError;
    type Future = LocalBoxFuture<'static, Result<Self, ApiError>>;

    fn from_request(request: &HttpRequest, _payload: &mut Payload) -> Self::Future {
        let authenticating = authenticating(request);
        Box::pin(async move { Ok(Self { caller: authenticating.await? }) })
    }
}

impl FromRequest for Person {
    type Error = ApiError;
    type Future = LocalBoxFuture<'static, Result<Self, ApiError>>;

    fn from_request(request: &HttpRequest, _payload: &mut Payload) -> Self::Future {
        let (authenticating, request) = (authenticating(request), request.clone());
        Box::pin(async move {
            let caller = authenticating.await?;
            let Some(signed_in) = caller.signed_in else {
                if let Some(state) = request.app_data::<web::Data<HttpState>>() {
                    audit::record(state, &request, Some(caller.account), "scope_refused", "person").await;
                }
                let told = "an API key may not do this; log in and use the access token";
                return Err(ApiError::new(ErrorCode::Scope, told));
            };
            Ok(Self { caller, signed_in })
        })
    }
}

fn authenticating(request: &HttpRequest) -> LocalBoxFuture<'static, Result<Caller, ApiError>> {
    let state = request.app_data::<web::Data<HttpState>>().cloned();
    let credential = credential_of(request);
    let address = state.as_ref().and_then(|state| state.proxies.counted(request));
    Box::pin(async move {
        let Some(state) = state else {
            return Err(ApiError::new(ErrorCode::Internal, "the server is not set up"));
        };
        authenticate(&state, credential.as_deref(), address).await
    })
}

/// Returns who presents a credential, and counts the request: on the account and the key, or on the address where there is
/// no valid credential.
///
/// # Errors
/// `unauthorized`, `rate_limited`, or the index's.
pub async fn authenticate(
    state: &HttpState,
    credential: Option<&str>,
    address: Option<IpAddr>,
) -> Result<Caller, ApiError> {
    let now = state.clock.now();
    state.rates.check(Rate::Request, address, now)?;
    match identify(state, credential, now).await {
        Ok(caller) => {
            state.rates.count(Rate::Request, caller.credential, now)?;
            state.rates.count(Rate::Request, caller.account, now)?;
            Ok(caller)
        }
        Err(refused) if refused.code() == ErrorCode::Unauthorized => {
            state.rates.count(Rate::Request, address, now)?;
            Err(refused)
        }
        Err(failed) => Err(failed),
    }
}

async fn identify(state: &HttpState, credential: Option<&str>, now: EpochMs) -> Result<Caller, ApiError> {
    let Some(credential) = credential.filter(|text| text.len() <= MAX_CREDENTIAL_BYTES) else {
        return Err(unauthorized("send an API key or an access token: `Authorization: Bearer KEY`"));
    };
    if ApiKeySecret::looks_like(credential) {
        let owner = state.identity.use_api_key(&ApiKeySecret::presented(credential).hash(), now).await;
        let owner = owner
            .map_err(|error| or_unauthorized(error, "the API key is not valid (any more); make a new one"))?;
        return Ok(Caller {
            account: owner.account,
            credential: Credential::Key(owner.key),
            scopes: owner.scopes,
            signed_in: None,
            is_derived: false,
            expires_at: owner.expires_at,
            only_job: None,
        });
    }
    let refused = "the access token is not valid (any more); refresh it or log in";
    let token_use = TokenKeys::claimed_use(credential).ok_or_else(|| unauthorized(refused))?;
    let token = state.tokens.check(credential, token_use, now).map_err(|_| unauthorized(refused))?;
    let caller = match token.behind {
        Behind::Session(session) => {
            let owner = state.identity.session(session, now).await;
            let owner = owner.map_err(|error| or_unauthorized(error, refused))?;
            if owner.account != token.account || owner.epoch != token.epoch {
                return Err(unauthorized(refused));
            }
            Caller {
                account: owner.account,
                credential: Credential::Session(session),
                scopes: Scopes::all(),
                signed_in: Some(SignedIn { session, auth_time: owner.auth_time, epoch: owner.epoch }),
                is_derived: false,
                expires_at: Some(owner.expires_at),
                only_job: None,
            }
        }
        Behind::Key(key) => {
            let owner = state.identity.api_key(key, now).await;
            let owner = owner.map_err(|error| or_unauthorized(error, refused))?;
            if owner.account != token.account {
                return Err(unauthorized(refused));
            }
            Caller {
                account: owner.account,
                credential: Credential::Key(key),
                scopes: owner.scopes,
                signed_in: None,
                is_derived: false,
                expires_at: owner.expires_at,
                only_job: None,
            }
        }
    };
    Ok(match token_use {
        TokenUse::Access => caller,
        TokenUse::Listen => Caller {
            scopes: caller.scopes.iter().filter(|scope| *scope == Scope::Listen).collect(),
            signed_in: None,
            is_derived: true,
            ..caller
        },
    })
}

/// Checks that the caller has a scope; that it has not is a security event.
///
/// # Errors
/// `scope`.
pub async fn require(caller: &Caller, scope: Scope, request: &HttpRequest) -> Result<(), ApiError> {
    if caller.scopes.has(scope) {
        return Ok(());
    }
    if let Some(state) = request.app_data::<web::Data<HttpState>>() {
        audit::record(state, request, Some(caller.account), "scope_refused", scope.to_string()).await;
    }
    Err(ApiError::new(ErrorCode::Scope, format!("this credential lacks the scope `{scope}`")))
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

fn or_unauthorized(error: StoreError, detail: &str) -> ApiError {
    match error {
        StoreError::NotFound => unauthorized(detail),
        error => error.into(),
    }
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
