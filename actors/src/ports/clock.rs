//! Time and identity as parameters, so that tests own both.

use crate::ports::store::EpochMs;
use uuid::Uuid;

/// Wall time. Durations are measured with `tokio::time::Instant`, which virtual time drives.
pub trait Clock: Send + Sync + 'static {
    /// Returns now.
    fn now(&self) -> EpochMs;
}

/// New identifiers.
pub trait Ids: Send + Sync + 'static {
    /// Returns a fresh, time-ordered UUID (version 7).
    fn uuid(&self) -> Uuid;
}
