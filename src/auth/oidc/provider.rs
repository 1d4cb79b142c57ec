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
use std::sync::Arc;
use tokio::sync::Mutex;

/// How long what was read is used.
const FRESH_MS: i64 = 3_600_000;
/// After a failure the provider is left alone for so long: who waited for that answer need not wait for another.
const PAUSE_MS: i64 = 1_000;

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

#[derive(Default)]
struct Kept {
    metadata: Option<(Arc<Metadata>, EpochMs)>,
    failed: Option<(String, EpochMs)>,
}

/// The provider.
pub(super) struct Provider {
    issuer: IssuerUrl,
    /// Held while asking, so that many logins ask once.
    kept: Mutex<Kept>,
}

impl Provider {
    pub(super) fn new(issuer: IssuerUrl) -> Self {
        Self { issuer, kept: Mutex::default() }
    }

    pub(super) const fn issuer(&self) -> &IssuerUrl {
        &self.issuer
    }

    /// Returns what is known of the provider, asked now if that is missing or old.
    pub(super) async fn known(&self, http: &Fetcher, now: EpochMs) -> Result<Arc<Metadata>, OidcError> {
        let mut kept = self.kept.lock().await;
        if let Some((metadata, read_at)) = &kept.metadata
            && now.0 - read_at.0 < FRESH_MS
        {
            return Ok(metadata.clone());
        }
        let old = kept.metadata.as_ref().map(|(metadata, _)| metadata.clone());
        if let Some((cause, failed_at)) = &kept.failed
            && now.0 - failed_at.0 < PAUSE_MS
        {
            return old.ok_or_else(|| OidcError::Unavailable(cause.clone()));
        }
        match Metadata::discover_async(self.issuer.clone(), http).await {
            Ok(metadata) => {
                let metadata = Arc::new(metadata);
                *kept = Kept { metadata: Some((metadata.clone(), now)), failed: None };
                Ok(metadata)
            }
            Err(error) => {
                let cause = super::told(&error);
                kept.failed = Some((cause.clone(), now));
                let old = old.ok_or(OidcError::Unavailable(cause))?;
                tracing::warn!("the identity provider is not read again, what was known of it is used");
                Ok(old)
            }
        }
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
        let mut kept = self.kept.lock().await;
        if let Some((metadata, _)) = &mut kept.metadata {
            *metadata = Arc::new((**metadata).clone().set_jwks(keys.clone()));
        }
        Ok(keys)
    }
}
