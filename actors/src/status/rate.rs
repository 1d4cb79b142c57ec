//! How many messages a client may send. Pure.

use std::time::Duration;
use tokio::time::Instant;

/// A bucket that holds one second's worth of messages.
#[derive(Debug)]
pub struct Rate {
    per_second: u32,
    left: f64,
    at: Instant,
}

impl Rate {
    /// Starts full.
    pub fn new(per_second: u32, now: Instant) -> Self {
        Self { per_second, left: f64::from(per_second), at: now }
    }

    /// Takes one message; returns whether it was within the rate.
    pub fn take(&mut self, now: Instant) -> bool {
        let rate = f64::from(self.per_second);
        self.left = (self.left + (now - self.at).max(Duration::ZERO).as_secs_f64() * rate).min(rate);
        self.at = now;
        if self.left < 1.0 {
            return false;
        }
        self.left -= 1.0;
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_burst_of_a_second_is_allowed_and_refills() {
        let start = Instant::now();
        let mut rate = Rate::new(5, start);
        assert_eq!((0..7).filter(|_| rate.take(start)).count(), 5);
        let later = start + Duration::from_millis(400);
        assert_eq!((0..7).filter(|_| rate.take(later)).count(), 2);
    }
}
