//! `[jobs]`: the batch queue.

use super::defect::Checker;
use serde::Deserialize;
use std::time::Duration;

/// The batch queue; keys as in `default.toml`.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct JobsConfig {
    /// Jobs run at once; 0: one per engine thread.
    pub concurrency: usize,
    /// Between looks at the queue.
    pub poll_ms: u64,
    /// Lease of a running job.
    pub lease_ms: u64,
    /// Between renewals.
    pub heartbeat_ms: u64,
    /// Attempts at a job.
    pub max_attempts: u32,
    /// Pause before the second attempt.
    pub backoff_first_ms: u64,
    /// Longest pause.
    pub backoff_most_ms: u64,
    /// Longest piece of audio recognised at once.
    pub max_utterance_ms: u64,
    /// How long a job is kept after its end; 0: until its owner deletes it. See [`JobsConfig::kept`].
    pub keep_hours: u64,
}

impl JobsConfig {
    /// Returns how long a job is kept after its end, if not until its owner deletes it.
    pub fn kept(&self) -> Option<Duration> {
        (self.keep_hours > 0).then(|| Duration::from_secs(self.keep_hours * 3600))
    }

    pub(super) fn check(&self, checker: &mut Checker<'_>) {
        const DAY_MS: u64 = 86_400_000;
        checker.within("jobs.concurrency", self.concurrency as u64, 0, 1024);
        checker.within("jobs.poll_ms", self.poll_ms, 10, 600_000);
        checker.within("jobs.lease_ms", self.lease_ms, 100, DAY_MS);
        checker.require("jobs.heartbeat_ms", (10..=self.lease_ms / 2).contains(&self.heartbeat_ms), || {
            "it must be at least 10 and at most half of jobs.lease_ms".into()
        });
        checker.within("jobs.max_attempts", u64::from(self.max_attempts), 1, 100);
        checker.within("jobs.backoff_first_ms", self.backoff_first_ms, 0, DAY_MS);
        checker.within("jobs.backoff_most_ms", self.backoff_most_ms, self.backoff_first_ms, DAY_MS);
        checker.within("jobs.keep_hours", self.keep_hours, 0, 100 * 366 * 24);
        checker.within("jobs.max_utterance_ms", self.max_utterance_ms, 2000, 30_000);
    }
}
