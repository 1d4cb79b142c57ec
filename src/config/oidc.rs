//! `[oidc]`: login through an identity provider.

use super::Mode;
use super::defect::Checker;
use super::secret::{SecretText, is_example};
use reqwest::Url;
use serde::Deserialize;

/// The provider; keys as in `default.toml`.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct OidcConfig {
    /// Exactly as the provider names itself; empty: no such login.
    pub issuer: String,
    /// Ours, at the provider.
    pub client_id: String,
    /// Ours, at the provider.
    pub client_secret: SecretText,
    /// What is asked for besides `openid`.
    pub scopes: Vec<String>,
    /// How long a login may take at the provider.
    pub login_ms: u64,
    /// How long the provider may take to answer us.
    pub timeout_ms: u64,
}

impl OidcConfig {
    /// Returns whether there is a provider.
    pub const fn is_on(&self) -> bool {
        !self.issuer.is_empty()
    }

    pub(super) fn check(&self, mode: Mode, public_url: &str, checker: &mut Checker<'_>) {
        checker.within("oidc.login_ms", self.login_ms, 10_000, 3_600_000);
        checker.within("oidc.timeout_ms", self.timeout_ms, 100, 60_000);
        if !self.is_on() {
            let unused = [
                ("oidc.client_id", self.client_id.is_empty()),
                ("oidc.client_secret", self.client_secret.is_empty()),
            ];
            for (key, is_empty) in unused {
                checker.require(key, is_empty, || {
                    "it is set, but oidc.issuer is not; set both or neither".into()
                });
            }
            return;
        }
        let parsed = Url::parse(&self.issuer);
        checker.require("oidc.issuer", parsed.is_ok(), || {
            "it is no URL; write it exactly as the provider's discovery document has it".into()
        });
        let secure = parsed.is_ok_and(|url| url.scheme() == "https" || mode == Mode::Embedded);
        checker.require("oidc.issuer", secure, || "it must be https in production".into());
        checker.require("oidc.client_id", !self.client_id.is_empty(), || {
            "it is missing; the provider gives it when you register this server there".into()
        });
        checker.require("oidc.client_secret", !self.client_secret.is_empty(), || {
            "it is missing; the provider gives it when you register this server there".into()
        });
        let is_example = mode == Mode::Production && is_example(self.client_secret.expose());
        checker.require("oidc.client_secret", !is_example, || {
            "it is taken from an example; write the one that the provider gave".into()
        });
        checker.require("http.public_url", !public_url.is_empty(), || {
            "it is missing; the provider must send people back to it".into()
        });
    }
}
