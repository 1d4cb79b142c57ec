//! `[status]`: the subscription sockets on `/ws`.

use super::defect::Checker;
use serde::Deserialize;

/// Subscription sockets; keys as in `default.toml`.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct StatusConfig {
    /// Between pings.
    pub ping_interval_ms: u64,
    /// For the answer to a ping.
    pub pong_timeout_ms: u64,
    /// For the first subscription.
    pub first_message_ms: u64,
    /// Largest incoming message.
    pub max_message_bytes: usize,
    /// Incoming messages.
    pub messages_per_second: u32,
    /// Subscriptions.
    pub subscriptions_per_socket: usize,
}

impl StatusConfig {
    pub(super) fn check(&self, checker: &mut Checker<'_>) {
        checker.within("status.ping_interval_ms", self.ping_interval_ms, 10, 3_600_000);
        checker.within("status.pong_timeout_ms", self.pong_timeout_ms, 10, 3_600_000);
        checker.within("status.first_message_ms", self.first_message_ms, 10, 3_600_000);
        checker.within("status.max_message_bytes", self.max_message_bytes as u64, 256, 1 << 20);
        checker.within("status.messages_per_second", u64::from(self.messages_per_second), 1, 100_000);
        checker.within("status.subscriptions_per_socket", self.subscriptions_per_socket as u64, 1, 100_000);
    }
}
