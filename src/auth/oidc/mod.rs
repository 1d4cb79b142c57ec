//! Login through an OpenID provider: authorization code with PKCE (S256), `state` and `nonce`, and every check of the ID
//! token (OpenID Connect Core 1.0 §3.1.3.7). Knows no routes, no cookies and no index; texts of errors hold no secret.

mod fetch;
mod provider;
mod return_to;

pub use return_to::checked_return_to;

use crate::auth::{LoginSecret, checked_email};
use fetch::Fetcher;
use openidconnect::core::{
    CoreAuthenticationFlow, CoreClient, CoreClientAuthMethod, CoreIdToken, CoreIdTokenClaims,
    CoreIdTokenVerifier, CoreJsonWebKeySet, CoreJwsSigningAlgorithm as Alg, CoreTokenResponse,
    CoreUserInfoClaims,
};
use openidconnect::url::ParseError;
use openidconnect::{
    AccessToken, AuthType, AuthorizationCode, ClaimsVerificationError, ClientId, ClientSecret, CsrfToken,
    EndpointMaybeSet, EndpointNotSet, EndpointSet, IssuerUrl, Nonce, OAuth2TokenResponse, PkceCodeChallenge,
    PkceCodeVerifier, RedirectUrl, RequestTokenError, Scope, SignatureVerificationError, SubjectIdentifier,
    TokenResponse,
};
use provider::{Metadata, Provider};
use sottovoce_actors::ports::store::EpochMs;
use std::error::Error;
use std::time::{Duration, UNIX_EPOCH};

/// Signatures that are taken: public keys only, so that neither our own secret nor nothing at all signs.
const ALGORITHMS: [Alg; 9] = [
    Alg::RsaSsaPkcs1V15Sha256,
    Alg::RsaSsaPkcs1V15Sha384,
    Alg::RsaSsaPkcs1V15Sha512,
    Alg::RsaSsaPssSha256,
    Alg::RsaSsaPssSha384,
    Alg::RsaSsaPssSha512,
    Alg::EcdsaP256Sha256,
    Alg::EcdsaP384Sha384,
    Alg::EdDsa,
];
/// The provider's clock and ours may differ by so much.
const LEEWAY_MS: i64 = 30_000;
/// Longest `sub` (OpenID Connect Core 1.0 §2).
const MAX_SUBJECT_BYTES: usize = 255;

type Client = CoreClient<
    EndpointSet,
    EndpointNotSet,
    EndpointNotSet,
    EndpointNotSet,
    EndpointMaybeSet,
    EndpointMaybeSet,
>;

/// What this server is at the provider.
pub struct OidcSettings {
    /// The provider, exactly as it names itself.
    pub issuer: String,
    /// Ours.
    pub client_id: String,
    /// Ours.
    pub client_secret: String,
    /// What is asked for besides `openid`.
    pub scopes: Vec<String>,
    /// Where the provider sends people back to.
    pub redirect_uri: String,
    /// How long a login may take at the provider.
    pub login_ms: i64,
    /// How long the provider may take to answer us.
    pub timeout: Duration,
}

/// Why there can be no such login at all.
#[derive(Debug, thiserror::Error)]
pub enum OidcSetupError {
    /// An address.
    #[error("the provider's or the server's address is no URL: {0}")]
    Address(#[from] ParseError),
    /// The HTTP client.
    #[error("no HTTPS client can be made: {0}")]
    Client(#[from] reqwest::Error),
}

/// Why a login did not come to an end. The texts are for the log.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum OidcError {
    /// The provider does not answer, or with nothing that can be used.
    #[error("{0}")]
    Unavailable(String),
    /// Nobody is vouched for.
    #[error("{0}")]
    Refused(String),
}

/// The secrets of one login on its way.
pub struct LoginSecrets {
    /// `state`.
    pub state: LoginSecret,
    /// The browser's own.
    pub browser: LoginSecret,
    /// What the ID token must carry.
    pub nonce: String,
    /// What the code is exchanged with.
    pub pkce_verifier: String,
}

impl LoginSecrets {
    /// Makes new ones.
    ///
    /// # Errors
    /// The operating system has no random numbers to give.
    pub fn generate() -> std::io::Result<Self> {
        Ok(Self {
            state: LoginSecret::generate()?,
            browser: LoginSecret::generate()?,
            nonce: LoginSecret::generate()?.expose().to_owned(),
            pkce_verifier: LoginSecret::generate()?.expose().to_owned(),
        })
    }
}

/// What came back with the browser.
pub struct Callback<'a> {
    /// The one-time code.
    pub code: &'a str,
    /// Who says so (RFC 9207), where that was said.
    pub issuer: Option<&'a str>,
    /// Of the login on its way.
    pub nonce: &'a str,
    /// Of the login on its way.
    pub pkce_verifier: &'a str,
}

/// Someone whom the provider vouches for.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Identified {
    /// The provider.
    pub issuer: String,
    /// Who it is there.
    pub subject: String,
    /// The address in lower case, if the provider says that it verified it.
    pub verified_email: Option<String>,
}

/// Login through one provider.
pub struct OidcLogin {
    provider: Provider,
    client_id: ClientId,
    client_secret: ClientSecret,
    scopes: Vec<Scope>,
    redirect_uri: RedirectUrl,
    login_ms: i64,
    http: Fetcher,
}

impl OidcLogin {
    /// Takes the settings; asks nobody yet.
    ///
    /// # Errors
    /// See [`OidcSetupError`].
    pub fn new(settings: OidcSettings) -> Result<Self, OidcSetupError> {
        Ok(Self {
            provider: Provider::new(IssuerUrl::new(settings.issuer)?),
            client_id: ClientId::new(settings.client_id),
            client_secret: ClientSecret::new(settings.client_secret),
            scopes: settings.scopes.into_iter().map(Scope::new).collect(),
            redirect_uri: RedirectUrl::new(settings.redirect_uri)?,
            login_ms: settings.login_ms,
            http: Fetcher::new(settings.timeout)?,
        })
    }

    /// Returns how long a login may take at the provider.
    pub const fn login_ms(&self) -> i64 {
        self.login_ms
    }

    /// Returns where the browser goes to log in.
    ///
    /// # Errors
    /// `Unavailable`.
    pub async fn authorize_url(&self, secrets: &LoginSecrets, now: EpochMs) -> Result<String, OidcError> {
        let known = self.provider.known(&self.http, now).await?;
        let state = CsrfToken::new(secrets.state.expose().to_owned());
        let nonce = Nonce::new(secrets.nonce.clone());
        let verifier = PkceCodeVerifier::new(secrets.pkce_verifier.clone());
        let (url, _, _) = self
            .client(&known)
            .authorize_url(CoreAuthenticationFlow::AuthorizationCode, move || state, move || nonce)
            .add_scopes(self.scopes.iter().cloned())
            .set_pkce_challenge(PkceCodeChallenge::from_code_verifier_sha256(&verifier))
            .url();
        Ok(url.to_string())
    }

    /// Exchanges the code and checks the ID token.
    ///
    /// # Errors
    /// See [`OidcError`].
    pub async fn identify(&self, callback: Callback<'_>, now: EpochMs) -> Result<Identified, OidcError> {
        let known = self.provider.known(&self.http, now).await?;
        self.check_sender(callback.issuer, &known)?;
        let client = self.client(&known);
        let answer = self.exchange(&client, &callback).await?;
        let id_token = answer.id_token().ok_or_else(|| refused("the provider gave no ID token"))?;
        let nonce = Nonce::new(callback.nonce.to_owned());
        let claims = match self.checked(id_token, known.jwks().clone(), &nonce, now) {
            Err(ClaimsVerificationError::SignatureVerification(
                SignatureVerificationError::NoMatchingKey,
            )) => {
                let keys = self.provider.new_keys(&self.http, &known).await?;
                self.checked(id_token, keys, &nonce, now)
            }
            checked => checked,
        };
        let claims = claims.map_err(|error| refused(told(&error)))?;
        // Other audiences than us are refused already, so that a token for us was made for us.
        if claims.authorized_party().is_some_and(|party| party.as_str() != self.client_id.as_str()) {
            return Err(refused("the ID token was issued to another party"));
        }
        let subject = claims.subject();
        if subject.is_empty() || subject.len() > MAX_SUBJECT_BYTES {
            return Err(refused("the ID token names nobody"));
        }
        let verified_email = match claims.email() {
            Some(email) => Some(email.as_str().to_owned()).filter(|_| claims.email_verified() == Some(true)),
            None => self.asked_email(&client, answer.access_token(), subject).await,
        };
        Ok(Identified {
            issuer: self.provider.issuer().to_string(),
            subject: subject.to_string(),
            verified_email: verified_email.as_deref().and_then(checked_email),
        })
    }

    /// Checks that the code is from our provider and not from another that the browser was lured to (RFC 9207).
    fn check_sender(&self, said: Option<&str>, known: &Metadata) -> Result<(), OidcError> {
        match said {
            Some(said) if said == self.provider.issuer().as_str() => Ok(()),
            None if !known.additional_metadata().authorization_response_iss_parameter_supported => Ok(()),
            Some(_) => Err(refused("the callback is from another provider")),
            None => Err(refused("the callback lacks the announced `iss`")),
        }
    }

    async fn exchange(
        &self,
        client: &Client,
        callback: &Callback<'_>,
    ) -> Result<CoreTokenResponse, OidcError> {
        let request = client
            .exchange_code(AuthorizationCode::new(callback.code.to_owned()))
            .map_err(|error| OidcError::Unavailable(told(&error)))?
            .set_pkce_verifier(PkceCodeVerifier::new(callback.pkce_verifier.to_owned()));
        request.request_async(&self.http).await.map_err(|error| match error {
            RequestTokenError::Request(error) => OidcError::Unavailable(told(&error)),
            RequestTokenError::ServerResponse(said) => {
                refused(format!("the provider refuses the code: {}", said.error()))
            }
            // Where it cannot be read is told, what could not be read is not: it may be a token.
            RequestTokenError::Parse(error, _) => {
                refused(format!("the provider's tokens cannot be read at `{}`", error.path()))
            }
            RequestTokenError::Other(_) => refused("the provider's answer is no token answer"),
        })
    }

    fn checked<'a>(
        &self,
        id_token: &'a CoreIdToken,
        keys: CoreJsonWebKeySet,
        nonce: &Nonce,
        now: EpochMs,
    ) -> Result<&'a CoreIdTokenClaims, ClaimsVerificationError> {
        let instant = |at: i64| UNIX_EPOCH + Duration::from_millis(at.max(0).unsigned_abs());
        // As a public client's: with one that knows our secret, our secret could sign.
        let issuer = self.provider.issuer().clone();
        let verifier = CoreIdTokenVerifier::new_public_client(self.client_id.clone(), issuer, keys)
            .set_allowed_algs(ALGORITHMS)
            .set_time_fn(move || instant(now.0 - LEEWAY_MS).into())
            .set_issue_time_verifier_fn(move |issued| {
                if issued.timestamp_millis() > now.0 + LEEWAY_MS {
                    return Err("issued in the future".into());
                }
                Ok(())
            });
        id_token.claims(&verifier, nonce)
    }

    /// Asks for the address where the ID token has none, as it is with providers that keep to the letter (OpenID Connect
    /// Core 1.0 §5.4). The login does not depend on it.
    async fn asked_email(
        &self,
        client: &Client,
        token: &AccessToken,
        subject: &SubjectIdentifier,
    ) -> Option<String> {
        let request = client.user_info(token.clone(), Some(subject.clone())).ok()?;
        let answer: Result<CoreUserInfoClaims, _> = request.request_async(&self.http).await;
        match answer {
            Ok(claims) => {
                let verified = claims.email_verified() == Some(true);
                claims.email().filter(|_| verified).map(|email| email.as_str().to_owned())
            }
            Err(error) => {
                // Without the cause's own causes: they may quote what the provider holds of a person.
                tracing::warn!(%error, "the identity provider did not tell the address");
                None
            }
        }
    }

    fn client(&self, known: &Metadata) -> Client {
        let client = CoreClient::from_provider_metadata(
            known.clone(),
            self.client_id.clone(),
            Some(self.client_secret.clone()),
        );
        let takes = |method| {
            known.token_endpoint_auth_methods_supported().is_some_and(|methods| methods.contains(&method))
        };
        let by_body =
            takes(CoreClientAuthMethod::ClientSecretPost) && !takes(CoreClientAuthMethod::ClientSecretBasic);
        let auth = if by_body { AuthType::RequestBody } else { AuthType::BasicAuth };
        client.set_auth_type(auth).set_redirect_uri(self.redirect_uri.clone())
    }
}

fn refused(cause: impl Into<String>) -> OidcError {
    OidcError::Refused(cause.into())
}

/// Returns an error with its causes in one line.
fn told(error: &dyn Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        text.push_str(": ");
        text.push_str(&cause.to_string());
        source = cause.source();
    }
    text
}
