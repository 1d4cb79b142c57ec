//! Averages that forget: how things stand lately. Pure, time is passed in.

use crate::engine_pool::queue::Moment;
use std::time::Duration;

/// Exponentially weighted mean of samples; without samples it fades to zero, so that old trouble is forgotten.
#[derive(Clone, Copy, Debug)]
pub struct Average {
    weight: f64,
    fade: Duration,
    value: f64,
    at: Moment,
}

impl Average {
    /// Makes an average at zero; each sample counts `weight` (0..1), silence of `fade` leaves 1/e.
    pub const fn new(weight: f64, fade: Duration) -> Self {
        Self { weight, fade, value: 0.0, at: Moment::ZERO }
    }

    /// Takes a sample.
    pub fn note(&mut self, sample: f64, now: Moment) {
        // Not faded first: a slow trickle of samples must show their true mean.
        self.value += self.weight * (sample - self.value);
        self.at = now;
    }

    /// Returns the mean as it stands now.
    pub fn value(&self, now: Moment) -> f64 {
        self.value * (-now.saturating_sub(self.at).as_secs_f64() / self.fade.as_secs_f64()).exp()
    }
}

/// How much comes in per second, averaged over about the last `over`.
#[derive(Clone, Copy, Debug)]
pub struct Rate {
    over: Duration,
    sum: f64,
    at: Moment,
}

impl Rate {
    /// Makes a rate at zero.
    pub const fn new(over: Duration) -> Self {
        Self { over, sum: 0.0, at: Moment::ZERO }
    }

    /// Adds an amount.
    pub fn add(&mut self, amount: f64, now: Moment) {
        self.sum = self.recent(now) + amount;
        self.at = now;
    }

    /// Returns what came lately, in all.
    pub fn recent(&self, now: Moment) -> f64 {
        self.sum * (-now.saturating_sub(self.at).as_secs_f64() / self.over.as_secs_f64()).exp()
    }

    /// Returns what comes per second.
    pub fn per_s(&self, now: Moment) -> f64 {
        self.recent(now) / self.over.as_secs_f64()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_average_follows_its_samples_and_fades_without_them() {
        let mut average = Average::new(0.2, Duration::from_secs(10));
        for second in 0..40 {
            average.note(3.0, Duration::from_secs(second));
        }
        let held = average.value(Duration::from_secs(39));
        assert!((held - 3.0).abs() < 0.01, "{held}");
        assert!(average.value(Duration::from_secs(69)) < 0.2);
    }

    #[test]
    fn a_rate_settles_at_what_comes_per_second() {
        let mut rate = Rate::new(Duration::from_secs(10));
        for tenth in 0..1_000 {
            rate.add(0.05, Duration::from_millis(100 * tenth));
        }
        let per_s = rate.per_s(Duration::from_millis(99_900));
        assert!((per_s - 0.5).abs() < 0.02, "{per_s}");
    }
}
