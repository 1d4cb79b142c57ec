//! `[doors]`: requests of `/v1` that are answered with their file's transcript.

use super::defect::Checker;
use serde::Deserialize;

/// Requests that wait for a transcript; keys as in `default.toml`.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DoorsConfig {
    /// Longest wait.
    pub answer_timeout_ms: u64,
    /// Between looks at the job and the client.
    pub look_ms: u64,
    /// Waiting requests, of all accounts.
    pub waiting: usize,
    /// Waiting requests of one account.
    pub waiting_per_account: u64,
    /// Whether an answered job stays.
    pub keep_jobs: bool,
}

impl DoorsConfig {
    pub(super) fn check(&self, checker: &mut Checker<'_>) {
        checker.within("doors.answer_timeout_ms", self.answer_timeout_ms, 10, 86_400_000);
        checker.within("doors.look_ms", self.look_ms, 10, 60_000);
        checker.within("doors.waiting", self.waiting as u64, 1, 1_000_000);
        checker.within("doors.waiting_per_account", self.waiting_per_account, 1, 1_000_000);
    }
}
