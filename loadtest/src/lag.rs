//! Lag: arrival of a caption less the time its last covered sample (start + duration) was sent.

use crate::caption::Caption;
use crate::pacing::SendLog;
use crate::stats::mean;
use std::time::Duration;

/// The lags of one stream, in seconds, in order of arrival.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Lags {
    /// Interims with words.
    pub interim_s: Vec<f64>,
    /// Finals with words: when the last covered sample was sent (seconds from the start), and the lag.
    pub finals: Vec<FinalLag>,
    /// Finals without words (silence settled).
    pub empty_final_s: Vec<f64>,
    /// Captions that claim to cover audio that was not sent (more than a piece beyond the end).
    pub beyond_sent: usize,
    /// First caption with words: its arrival less the time the start of its first word was sent.
    pub first_words_s: Option<f64>,
}

/// The lag of one final.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct FinalLag {
    /// When its last covered sample was sent.
    pub sent_at: Duration,
    /// The lag, in seconds.
    pub lag_s: f64,
}

/// How far the end of a caption may lie beyond the audio sent and still be rounding, in seconds.
const ROUNDING_S: f64 = 0.02;

/// Computes the lags of a stream of `rate_hz` frames per second.
pub fn lags(captions: &[Caption], sent: &SendLog, rate_hz: u32) -> Lags {
    let mut found = Lags::default();
    let total = sent.frames();
    for caption in captions {
        let end_frame = frame_at(caption.end_s, rate_hz);
        if end_frame > total + frame_at(ROUNDING_S, rate_hz) {
            found.beyond_sent += 1;
            continue;
        }
        let Some(sent_at) = sent.sent_at(end_frame.min(total)) else { continue };
        let lag_s = caption.at.as_secs_f64() - sent_at.as_secs_f64();
        match (caption.is_final, caption.has_words()) {
            (true, true) => found.finals.push(FinalLag { sent_at, lag_s }),
            (true, false) => found.empty_final_s.push(lag_s),
            (false, true) => found.interim_s.push(lag_s),
            (false, false) => {}
        }
        if caption.has_words() && found.first_words_s.is_none() {
            let start_s = caption.words.first().map_or(caption.start_s, |word| word.start);
            let begun = sent.sent_at(frame_at(start_s, rate_hz).clamp(1, total.max(1)));
            found.first_words_s = begun.map(|begun| caption.at.as_secs_f64() - begun.as_secs_f64());
        }
    }
    found
}

/// Returns the number of whole frames before `seconds`, rounded to the nearest.
fn frame_at(seconds: f64, rate_hz: u32) -> u64 {
    (seconds * f64::from(rate_hz)).round().max(0.0) as u64
}

/// Mean final lag at the beginning and at the end of a stream, in seconds.
#[derive(Clone, Copy, Debug, PartialEq, serde::Serialize)]
pub struct Drift {
    /// Length of each of the two windows, in seconds.
    pub window_s: f64,
    /// Mean over the first window.
    pub first_s: f64,
    /// Mean over the last window.
    pub last_s: f64,
}

/// The windows that drift is read from: two minutes, or half of a shorter stream.
const DRIFT_WINDOW_S: f64 = 120.0;

/// Returns the drift of a stream whose audio was sent for `sent_s` seconds; `None` when a window has no final.
pub fn drift(finals: &[FinalLag], sent_s: f64) -> Option<Drift> {
    let window_s = DRIFT_WINDOW_S.min(sent_s / 2.0);
    let within = |from: f64, to: f64| -> Vec<f64> {
        let at = |f: &&FinalLag| (from..=to).contains(&f.sent_at.as_secs_f64());
        finals.iter().filter(at).map(|f| f.lag_s).collect()
    };
    let (first, last) = (within(0.0, window_s), within(sent_s - window_s, f64::INFINITY));
    (!first.is_empty() && !last.is_empty()).then(|| Drift {
        window_s,
        first_s: mean(&first),
        last_s: mean(&last),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const RATE_HZ: u32 = 16_000;

    /// One second of audio in pieces of 100 ms, sent exactly on time.
    fn one_second() -> SendLog {
        let mut sent = SendLog::default();
        (1..=10_u64).for_each(|i| sent.push(i * 1_600, Duration::from_millis(i * 100)));
        sent
    }

    fn caption(at_ms: u64, start_s: f64, end_s: f64, is_final: bool, text: &str) -> Caption {
        Caption {
            at: Duration::from_millis(at_ms),
            channel: 0,
            start_s,
            end_s,
            is_final,
            speech_final: false,
            text: text.into(),
            confidence: 0.9,
            words: Vec::new(),
        }
    }

    fn rounded(figures: &[f64]) -> Vec<i64> {
        figures.iter().map(|f| (f * 1000.0).round() as i64).collect()
    }

    #[test]
    fn lag_counts_from_the_piece_that_held_the_last_sample() {
        let events = [
            caption(450, 0.0, 0.3, false, "one"),
            caption(800, 0.0, 0.55, true, "one two"),
            caption(1_250, 0.55, 1.0, true, ""),
        ];
        let found = lags(&events, &one_second(), RATE_HZ);
        assert_eq!(rounded(&found.interim_s), [150]);
        assert_eq!(found.finals.len(), 1);
        assert_eq!(rounded(&[found.finals[0].lag_s]), [200], "0.55 s left with the piece at 600 ms");
        assert_eq!(rounded(&found.empty_final_s), [250]);
        assert_eq!(rounded(&[found.first_words_s.unwrap()]), [350], "from the first piece, at 100 ms");
    }

    #[test]
    fn the_first_word_counts_from_its_own_start() {
        let mut event = caption(900, 0.0, 0.6, true, "late");
        event.words = vec![sottovoce_protocol::live::Word {
            word: "late".into(),
            start: 0.45,
            end: 0.5,
            confidence: 0.5,
            punctuated_word: None,
        }];
        let found = lags(&[event], &one_second(), RATE_HZ);
        assert_eq!(rounded(&[found.first_words_s.unwrap()]), [400]);
    }

    #[test]
    fn audio_that_was_never_sent_is_not_a_lag() {
        let events = [caption(1_100, 0.0, 1.01, true, "rounded"), caption(1_200, 0.0, 1.5, true, "invented")];
        let found = lags(&events, &one_second(), RATE_HZ);
        assert_eq!((found.finals.len(), found.beyond_sent), (1, 1));
    }

    #[test]
    fn drift_compares_the_two_ends() {
        let lag = |at_s, lag_s| FinalLag { sent_at: Duration::from_secs(at_s), lag_s };
        let finals = [lag(10, 0.4), lag(100, 0.6), lag(500, 9.0), lag(900, 0.8), lag(1_000, 1.0)];
        let found = drift(&finals, 1_000.0).unwrap();
        assert_eq!((found.window_s, found.first_s, found.last_s), (120.0, 0.5, 0.9));
        assert_eq!(drift(&finals[..1], 1_000.0), None);
        assert_eq!(drift(&finals[..2], 200.0).unwrap().window_s, 100.0);
    }
}
