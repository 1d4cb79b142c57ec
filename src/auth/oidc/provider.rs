//! What the provider says of itself (OpenID Connect Discovery 1.0) and its keys: read at the first use, kept, read again
//! from time to time. A provider that is down is no reason not to start.

use super::OidcError;
use super::fetch::Fetcher;
use openidconnect::core::{
    CoreAuthDisplay, CoreClaimName, CoreClaimType, CoreClientAuthMethod, CoreGrantType, CoreJsonWebKey,
    CoreJsonWebKeySet, CoreJweContentEncryptionAlgorithm, CoreJweKeyManagementAlgorithm, CoreResponseMode,
    CoreResponseType, CoreSubjectIdentifierType,
};
use openidconnect::{AdditionalProviderMetadata, IssuerUrl, ProviderMetadata};
use serde::{Deserialize, Serialize};
use sottovoce_actors::ports::store::EpochMs;
use std::sync::{Arc, PoisonError};
use std::time::Duration;
use tokio::sync::Mutex;
use tokio::time::Instant;

/// How long what was read is used.
const FRESH_MS: i64 = 3_600_000;
/// After a failure the provider is left alone for so long: who waited for that answer need not wait for another.
const PAUSE: Duration = Duration::from_secs(1);
/// The same where something is known already: a provider that hangs must not cost a login its patience again and again.
const OLD_IS_USED_FOR: Duration = Duration::from_secs(60);

/// What discovery may add (RFC 9207).
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(super) struct Announced {
    /// Whether the callback carries `iss`.
    #[serde(default)]
    pub(super) authorization_response_iss_parameter_supported: bool,
}

impl AdditionalProviderMetadata for Announced {}

/// The discovery document with the keys.
pub(super) type Metadata = ProviderMetadata<
    Announced,
    CoreAuthDisplay,
    CoreClientAuthMethod,
    CoreClaimName,
    CoreClaimType,
    CoreGrantType,
    CoreJweContentEncryptionAlgorithm,
    CoreJweKeyManagementAlgorithm,
    CoreJsonWebKey,
    CoreResponseMode,
    CoreResponseType,
    CoreSubjectIdentifierType,
>;

/// What was read, and when.
type Read = Option<(Arc<Metadata>, EpochMs)>;

/// The last failure.
struct Failed {
    cause: String,
    at: Instant,
}

/// The provider.
pub(super) struct Provider {
    issuer: IssuerUrl,
    /// Never held while waiting for anything.
    read: std::sync::Mutex<Read>,
    /// Held while asking, so that many logins ask once.
    asking: Mutex<Option<Failed>>,
}

impl Provider {
    pub(super) fn new(issuer: IssuerUrl) -> Self {
        Self { issuer, read: std::sync::Mutex::default(), asking: Mutex::default() }
    }

    pub(super) const fn issuer(&self) -> &IssuerUrl {
        &self.issuer
    }

    /// Returns what is known of the provider, asked now if that is missing or old. One login asks; while it does, the others
    /// go on with what is old, or wait if there is nothing.
    pub(super) async fn known(&self, http: &Fetcher, now: EpochMs) -> Result<Arc<Metadata>, OidcError> {
        let old = match self.read() {
            Some((metadata, read_at)) if now.0 - read_at.0 < FRESH_MS => return Ok(metadata),
            read => read.map(|(metadata, _)| metadata),
        };
        let mut failed = match (old, self.asking.try_lock()) {
            (Some(old), Err(_)) => return Ok(old),
            (_, Ok(failed)) => failed,
            (None, Err(_)) => self.asking.lock().await,
        };
        // Who waited finds what the one before was told.
        let old = match self.read() {
            Some((metadata, read_at)) if now.0 - read_at.0 < FRESH_MS => return Ok(metadata),
            read => read.map(|(metadata, _)| metadata),
        };
        let pause = if old.is_some() { OLD_IS_USED_FOR } else { PAUSE };
        if let Some(Failed { cause, at }) = &*failed
            && at.elapsed() < pause
        {
            return old.ok_or_else(|| OidcError::Unavailable(cause.clone()));
        }
        match Metadata::discover_async(self.issuer.clone(), http).await {
            Ok(metadata) => {
                let metadata = Arc::new(metadata);
                *self.lock() = Some((metadata.clone(), now));
                *failed = None;
                Ok(metadata)
            }
            Err(error) => {
                let cause = super::told(&error);
                *failed = Some(Failed { cause: cause.clone(), at: Instant::now() });
                let old = old.ok_or(OidcError::Unavailable(cause))?;
                tracing::warn!("the identity provider is not read again, what was known of it is used");
                Ok(old)
            }
        }
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Read> {
        self.read.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn read(&self) -> Read {
        self.lock().clone()
    }

    /// Reads the keys again: a token names one that is not among those known.
    pub(super) async fn new_keys(
        &self,
        http: &Fetcher,
        known: &Metadata,
    ) -> Result<CoreJsonWebKeySet, OidcError> {
        let keys = CoreJsonWebKeySet::fetch_async(known.jwks_uri(), http)
            .await
            .map_err(|error| OidcError::Unavailable(super::told(&error)))?;
        if let Some((metadata, _)) = &mut *self.lock() {
            *metadata = Arc::new((**metadata).clone().set_jwks(keys.clone()));
        }
        Ok(keys)
    }
}
