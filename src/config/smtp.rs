//! `[smtp]`: outgoing mail.

use super::defect::Checker;
use super::secret::SecretText;
use reqwest::Url;
use serde::Deserialize;

/// Outgoing mail; keys as in `default.toml`.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SmtpConfig {
    /// `smtps://USER:PASSWORD@HOST`, `smtp://…` with STARTTLS, or `smtp+plain://` for loopback; empty: no mail.
    pub url: SecretText,
    /// Whom mail is from.
    pub from: String,
    /// How long the server may take.
    pub timeout_ms: u64,
}

impl SmtpConfig {
    /// Returns whether mail can be sent.
    pub const fn is_on(&self) -> bool {
        !self.url.is_empty()
    }

    pub(super) fn check(&self, checker: &mut Checker<'_>) {
        checker.within("smtp.timeout_ms", self.timeout_ms, 100, 600_000);
        if !self.is_on() {
            return;
        }
        let url = Url::parse(self.url.expose());
        let known = url.as_ref().is_ok_and(|url| {
            matches!(url.scheme(), "smtp" | "smtps" | "smtp+plain") && url.host_str().is_some()
        });
        checker.require("smtp.url", known, || {
            "it must be like smtps://USER:PASSWORD@HOST or smtp://USER:PASSWORD@HOST:587".into()
        });
        let plain = url.is_ok_and(|url| {
            url.scheme() == "smtp+plain"
                && !matches!(url.host_str(), Some("127.0.0.1" | "localhost" | "[::1]"))
        });
        checker
            .require("smtp.url", !plain, || "smtp+plain is for this machine only; use smtps or smtp".into());
        checker.require("smtp.from", self.from.contains('@'), || {
            "it is missing; write an address such as captions@example.org".into()
        });
    }
}
