//! `[storage]`: the index of accounts, keys, jobs and artifacts.

use super::Mode;
use super::defect::Checker;
use super::secret::SecretText;
use reqwest::Url;
use serde::Deserialize;
use std::time::Duration;

/// What a PostgreSQL URL may say after its `?`. The driver would log what it does not know, value and all.
const URL_OPTIONS: [&str; 7] =
    ["sslmode", "sslrootcert", "sslcert", "sslkey", "host", "application_name", "options"];
const FORM: &str = "write postgres://USER:PASSWORD@HOST:PORT/DATABASE";

/// The index; keys as in `default.toml`.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct StorageConfig {
    /// `sqlite:PATH` or `postgres://…`; filled in when left empty.
    pub url: SecretText,
    /// Connections to PostgreSQL.
    pub max_connections: u32,
    /// Longest wait for a connection.
    pub acquire_timeout_ms: u64,
    /// Longest statement, wait for a lock, or pause inside a transaction.
    pub statement_timeout_ms: u64,
}

impl StorageConfig {
    /// Returns the longest wait for a connection.
    pub const fn acquire_timeout(&self) -> Duration {
        Duration::from_millis(self.acquire_timeout_ms)
    }

    /// Returns the longest time of one statement.
    pub const fn statement_timeout(&self) -> Duration {
        Duration::from_millis(self.statement_timeout_ms)
    }

    pub(super) fn check(&self, checker: &mut Checker<'_>, mode: Mode) {
        match self.url.expose().split_once(':') {
            None if self.url.is_empty() => {}
            Some(("sqlite", _)) => {}
            Some(("postgres" | "postgresql", _)) => check_postgres(self.url.expose(), checker, mode),
            _ => checker.require("storage.url", false, || {
                "its scheme is not known; use sqlite:PATH or postgres://USER:PASSWORD@HOST:PORT/DATABASE"
                    .into()
            }),
        }
        checker.within("storage.max_connections", u64::from(self.max_connections), 1, 1000);
        checker.within("storage.acquire_timeout_ms", self.acquire_timeout_ms, 10, 600_000);
        checker.within("storage.statement_timeout_ms", self.statement_timeout_ms, 10, 600_000);
    }
}

/// Everything that matters is said in the URL, so that no `PG…` variable of somebody's shell decides where data goes.
fn check_postgres(text: &str, checker: &mut Checker<'_>, mode: Mode) {
    let Ok(url) = Url::parse(text) else {
        return checker.require("storage.url", false, || format!("it is no URL; {FORM}"));
    };
    let database = url.path().trim_matches('/');
    checker.require("storage.url", !url.username().is_empty() && !database.is_empty(), || {
        format!("it must name a user and a database; {FORM}")
    });
    for (option, _) in url.query_pairs() {
        let known =
            URL_OPTIONS.contains(&&*option) || (option.starts_with("options[") && option.ends_with(']'));
        checker.require("storage.url", known, || {
            format!("`{option}` is no option that it may have; the options are {}", URL_OPTIONS.join(", "))
        });
    }
    let has_own_password = !matches!(url.password(), None | Some("" | "postgres" | "password"));
    checker.require("storage.url", mode == Mode::Embedded || has_own_password, || {
        "in production its password must not be empty, `postgres` or `password`; set one that nobody guesses".into()
    });
}
