//! `[limits]`: quotas and sizes.

use super::defect::Checker;
use serde::Deserialize;

/// Quotas and sizes; keys as in `default.toml`, some tighter in `production.toml`.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LimitsConfig {
    /// Largest upload.
    pub upload_bytes: u64,
    /// Longest text to be translated.
    pub text_bytes: u64,
    /// Longest decoded audio.
    pub decoded_seconds: u64,
    /// Of a key, of an account, of an address without a credential.
    pub requests_per_minute: u64,
    /// Of an address, and at an e-mail address.
    pub logins_per_minute: u64,
    /// To an e-mail address, on somebody's demand.
    pub letters_per_hour: u64,
    /// Of a login.
    pub refreshes_per_minute: u64,
    /// Of an account.
    pub submits_per_minute: u64,
    /// Of an account, at the same time.
    pub uploads_per_account: u64,
    /// Open status sockets.
    pub sockets_per_account: usize,
    /// Live streams; 0: what the machine admits.
    pub streams_per_account: usize,
    /// Waiting jobs.
    pub queued_jobs_per_account: u64,
    /// No byte of an upload for this long.
    pub upload_idle_ms: u64,
    /// Slowest average upload.
    pub upload_min_bytes_per_s: u64,
}

impl LimitsConfig {
    pub(super) fn check(&self, checker: &mut Checker<'_>) {
        checker.within("limits.upload_bytes", self.upload_bytes, 1024, 1 << 42);
        checker.within("limits.text_bytes", self.text_bytes, 4096, 1 << 26);
        checker.within("limits.decoded_seconds", self.decoded_seconds, 1, 1_000_000);
        checker.within("limits.requests_per_minute", self.requests_per_minute, 1, 1_000_000_000);
        checker.within("limits.logins_per_minute", self.logins_per_minute, 1, 1_000_000_000);
        checker.within("limits.letters_per_hour", self.letters_per_hour, 1, 1_000_000_000);
        checker.within("limits.refreshes_per_minute", self.refreshes_per_minute, 1, 1_000_000_000);
        checker.within("limits.submits_per_minute", self.submits_per_minute, 1, 1_000_000_000);
        checker.within("limits.uploads_per_account", self.uploads_per_account, 1, 1_000_000);
        checker.within("limits.sockets_per_account", self.sockets_per_account as u64, 1, 10_000_000);
        checker.within("limits.streams_per_account", self.streams_per_account as u64, 0, 1_000_000);
        checker.within("limits.queued_jobs_per_account", self.queued_jobs_per_account, 1, 1_000_000_000);
        checker.within("limits.upload_idle_ms", self.upload_idle_ms, 10, 3_600_000);
        checker.within("limits.upload_min_bytes_per_s", self.upload_min_bytes_per_s, 0, 1 << 30);
    }
}
