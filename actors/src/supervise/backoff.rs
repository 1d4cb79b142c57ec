//! Exponential backoff with jitter. Pure: the caller brings the random number and owns the clock.

use std::time::Duration;

/// Delays that double from `first` up to `most`, ±20 %.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Backoff {
    /// Delay after the first failure.
    pub first: Duration,
    /// Longest delay.
    pub most: Duration,
}

impl Backoff {
    /// Returns the delay after the `failures`-th failure (from 1); `jitter` is a random number in 0..1.
    pub fn delay(&self, failures: u32, jitter: f64) -> Duration {
        let doubled = self.first.saturating_mul(2u32.saturating_pow(failures.saturating_sub(1)));
        doubled.min(self.most).mul_f64(0.8 + 0.4 * jitter.clamp(0.0, 1.0))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn doubles_within_jitter_up_to_the_most() {
        let backoff = Backoff { first: Duration::from_secs(10), most: Duration::from_secs(60) };
        assert_eq!(backoff.delay(1, 0.5), Duration::from_secs(10));
        assert_eq!(backoff.delay(2, 0.5), Duration::from_secs(20));
        assert_eq!(backoff.delay(9, 0.5), Duration::from_secs(60));
        assert_eq!(backoff.delay(1, 0.0), Duration::from_secs(8));
        assert_eq!(backoff.delay(1, 1.0), Duration::from_secs(12));
    }
}
