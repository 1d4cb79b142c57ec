//! A hypothesis of one unit to the segment of the whole audio. Pure.

use crate::ports::engine::Hypothesis;
use sottovoce_protocol::transcript::{Segment, Word};

/// Returns the segment of a unit that begins `offset_s` seconds into the audio and lasts `length_s`; `None` where nothing
/// was said. Times are rounded to milliseconds, lie within the unit and never go back.
pub fn segment_of(
    heard: &Hypothesis,
    id: u64,
    channel: u16,
    offset_s: f64,
    length_s: f64,
) -> Option<Segment> {
    let text = heard.text.trim();
    if text.is_empty() {
        return None;
    }
    let mut earliest = 0.0_f64;
    let mut words = Vec::with_capacity(heard.words.len());
    for word in &heard.words {
        let start = f64::from(word.start_s).clamp(earliest, length_s.max(earliest));
        let end = f64::from(word.end_s).clamp(start, length_s.max(start));
        earliest = start;
        words.push(Word {
            word: word.text.clone(),
            start: to_ms(offset_s + start),
            end: to_ms(offset_s + end),
            confidence: word.confidence,
        });
    }
    let start = words.first().map_or(to_ms(offset_s), |word| word.start);
    let end = words.iter().map(|word| word.end).fold(start, f64::max);
    let end = if words.is_empty() { to_ms(offset_s + length_s) } else { end };
    Some(Segment { id, start, end, text: text.to_owned(), confidence: heard.confidence, channel, words })
}

fn to_ms(seconds: f64) -> f64 {
    (seconds * 1000.0).round() / 1000.0
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ports::engine::HeardWord;

    fn word(text: &str, start_s: f32, end_s: f32) -> HeardWord {
        HeardWord { text: text.into(), start_s, end_s, confidence: 0.8 }
    }

    #[test]
    fn words_move_to_their_place_and_stay_within_the_unit() {
        let heard = Hypothesis {
            text: " one two ".into(),
            words: vec![word("one", 0.1, 0.40001), word("two", 0.05, 9.0)],
            confidence: 0.7,
            ..Hypothesis::default()
        };
        let segment = segment_of(&heard, 3, 1, 60.0, 2.5).unwrap();
        assert_eq!((segment.start, segment.end, segment.text.as_str()), (60.1, 62.5, "one two"));
        assert_eq!((segment.words[0].start, segment.words[0].end), (60.1, 60.4));
        assert_eq!((segment.words[1].start, segment.words[1].end), (60.1, 62.5));
        assert_eq!((segment.id, segment.channel, segment.confidence), (3, 1, 0.7));
    }

    #[test]
    fn a_text_without_words_spans_its_unit_and_silence_has_no_segment() {
        let mut heard = Hypothesis { text: "well".into(), ..Hypothesis::default() };
        let segment = segment_of(&heard, 0, 0, 1.0, 2.0).unwrap();
        assert_eq!((segment.start, segment.end), (1.0, 3.0));
        heard.text = "  ".into();
        assert_eq!(segment_of(&heard, 0, 0, 1.0, 2.0), None);
    }
}
