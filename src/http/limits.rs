//! Counts requests per caller and minute (letters: hour), in a table of fixed size. Two callers that share a slot share its count; the
//! table is seeded per process, so that nobody can aim at another's slot.

use crate::http::error::ApiError;
use sottovoce_actors::ports::store::EpochMs;
use sottovoce_protocol::error_code::ErrorCode;
use std::hash::{BuildHasher, Hash, RandomState};
use std::sync::atomic::{AtomicU64, Ordering};

const SLOTS: usize = 1 << 16;
/// How many kinds of [`Rate`] there are.
const RATES: usize = 5;
const MINUTE_MS: i64 = 60_000;
const HOUR_MS: i64 = 60 * MINUTE_MS;

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
    /// Letters that somebody asked to be sent to an e-mail address; in an hour, as they reach a person.
    Letter,
}

impl Rate {
    const fn window_ms(self) -> i64 {
        match self {
            Self::Letter => HOUR_MS,
            Self::Request | Self::Login | Self::Refresh | Self::Submit => MINUTE_MS,
        }
    }
}

/// How many of each in a minute (letters: in an hour).
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
    /// See [`Rate::Letter`].
    pub letters: u32,
}

impl RateLimits {
    /// Returns as many of each.
    pub const fn each(limit: u32) -> Self {
        Self { requests: limit, logins: limit, refreshes: limit, submits: limit, letters: limit }
    }

    const fn of(&self, rate: Rate) -> u32 {
        match rate {
            Rate::Request => self.requests,
            Rate::Login => self.logins,
            Rate::Refresh => self.refreshes,
            Rate::Submit => self.submits,
            Rate::Letter => self.letters,
        }
    }
}

/// The counters. Each slot holds a minute or hour (upper 32 bits) and its count (lower 32 bits).
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
        let (slot, window) = self.slot(rate, caller, now);
        let held = slot.load(Ordering::Relaxed);
        if (held >> 32) as u32 == window && held as u32 >= self.limits.of(rate) {
            return Err(spent(rate, now));
        }
        Ok(())
    }

    /// Returns the counter of this caller and the number of the minute or hour. Each rate has a table of its own: their limits differ.
    fn slot(&self, rate: Rate, caller: impl Hash, now: EpochMs) -> (&AtomicU64, u32) {
        let window = now.0.div_euclid(rate.window_ms()) as u32;
        let place = self.seed.hash_one(caller) as usize % SLOTS;
        (&self.slots[rate as usize * SLOTS + place], window)
    }

    /// Counts one of this caller.
    ///
    /// # Errors
    /// `rate_limited` with the seconds to the next minute (hour) once the count of this one is spent.
    pub fn count(&self, rate: Rate, caller: impl Hash, now: EpochMs) -> Result<(), ApiError> {
        let limit = self.limits.of(rate);
        let (slot, window) = self.slot(rate, caller, now);
        let counted = slot.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |held| {
            let count = if (held >> 32) as u32 == window { held as u32 } else { 0 };
            (count < limit).then(|| u64::from(window) << 32 | u64::from(count + 1))
        });
        counted.map(|_| ()).map_err(|_| spent(rate, now))
    }
}

/// Says when the next minute or hour begins.
fn spent(rate: Rate, now: EpochMs) -> ApiError {
    let window_ms = rate.window_ms();
    let left_s = (window_ms - now.0.rem_euclid(window_ms)).unsigned_abs().div_ceil(1000);
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

    #[test]
    fn letters_are_counted_by_the_hour() {
        let rates = RateLimiter::new(RateLimits::each(1));
        let now = EpochMs(3_600_000 * 1000);
        assert!(rates.count(Rate::Letter, "a", now).is_ok());
        assert!(rates.count(Rate::Letter, "a", now.plus_ms(3_599_999)).is_err());
        assert!(rates.count(Rate::Letter, "a", now.plus_ms(3_600_000)).is_ok());
    }
}
