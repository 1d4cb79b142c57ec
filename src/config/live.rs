//! `[live]`: live streams.

use super::defect::Checker;
use serde::Deserialize;

/// Live streams; keys as in `default.toml`.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LiveConfig {
    /// No audio and no KeepAlive.
    pub idle_timeout_ms: u64,
    /// Between pings.
    pub ping_interval_ms: u64,
    /// For the answer to a ping.
    pub pong_timeout_ms: u64,
    /// For a client that does not read.
    pub slow_reader_timeout_ms: u64,
    /// Largest incoming message.
    pub max_message_bytes: usize,
    /// Between interims of a young utterance.
    pub interim_step_ms: u64,
    /// Between interims of an older one.
    pub interim_step_late_ms: u64,
    /// When an utterance counts as older.
    pub late_after_ms: u64,
    /// Silence that ends an utterance.
    pub pause_ms: u64,
    /// The same, near the longest utterance.
    pub pause_late_ms: u64,
    /// Longest utterance.
    pub max_utterance_ms: u64,
    /// Between empty results in silence.
    pub silence_report_ms: u64,
    /// Probability over which speech begins.
    pub start_probability: f64,
    /// Probability under which it ends.
    pub end_probability: f64,
    /// Lease of the stream's row.
    pub lease_ms: u64,
    /// Between renewals.
    pub heartbeat_ms: u64,
    /// For last words at the end of a stream.
    pub settle_timeout_ms: u64,
    /// For last words at shutdown.
    pub drain_timeout_ms: u64,
    /// Longest session.
    pub max_session_hours: u64,
}

impl LiveConfig {
    pub(super) fn check(&self, checker: &mut Checker<'_>) {
        const HOUR_MS: u64 = 3_600_000;
        checker.within("live.idle_timeout_ms", self.idle_timeout_ms, 10, HOUR_MS);
        checker.within("live.ping_interval_ms", self.ping_interval_ms, 10, HOUR_MS);
        checker.within("live.pong_timeout_ms", self.pong_timeout_ms, 10, HOUR_MS);
        checker.within("live.slow_reader_timeout_ms", self.slow_reader_timeout_ms, 10, HOUR_MS);
        checker.within("live.max_message_bytes", self.max_message_bytes as u64, 1024, 16 << 20);
        checker.within("live.interim_step_ms", self.interim_step_ms, 50, 60_000);
        checker.within("live.interim_step_late_ms", self.interim_step_late_ms, self.interim_step_ms, 60_000);
        checker.within("live.late_after_ms", self.late_after_ms, 0, 60_000);
        checker.within("live.pause_ms", self.pause_ms, 32, 10_000);
        checker.within("live.pause_late_ms", self.pause_late_ms, 32, self.pause_ms.max(32));
        checker.within("live.max_utterance_ms", self.max_utterance_ms, 2000, 30_000);
        checker.within("live.silence_report_ms", self.silence_report_ms, 100, 600_000);
        checker.within_f64("live.start_probability", self.start_probability, 0.01, 0.99);
        checker.within_f64(
            "live.end_probability",
            self.end_probability,
            0.01,
            self.start_probability.max(0.01),
        );
        checker.within("live.lease_ms", self.lease_ms, 100, HOUR_MS);
        checker.require("live.heartbeat_ms", (10..=self.lease_ms / 2).contains(&self.heartbeat_ms), || {
            "it must be at least 10 and at most half of live.lease_ms".into()
        });
        checker.within("live.settle_timeout_ms", self.settle_timeout_ms, 100, HOUR_MS);
        checker.within("live.drain_timeout_ms", self.drain_timeout_ms, 0, HOUR_MS);
        checker.within("live.max_session_hours", self.max_session_hours, 1, 24 * 365);
    }
}
