//! `[smtp]`: outgoing mail.

use super::Mode;
use super::defect::Checker;
use super::secret::{SecretText, is_example};
use lettre::message::Mailbox;
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

    pub(super) fn check(&self, mode: Mode, checker: &mut Checker<'_>) {
        checker.within("smtp.timeout_ms", self.timeout_ms, 100, 600_000);
        if !self.is_on() {
            return;
        }
        let url = Url::parse(self.url.expose()).ok();
        let url = url.filter(|url| {
            matches!(url.scheme(), "smtp" | "smtps" | "smtp+plain")
                && url.host_str().is_some_and(|host| !host.is_empty())
                && matches!(url.path(), "" | "/")
                && url.query().is_none()
                && url.fragment().is_none()
        });
        checker.require("smtp.url", url.is_some(), || {
            "it must be like smtps://USER:PASSWORD@HOST or smtp://USER:PASSWORD@HOST:587".into()
        });
        if let Some(url) = url {
            check_url(&url, mode, checker);
        }
        checker.require("smtp.from", self.from.parse::<Mailbox>().is_ok(), || {
            "it must be an address such as captions@example.org or Captions <captions@example.org>".into()
        });
    }
}

fn check_url(url: &Url, mode: Mode, checker: &mut Checker<'_>) {
    let is_here = matches!(url.host_str(), Some("127.0.0.1" | "localhost" | "[::1]"));
    checker.require("smtp.url", is_here || url.scheme() != "smtp+plain", || {
        "smtp+plain is for this machine only; use smtps or smtp".into()
    });
    checker.require("smtp.url", url.username().is_empty() == url.password().is_none(), || {
        "a user goes with a password; write USER:PASSWORD@HOST, each percent-encoded".into()
    });
    let is_example = mode == Mode::Production && url.password().is_some_and(is_example);
    checker.require("smtp.url", !is_example, || {
        "its password is taken from an example; write the one that the mail server knows".into()
    });
}
