//! `/auth/oidc/*`: login through an identity provider. Queries here carry codes and are never logged; what went wrong is
//! logged once and told to nobody.

use crate::auth::oidc::{Callback, LoginSecrets, OidcError, OidcLogin, checked_return_to};
use crate::auth::{FlowError, LoginSecret, RegistrationPolicy};
use crate::http::audit;
use crate::http::auth::cookie::{LOGIN, REFRESH};
use crate::http::error::ApiError;
use crate::http::limits::Rate;
use crate::http::state::HttpState;
use actix_web::http::header::{self, HeaderValue};
use actix_web::{HttpRequest, HttpResponse, web};
use serde::Deserialize;
use sottovoce_actors::ports::identity::{Arrived, LoginState, OidcArrival};
use sottovoce_protocol::error_code::ErrorCode;
use sottovoce_protocol::ids::AccountId;

/// What of a provider's own error code is logged.
const MAX_TOLD_CHARS: usize = 64;

/// Query of the beginning.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LoginQuery {
    #[serde(default)]
    return_to: Option<String>,
}

/// Query of the end. Providers add fields of their own.
#[derive(Deserialize)]
struct CallbackQuery {
    state: Option<String>,
    code: Option<String>,
    iss: Option<String>,
    error: Option<String>,
}

/// `GET /auth/oidc/login`: remembers the login and sends the browser to the provider.
pub async fn login(
    query: web::Query<LoginQuery>,
    request: HttpRequest,
    state: web::Data<HttpState>,
) -> Result<HttpResponse, ApiError> {
    let oidc = configured(&state)?;
    let now = state.clock.now();
    state.rates.count(Rate::Login, state.proxies.counted(&request), now)?;
    let return_to = query.return_to.as_deref().unwrap_or("/");
    let return_to = checked_return_to(return_to).ok_or_else(|| {
        ApiError::new(ErrorCode::BadReturnTo, "`return_to` must be a path of this server, such as `/app`")
    })?;
    let secrets = LoginSecrets::generate().map_err(FlowError::from)?;
    let url = oidc.authorize_url(&secrets, now).await.map_err(refusal)?;
    state
        .identity
        .add_login_state(LoginState {
            state: secrets.state.hash(),
            browser: secrets.browser.hash(),
            nonce: secrets.nonce,
            pkce_verifier: secrets.pkce_verifier,
            return_to: return_to.to_owned(),
            expires_at: now.plus_ms(oidc.login_ms()),
        })
        .await?;
    let cookie = LOGIN.set(&state.auth, secrets.browser.expose(), oidc.login_ms());
    Ok(HttpResponse::Found()
        .insert_header((header::LOCATION, url))
        .insert_header((header::SET_COOKIE, cookie))
        .finish())
}

/// `GET /auth/oidc/callback`: ends the login that this browser began, once.
pub async fn callback(request: HttpRequest, state: web::Data<HttpState>) -> Result<HttpResponse, ApiError> {
    let oidc = configured(&state)?;
    state.rates.count(Rate::Request, state.proxies.counted(&request), state.clock.now())?;
    match complete(&state, &request, oidc).await {
        Ok((account, return_to)) => {
            let refresh = finish_login(&state, &request, account).await?;
            let spent = LOGIN.remove(&state.auth);
            Ok(HttpResponse::Found()
                .insert_header((header::LOCATION, return_to))
                .append_header((header::SET_COOKIE, refresh))
                .append_header((header::SET_COOKIE, spent))
                .finish())
        }
        Err(refused) => {
            if refused.code() == ErrorCode::LoginFailed || refused.code() == ErrorCode::RegistrationClosed {
                audit::record(&state, &request, None, "login_failed", "oidc").await;
            }
            Err(refused)
        }
    }
}

/// Returns whose login it is, and where it goes on.
async fn complete(
    state: &HttpState,
    request: &HttpRequest,
    oidc: &OidcLogin,
) -> Result<(AccountId, String), ApiError> {
    let query = web::Query::<CallbackQuery>::from_query(request.query_string());
    let query = query.map_err(|_| failed("the callback's query cannot be read"))?.into_inner();
    let now = state.clock.now();
    let named = query.state.as_deref().filter(|text| LoginSecret::looks_like(text));
    let named = named.ok_or_else(|| failed("the callback has no state of ours"))?;
    let browser = LOGIN
        .of(&state.auth, request)
        .filter(|text| LoginSecret::looks_like(text))
        .ok_or_else(|| failed("the browser has no login on its way"))?;
    let hashes = (LoginSecret::presented(named).hash(), LoginSecret::presented(browser).hash());
    let login = state
        .identity
        .take_login_state(&hashes.0, &hashes.1, now)
        .await?
        .ok_or_else(|| failed("the state is unknown, used, expired, or another browser's"))?;
    if let Some(error) = query.error {
        let told: String = error.chars().take(MAX_TOLD_CHARS).collect();
        return Err(failed(&format!("the provider says {told}")));
    }
    let code = query.code.ok_or_else(|| failed("the callback has no code"))?;
    let callback = Callback {
        code: &code,
        issuer: query.iss.as_deref(),
        nonce: &login.nonce,
        pkce_verifier: &login.pkce_verifier,
    };
    let identified = oidc.identify(callback, now).await.map_err(refusal)?;
    let arrival = OidcArrival {
        issuer: identified.issuer,
        subject: identified.subject,
        verified_email: identified.verified_email,
        new_id: AccountId::from_uuid(state.ids.uuid()),
        may_register: state.auth.registration == RegistrationPolicy::Open,
        now: state.clock.now(),
    };
    match state.identity.arrive(arrival).await? {
        Arrived::Made(account) => {
            audit::record(state, request, Some(account), "registered", "oidc").await;
            Ok((account, login.return_to))
        }
        Arrived::Known(account) => Ok((account, login.return_to)),
        Arrived::NotTaken => Err(ApiError::new(
            ErrorCode::RegistrationClosed,
            "this server takes no new accounts; ask its operator for one",
        )),
        Arrived::Stopped => Err(failed("the account is suspended")),
    }
}

/// Begins the login and returns the refresh cookie.
async fn finish_login(
    state: &HttpState,
    request: &HttpRequest,
    account: AccountId,
) -> Result<HeaderValue, ApiError> {
    let login = state.flows.begin(account, None).await?;
    audit::record(state, request, Some(account), "logged_in", "oidc").await;
    Ok(REFRESH.set(&state.auth, login.refresh.expose(), login.refresh_ms))
}

fn configured(state: &HttpState) -> Result<&OidcLogin, ApiError> {
    state.oidc.as_deref().ok_or_else(ApiError::not_found)
}

/// Logs why a login failed; the answer is the same for every cause.
fn failed(cause: &str) -> ApiError {
    tracing::info!(?cause, "login through the provider failed");
    ApiError::new(ErrorCode::LoginFailed, "the login did not succeed; begin it again")
}

fn refusal(error: OidcError) -> ApiError {
    match error {
        OidcError::Refused(cause) => failed(&cause),
        OidcError::Unavailable(cause) => {
            tracing::warn!(?cause, "the identity provider cannot be used");
            ApiError::new(ErrorCode::IdpUnavailable, "the identity provider does not answer; try again")
        }
    }
}
