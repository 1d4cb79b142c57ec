//! Finds where sound is missing from a file: pages lost to damage, a recording that was paused. Never trusts a jump.

/// Smaller differences are rounding, encoder delay and slow clocks.
const MIN_GAP_S: f64 = 0.1;
/// Larger ones are a clock that was set anew, not silence.
const MAX_GAP_S: f64 = 30.0;

/// Compares the container's clock with the sound that was decoded.
#[derive(Debug, Default)]
pub(crate) struct Timeline {
    /// The container's time at the start of the decoded sound.
    origin_s: Option<f64>,
}

impl Timeline {
    /// Returns how many seconds of sound are missing before a packet that belongs at `packet_s`, with `decoded_s` in hand.
    pub fn missing_s(&mut self, packet_s: f64, decoded_s: f64) -> f64 {
        let gap_s = packet_s - decoded_s - self.origin_s.unwrap_or(packet_s - decoded_s);
        if (MIN_GAP_S..=MAX_GAP_S).contains(&gap_s) {
            return gap_s;
        }
        if self.origin_s.is_none() || gap_s.abs() > MIN_GAP_S {
            self.origin_s = Some(packet_s - decoded_s);
        }
        0.0
    }

    /// Begins anew, after a chained stream whose clock starts again.
    pub fn restart(&mut self) {
        self.origin_s = None;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn gaps_are_filled_and_jumps_are_not() {
        let mut timeline = Timeline::default();
        assert_eq!(timeline.missing_s(5.0, 0.0), 0.0, "a recording may start anywhere");
        assert_eq!(timeline.missing_s(6.05, 1.0), 0.0, "rounding");
        assert_eq!(timeline.missing_s(9.0, 2.0), 2.0);
        assert_eq!(timeline.missing_s(9.0, 4.0), 0.0, "filled");
        assert_eq!(timeline.missing_s(1000.0, 5.0), 0.0, "a jump");
        assert_eq!(timeline.missing_s(1001.0, 6.0), 0.0, "goes on from there");
        assert_eq!(timeline.missing_s(3.0, 7.0), 0.0, "back");
        assert_eq!(timeline.missing_s(5.0, 8.0), 1.0);
        timeline.restart();
        assert_eq!(timeline.missing_s(8.0, 9.0), 0.0);
    }
}
