//! How far live streams should lengthen their interim step. Pure, time is passed in.
//!
//! A proportional rule on the mean wait of interims: longer steps mean fewer interims, fewer interims wait less, so the
//! factor settles where the workers are nearly full and interims wait a fraction of a step.

use crate::engine_pool::average::Average;
use crate::engine_pool::queue::Moment;
use std::time::Duration;

/// The step at which nothing is stretched; waits are judged against it.
pub const STEP: Duration = Duration::from_millis(500);

/// The longest stretch: beyond it captions are no longer live.
pub const LONGEST: f32 = 4.0;

/// From this stretch on live streams leave nothing for batch work.
pub const CROWDED: f32 = 1.2;

/// Part of a step that an interim may wait without any stretch.
const TOLERATED: f64 = 0.2;

/// Stretch per step of wait over the tolerated one.
const GAIN: f64 = 2.0;

/// Watches the waits of interims.
#[derive(Clone, Copy, Debug)]
pub struct Stretch {
    wait_s: Average,
}

impl Default for Stretch {
    fn default() -> Self {
        Self { wait_s: Average::new(0.05, Duration::from_secs(5)) }
    }
}

impl Stretch {
    /// Notes how long an interim (with those it superseded) waited for its worker.
    pub fn note(&mut self, wait: Duration, now: Moment) {
        self.wait_s.note(wait.as_secs_f64(), now);
    }

    /// Returns the factor, 1.0 to [`LONGEST`]. `oldest` is how long the oldest interim waits now: it counts when none
    /// runs at all.
    pub fn factor(&self, oldest: Duration, now: Moment) -> f32 {
        let wait_s = self.wait_s.value(now).max(oldest.as_secs_f64() - STEP.as_secs_f64());
        let excess = wait_s / STEP.as_secs_f64() - TOLERATED;
        (1.0 + GAIN * excess.max(0.0)).min(f64::from(LONGEST)) as f32
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn short_waits_stretch_nothing_and_long_ones_up_to_the_limit() {
        let now = Duration::from_secs(100);
        let mut stretch = Stretch::default();
        for _ in 0..50 {
            stretch.note(Duration::from_millis(90), now);
        }
        assert_eq!(stretch.factor(Duration::ZERO, now), 1.0);
        for _ in 0..50 {
            stretch.note(Duration::from_millis(350), now);
        }
        let factor = stretch.factor(Duration::ZERO, now);
        assert!((1.8..2.2).contains(&factor), "{factor}");
        for _ in 0..50 {
            stretch.note(Duration::from_secs(20), now);
        }
        assert_eq!(stretch.factor(Duration::ZERO, now), LONGEST);
        assert_eq!(stretch.factor(Duration::ZERO, now + Duration::from_secs(60)), 1.0);
    }

    #[test]
    fn interims_that_never_run_stretch_too() {
        assert_eq!(Stretch::default().factor(Duration::from_secs(9), Duration::from_secs(10)), LONGEST);
    }

    /// Streams that heed the factor, over a fluid queue: it must settle, not swing.
    #[test]
    fn settles_when_streams_heed_it() {
        // Interims at no stretch would need 1.8 of what is free for them.
        let (mut stretch, mut backlog_s, mut seen) = (Stretch::default(), 0.0f64, Vec::new());
        for tenth in 0..1_200u64 {
            let now = Duration::from_millis(100 * tenth);
            let factor = f64::from(stretch.factor(Duration::ZERO, now));
            backlog_s = (backlog_s + 0.1 * (1.8 / factor - 1.0)).max(0.0);
            stretch.note(Duration::from_secs_f64(backlog_s), now);
            seen.push(factor);
        }
        let late = &seen[800..];
        let (least, most) = late.iter().fold((f64::MAX, 0.0f64), |(a, b), f| (a.min(*f), b.max(*f)));
        assert!(least > 1.6 && most < 2.0, "swings between {least} and {most}");
    }
}
