//! Checks the promise of `wire.md` §4e: finals of a channel are contiguous from 0 and never overlap, interims never go
//! back behind a final, words lie inside their final and in order.

use crate::caption::Caption;
use serde::Serialize;

/// Times are JSON decimals made from sample counts; differences below this are rounding, not gaps.
pub const TOLERANCE_S: f64 = 0.0015;

/// What was found wrong.
#[derive(Clone, PartialEq, Debug, Default, Serialize)]
pub struct Contiguity {
    /// Finals that start after the end of the one before (the first: after 0).
    pub gaps: usize,
    /// Finals that start before the end of the one before.
    pub overlaps: usize,
    /// Interims that start before the end of the last final: they would replace settled text.
    pub stale_interims: usize,
    /// Words outside their final, or before the word before.
    pub misplaced_words: usize,
    /// Finals with `speech_final` but not `is_final`.
    pub unsettled_speech_finals: usize,
    /// Audio sent but covered by no final, in seconds, worst channel; only for streams that ended in order.
    pub uncovered_tail_s: Option<f64>,
}

impl Contiguity {
    /// Returns whether the promise was kept.
    pub fn is_kept(&self) -> bool {
        self.faults() == 0
    }

    /// Returns the number of faults; an uncovered tail over the tolerance is one.
    pub fn faults(&self) -> usize {
        let tail = usize::from(self.uncovered_tail_s.is_some_and(|tail| tail > TOLERANCE_S));
        self.gaps
            + self.overlaps
            + self.stale_interims
            + self.misplaced_words
            + self.unsettled_speech_finals
            + tail
    }

    /// Adds another stream's faults.
    pub fn add(&mut self, other: &Self) {
        self.gaps += other.gaps;
        self.overlaps += other.overlaps;
        self.stale_interims += other.stale_interims;
        self.misplaced_words += other.misplaced_words;
        self.unsettled_speech_finals += other.unsettled_speech_finals;
        let tails = [self.uncovered_tail_s, other.uncovered_tail_s];
        self.uncovered_tail_s = tails.into_iter().flatten().reduce(f64::max);
    }
}

/// Checks the captions of all channels in order of arrival. `sent_s` is the length of the audio sent when the stream
/// ended in order (close 1000), else `None`.
pub fn check(captions: &[Caption], channels: u16, sent_s: Option<f64>) -> Contiguity {
    let mut found = Contiguity::default();
    for channel in 0..channels {
        let end_s = check_channel(captions.iter().filter(|c| c.channel == channel), &mut found);
        if let Some(sent_s) = sent_s {
            let tail = (sent_s - end_s).max(0.0);
            found.uncovered_tail_s = Some(found.uncovered_tail_s.map_or(tail, |worst: f64| worst.max(tail)));
        }
    }
    found
}

/// Returns the end of the last final.
fn check_channel<'a>(captions: impl Iterator<Item = &'a Caption>, found: &mut Contiguity) -> f64 {
    let mut settled_s = 0.0;
    for caption in captions {
        found.unsettled_speech_finals += usize::from(caption.speech_final && !caption.is_final);
        if !caption.is_final {
            found.stale_interims += usize::from(caption.start_s < settled_s - TOLERANCE_S);
            continue;
        }
        found.gaps += usize::from(caption.start_s > settled_s + TOLERANCE_S);
        found.overlaps += usize::from(caption.start_s < settled_s - TOLERANCE_S);
        settled_s = caption.end_s;
        let mut previous_s = caption.start_s;
        for word in &caption.words {
            let inside = word.start >= previous_s - TOLERANCE_S
                && word.end >= word.start
                && word.end <= caption.end_s + TOLERANCE_S;
            found.misplaced_words += usize::from(!inside);
            previous_s = word.start;
        }
    }
    settled_s
}

#[cfg(test)]
mod tests {
    use super::*;
    use sottovoce_protocol::live::Word;
    use std::time::Duration;

    fn caption(start_s: f64, end_s: f64, is_final: bool) -> Caption {
        Caption {
            at: Duration::ZERO,
            channel: 0,
            start_s,
            end_s,
            is_final,
            speech_final: false,
            text: String::new(),
            confidence: 0.0,
            words: Vec::new(),
        }
    }

    #[test]
    fn a_stream_as_promised_has_no_faults() {
        let events = [
            caption(0.0, 0.5, false),
            caption(0.0, 1.25, true),
            caption(1.2504, 2.0, false),
            caption(1.2504, 3.0, true),
        ];
        let found = check(&events, 1, Some(3.0));
        assert!(found.is_kept(), "{found:?}");
        assert_eq!(found.uncovered_tail_s, Some(0.0));
    }

    #[test]
    fn gap_overlap_stale_interim_and_tail_are_found() {
        let events = [
            caption(0.1, 1.0, true),
            caption(0.9, 2.0, true),
            caption(1.5, 2.5, false),
            caption(2.5, 3.0, true),
        ];
        let found = check(&events, 1, Some(4.0));
        assert_eq!((found.gaps, found.overlaps, found.stale_interims), (2, 1, 1));
        assert_eq!(found.uncovered_tail_s, Some(1.0));
        assert_eq!(found.faults(), 5);
    }

    #[test]
    fn channels_are_checked_apart() {
        let second = |mut c: Caption| {
            c.channel = 1;
            c
        };
        let events =
            [caption(0.0, 2.0, true), second(caption(0.0, 1.0, true)), second(caption(1.0, 2.0, true))];
        assert!(check(&events, 2, Some(2.0)).is_kept());
        assert_eq!(check(&events, 3, Some(2.0)).uncovered_tail_s, Some(2.0));
    }

    #[test]
    fn words_must_lie_in_their_final_in_order() {
        let word = |start, end| Word { word: "w".into(), start, end, confidence: 0.5, punctuated_word: None };
        let mut event = caption(0.0, 2.0, true);
        event.words = vec![word(0.1, 0.4), word(0.4, 2.0)];
        assert_eq!(check(&[event.clone()], 1, None).misplaced_words, 0);
        event.words = vec![word(0.5, 0.6), word(0.2, 0.3), word(1.9, 2.3)];
        assert_eq!(check(&[event], 1, None).misplaced_words, 2);
    }
}
