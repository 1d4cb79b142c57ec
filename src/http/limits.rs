//! Counts requests per caller and minute, in a table of fixed size. Two callers that share a slot share its count; the
//! table is seeded per process, so that nobody can aim at another's slot.

use crate::http::error::ApiError;
use sottovoce_actors::ports::store::EpochMs;
use sottovoce_protocol::error_code::ErrorCode;
use std::hash::{BuildHasher, Hash, RandomState};
use std::sync::atomic::{AtomicU64, Ordering};

const SLOTS: usize = 1 << 16;
/// How many kinds of [`Rate`] there are.
const RATES: usize = 4;
const MINUTE_MS: i64 = 60_000;

/// What is counted, each by itself.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Rate {
    /// Any request: of a key, of an account, of an address without a valid credential.
    Request,
    /// Tries to log in, registrations, links: of an address, and at an e-mail address.
    Login,
    /// Refreshes of a login.
    Refresh,
    /// Submitted jobs of an account.
    Submit,
}

/// How many of each in a minute.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct RateLimits {
    /// See [`Rate::Request`].
    pub requests: u32,
    /// See [`Rate::Login`].
    pub logins: u32,
    /// See [`Rate::Refresh`].
    pub refreshes: u32,
    /// See [`Rate::Submit`].
    pub submits: u32,
}

impl RateLimits {
    /// Returns as many of each.
    pub const fn each(limit: u32) -> Self {
        Self { requests: limit, logins: limit, refreshes: limit, submits: limit }
    }

    const fn of(&self, rate: Rate) -> u32 {
        match rate {
            Rate::Request => self.requests,
            Rate::Login => self.logins,
            Rate::Refresh => self.refreshes,
            Rate::Submit => self.submits,
        }
    }
}

/// The counters. Each slot holds a minute (upper 32 bits) and its count (lower 32 bits).
pub struct RateLimiter {
    slots: Box<[AtomicU64]>,
    seed: RandomState,
    limits: RateLimits,
}

impl RateLimiter {
    /// Allows so many a minute and caller.
    pub fn new(limits: RateLimits) -> Self {
        let slots = (0..SLOTS * RATES).map(|_| AtomicU64::new(0)).collect();
        Self { slots, seed: RandomState::new(), limits }
    }

    /// Checks that this caller's minute is not spent, without counting: what comes before the work that a refusal costs.
    ///
    /// # Errors
    /// As [`RateLimiter::count`].
    pub fn check(&self, rate: Rate, caller: impl Hash, now: EpochMs) -> Result<(), ApiError> {
        let (slot, minute) = self.slot(rate, caller, now);
        let held = slot.load(Ordering::Relaxed);
        if (held >> 32) as u32 == minute && held as u32 >= self.limits.of(rate) {
            return Err(spent(now));
        }
        Ok(())
    }

    /// Returns the counter of this caller and the minute. Each rate has a table of its own: their limits differ.
    fn slot(&self, rate: Rate, caller: impl Hash, now: EpochMs) -> (&AtomicU64, u32) {
        let minute = now.0.div_euclid(MINUTE_MS) as u32;
        let place = self.seed.hash_one(caller) as usize % SLOTS;
        (&self.slots[rate as usize * SLOTS + place], minute)
    }

    /// Counts one of this caller.
    ///
    /// # Errors
    /// `rate_limited` with the seconds to the next minute once the minute's count is spent.
    pub fn count(&self, rate: Rate, caller: impl Hash, now: EpochMs) -> Result<(), ApiError> {
        let limit = self.limits.of(rate);
        let (slot, minute) = self.slot(rate, caller, now);
        let counted = slot.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |held| {
            let count = if (held >> 32) as u32 == minute { held as u32 } else { 0 };
            (count < limit).then(|| u64::from(minute) << 32 | u64::from(count + 1))
        });
        counted.map(|_| ()).map_err(|_| spent(now))
    }
}

/// Says when the next minute begins.
fn spent(now: EpochMs) -> ApiError {
    let left_s = (MINUTE_MS - now.0.rem_euclid(MINUTE_MS)).unsigned_abs().div_ceil(1000);
    ApiError::new(ErrorCode::RateLimited, "too many requests; slow down").retry_after(left_s)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_caller_has_so_many_of_each_a_minute() {
        let rates = RateLimiter::new(RateLimits { logins: 1, ..RateLimits::each(2) });
        let now = EpochMs(600_000_500);
        assert!(rates.count(Rate::Request, "a", now).is_ok());
        assert!(rates.count(Rate::Request, "a", now).is_ok());
        assert_eq!(rates.count(Rate::Request, "a", now).unwrap_err().code(), ErrorCode::RateLimited);
        assert!(rates.count(Rate::Request, "another caller", now).is_ok());
        assert!(rates.count(Rate::Login, "a", now).is_ok());
        assert!(rates.count(Rate::Login, "a", now).is_err());
        assert!(rates.count(Rate::Request, "a", now.plus_ms(60_000)).is_ok());
    }
}
