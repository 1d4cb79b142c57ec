//! When each piece of audio is due, and when it was really sent.
//!
//! A piece is due when its last sample would have been recorded: start + samples so far / rate. Every due time is
//! computed from the start, so errors never add up.

use std::time::Duration;

/// The due times of one stream.
#[derive(Clone, Copy, Debug)]
pub struct Schedule {
    /// Frames (samples per channel) per second.
    pub rate_hz: u32,
}

impl Schedule {
    /// Returns how long after the start the first `frames` frames are complete.
    pub fn due(&self, frames: u64) -> Duration {
        let nanos = u128::from(frames) * 1_000_000_000 / u128::from(self.rate_hz);
        Duration::from_nanos(u64::try_from(nanos).unwrap_or(u64::MAX))
    }
}

/// What was sent when. Times count from the stream's start.
#[derive(Clone, Debug, Default)]
pub struct SendLog {
    pieces: Vec<SentPiece>,
}

/// One piece of audio on its way.
#[derive(Clone, Copy, Debug)]
struct SentPiece {
    end_frame: u64,
    at: Duration,
}

impl SendLog {
    /// Notes that all frames before `end_frame` had been handed to the socket at `at`.
    pub fn push(&mut self, end_frame: u64, at: Duration) {
        self.pieces.push(SentPiece { end_frame, at });
    }

    /// Returns how many frames were sent.
    pub fn frames(&self) -> u64 {
        self.pieces.last().map_or(0, |piece| piece.end_frame)
    }

    /// Returns when the last piece was sent.
    pub fn last_at(&self) -> Option<Duration> {
        self.pieces.last().map(|piece| piece.at)
    }

    /// Returns when the frames before `end_frame` had all been sent: the time of the piece that holds the last of them.
    /// `None` when they were never all sent.
    pub fn sent_at(&self, end_frame: u64) -> Option<Duration> {
        let index = self.pieces.partition_point(|piece| piece.end_frame < end_frame);
        self.pieces.get(index).map(|piece| piece.at)
    }

    /// Returns how late each piece left, in seconds (never negative: nothing is sent early).
    pub fn lateness_s(&self, schedule: Schedule) -> Vec<f64> {
        let late = |piece: &SentPiece| piece.at.saturating_sub(schedule.due(piece.end_frame)).as_secs_f64();
        self.pieces.iter().map(late).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SCHEDULE: Schedule = Schedule { rate_hz: 16_000 };

    #[test]
    fn due_times_do_not_drift() {
        assert_eq!(SCHEDULE.due(800), Duration::from_millis(50));
        assert_eq!(SCHEDULE.due(16_000 * 3_600 * 10), Duration::from_secs(36_000));
        let third = Schedule { rate_hz: 48_000 };
        assert_eq!(third.due(48_000 * 7_200 + 1) - third.due(48_000 * 7_200), Duration::from_nanos(20_833));
    }

    #[test]
    fn a_sample_was_sent_with_the_piece_that_holds_it() {
        let mut log = SendLog::default();
        log.push(800, Duration::from_millis(50));
        log.push(1600, Duration::from_millis(103));
        assert_eq!(log.sent_at(1), Some(Duration::from_millis(50)));
        assert_eq!(log.sent_at(800), Some(Duration::from_millis(50)));
        assert_eq!(log.sent_at(801), Some(Duration::from_millis(103)));
        assert_eq!(log.sent_at(1601), None);
        assert_eq!(log.frames(), 1600);
        assert_eq!(log.lateness_s(SCHEDULE), vec![0.0, 0.003]);
    }
}
