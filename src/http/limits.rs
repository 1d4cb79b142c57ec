//! Counts requests per key or address and minute, in a table of fixed size. Two callers that share a slot share its
//! count; the table is seeded per process, so that nobody can aim at another's slot.

use crate::http::error::ApiError;
use sottovoce_actors::ports::store::EpochMs;
use sottovoce_protocol::error_code::ErrorCode;
use std::hash::{BuildHasher, Hash, RandomState};
use std::sync::atomic::{AtomicU64, Ordering};

const SLOTS: usize = 1 << 16;
const MINUTE_MS: i64 = 60_000;

/// The counters. Each slot holds a minute (upper 32 bits) and its count (lower 32 bits).
pub struct RateLimiter {
    slots: Box<[AtomicU64]>,
    seed: RandomState,
    per_minute: u32,
}

impl RateLimiter {
    /// Allows so many requests per minute and caller.
    pub fn new(per_minute: u32) -> Self {
        let slots = (0..SLOTS).map(|_| AtomicU64::new(0)).collect();
        Self { slots, seed: RandomState::new(), per_minute }
    }

    /// Counts a request of this caller.
    ///
    /// # Errors
    /// `rate_limited` with the seconds to the next minute once the minute's count is spent.
    pub fn count(&self, caller: impl Hash, now: EpochMs) -> Result<(), ApiError> {
        let minute = now.0.div_euclid(MINUTE_MS) as u32;
        let slot = &self.slots[self.seed.hash_one(caller) as usize % SLOTS];
        let counted = slot.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |held| {
            let count = if (held >> 32) as u32 == minute { held as u32 } else { 0 };
            (count < self.per_minute).then(|| u64::from(minute) << 32 | u64::from(count + 1))
        });
        counted.map(|_| ()).map_err(|_| {
            let left_s = (MINUTE_MS - now.0.rem_euclid(MINUTE_MS)).unsigned_abs().div_ceil(1000);
            ApiError::new(ErrorCode::RateLimited, "too many requests; slow down").retry_after(left_s)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_caller_has_so_many_requests_a_minute() {
        let rates = RateLimiter::new(2);
        let now = EpochMs(600_000_500);
        assert!(rates.count("a", now).is_ok());
        assert!(rates.count("a", now).is_ok());
        assert_eq!(rates.count("a", now).unwrap_err().code(), ErrorCode::RateLimited);
        assert!(rates.count("another caller", now).is_ok());
        assert!(rates.count("a", now.plus_ms(60_000)).is_ok());
    }
}
