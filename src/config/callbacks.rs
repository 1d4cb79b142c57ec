//! `[callbacks]`: telling owners' addresses that their jobs ended.

use super::Mode;
use super::defect::Checker;
use super::http::is_origin;
use serde::Deserialize;

/// Callbacks; keys as in `default.toml`.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CallbacksConfig {
    /// Origins that may be named; none: off.
    pub allowed_origins: Vec<String>,
    /// Whether they may lead to private addresses.
    pub allow_private: bool,
    /// How long a request may take.
    pub timeout_ms: u64,
    /// Between looks at what is due.
    pub poll_ms: u64,
    /// Attempts, the first included.
    pub max_attempts: u32,
    /// Pause before the second.
    pub backoff_first_ms: u64,
    /// Longest pause.
    pub backoff_most_ms: u64,
}

impl CallbacksConfig {
    pub(super) fn check(&self, mode: Mode, checker: &mut Checker<'_>) {
        const DAY_MS: u64 = 86_400_000;
        for origin in &self.allowed_origins {
            checker.require("callbacks.allowed_origins", is_origin(origin), || {
                "each must be like https://hooks.example.org or https://hooks.example.org:8443, without a path".into()
            });
            checker.require(
                "callbacks.allowed_origins",
                mode == Mode::Embedded || !origin.starts_with("http:"),
                || "in production callbacks go over https".into(),
            );
        }
        checker.within("callbacks.timeout_ms", self.timeout_ms, 100, 120_000);
        checker.within("callbacks.poll_ms", self.poll_ms, 10, 600_000);
        checker.within("callbacks.max_attempts", u64::from(self.max_attempts), 1, 100);
        checker.within("callbacks.backoff_first_ms", self.backoff_first_ms, 10, DAY_MS);
        checker.within("callbacks.backoff_most_ms", self.backoff_most_ms, self.backoff_first_ms, 7 * DAY_MS);
    }
}
