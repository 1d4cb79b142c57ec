//! Time and identifiers that a test owns.

use crate::ports::clock::{Clock, Ids};
use crate::ports::store::EpochMs;
use crate::testkit::Random;
use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use tokio::time::Instant;
use uuid::{Builder, Uuid};

/// A clock that stands until it is moved. Clones are the same clock.
#[derive(Clone, Debug)]
pub struct ManualClock(Arc<AtomicI64>);

impl ManualClock {
    /// Makes a clock that stands at `start`.
    pub fn at(start: EpochMs) -> Self {
        Self(Arc::new(AtomicI64::new(start.0)))
    }

    /// Moves the clock by so many milliseconds.
    pub fn advance_ms(&self, ms: i64) {
        self.0.fetch_add(ms, Ordering::Relaxed);
    }
}

impl Clock for ManualClock {
    fn now(&self) -> EpochMs {
        EpochMs(self.0.load(Ordering::Relaxed))
    }
}

/// A clock that moves with `tokio::time`: still while that is paused, and jumping with it.
#[derive(Clone, Copy, Debug)]
pub struct VirtualClock {
    start: EpochMs,
    since: Instant,
}

impl VirtualClock {
    /// Makes a clock that shows `start` now. Call it after `tokio::time::pause`.
    pub fn at(start: EpochMs) -> Self {
        Self { start, since: Instant::now() }
    }
}

impl Clock for VirtualClock {
    fn now(&self) -> EpochMs {
        self.start.plus_ms(self.since.elapsed().as_millis() as i64)
    }
}

/// Identifiers that a seed determines; version 7, each a millisecond after the one before. Clones share the sequence.
#[derive(Clone, Debug)]
pub struct SeededIds(Arc<Mutex<(u64, Random)>>);

impl SeededIds {
    /// Starts the sequence of a seed.
    pub fn new(seed: u64) -> Self {
        Self(Arc::new(Mutex::new((1_700_000_000_000, Random::new(seed)))))
    }
}

impl Ids for SeededIds {
    fn uuid(&self) -> Uuid {
        let mut state = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        state.0 += 1;
        let mut bytes = [0; 10];
        bytes[..8].copy_from_slice(&state.1.bits().to_le_bytes());
        Builder::from_unix_timestamp_millis(state.0, &bytes).into_uuid()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_seed_gives_the_same_growing_ids() {
        let ids: Vec<Uuid> = std::iter::repeat_with({
            let ids = SeededIds::new(4);
            move || ids.uuid()
        })
        .take(50)
        .collect();
        assert!(ids.is_sorted() && ids[0] != ids[1]);
        assert!(ids.iter().all(|id| id.get_version_num() == 7));
        assert_eq!(SeededIds::new(4).uuid(), ids[0]);
        assert_ne!(SeededIds::new(5).uuid(), ids[0]);
    }
}
