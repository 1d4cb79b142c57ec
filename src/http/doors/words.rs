//! The words of a transcript, each with its times, and where sentences, paragraphs and utterances end. Pure.

use sottovoce_protocol::transcript::{Segment, Word};

/// A pause longer than this begins a paragraph, in seconds; as in the `transcript` artifact.
const PARAGRAPH_PAUSE_S: f64 = 2.0;

/// Returns the words of one channel in order. A segment whose words have no times gives them equal shares of its own.
pub fn of_channel(segments: &[Segment], channel: u16) -> Vec<Word> {
    segments.iter().filter(|segment| segment.channel == channel).flat_map(words_of).collect()
}

fn words_of(segment: &Segment) -> Vec<Word> {
    if !segment.words.is_empty() {
        return segment.words.clone();
    }
    let words: Vec<&str> = segment.text.split_whitespace().collect();
    let share = (segment.end - segment.start) / words.len().max(1) as f64;
    let at = |index: usize| round(segment.start + share * index as f64, 1000.0);
    let timed = words.iter().enumerate().map(|(index, word)| Word {
        word: (*word).to_owned(),
        start: at(index),
        end: at(index + 1),
        confidence: segment.confidence,
    });
    timed.collect()
}

/// Returns a number to so many parts of one: milliseconds, or four digits.
pub fn round(value: f64, parts: f64) -> f64 {
    (value * parts).round() / parts
}

/// Returns the mean confidence of words to four digits; 0 without any.
pub fn confidence<'a>(words: impl ExactSizeIterator<Item = &'a Word>) -> f64 {
    let count = words.len().max(1) as f64;
    round(words.map(|word| f64::from(word.confidence)).sum::<f64>() / count, 10_000.0)
}

/// Cuts words where the pause between two is at least so long.
pub fn cut_at_pauses(words: &[Word], pause_s: f64) -> impl Iterator<Item = &[Word]> {
    // Times are whole milliseconds; their difference in floating point is not.
    words.chunk_by(move |one, next| round(next.start - one.end, 1000.0) < pause_s)
}

/// Cuts words into paragraphs.
pub fn paragraphs(words: &[Word]) -> impl Iterator<Item = &[Word]> {
    cut_at_pauses(words, PARAGRAPH_PAUSE_S)
}

/// Cuts words after those that end a sentence.
pub fn sentences(words: &[Word]) -> impl Iterator<Item = &[Word]> {
    words.chunk_by(|one, _| !one.word.ends_with(['.', '?', '!', '…']))
}

/// Returns words as one text.
pub fn text(words: &[Word]) -> String {
    words.iter().map(|word| word.word.as_str()).collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn word(word: &str, start: f64, end: f64) -> Word {
        Word { word: word.into(), start, end, confidence: 0.5 }
    }

    #[test]
    fn words_are_cut_at_pauses_and_sentences() {
        let words =
            [word("One.", 0.0, 0.4), word("Two", 1.2, 1.5), word("three?", 1.6, 2.0), word("Four", 4.0, 4.2)];
        let texts = |pieces: Vec<&[Word]>| pieces.into_iter().map(text).collect::<Vec<_>>();
        assert_eq!(texts(cut_at_pauses(&words, 0.8).collect()), ["One.", "Two three?", "Four"]);
        assert_eq!(texts(cut_at_pauses(&words, 0.81).collect()), ["One. Two three?", "Four"]);
        assert_eq!(texts(paragraphs(&words).collect()), ["One. Two three?", "Four"]);
        assert_eq!(texts(sentences(&words).collect()), ["One.", "Two three?", "Four"]);
        assert_eq!(confidence(words.iter()), 0.5);
        assert_eq!(confidence([].iter()), 0.0);
    }

    #[test]
    fn a_segment_without_words_gives_each_its_share() {
        let segment = Segment {
            id: 0,
            start: 1.0,
            end: 2.0,
            text: "well then".into(),
            confidence: 0.9,
            channel: 1,
            words: Vec::new(),
        };
        assert!(of_channel(std::slice::from_ref(&segment), 0).is_empty());
        let words = of_channel(&[segment], 1);
        assert_eq!(
            words.iter().map(|word| (word.start, word.end)).collect::<Vec<_>>(),
            [(1.0, 1.5), (1.5, 2.0)]
        );
    }
}
