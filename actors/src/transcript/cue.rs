//! Segments to subtitle cues: at most two lines of 42 characters, seven seconds and 20 characters a second each, cut at the
//! ends of phrases, never two at a time. Pure.
//! The limits are those common to broadcasters' subtitle guidelines.

use sottovoce_protocol::transcript::{Segment, Word};

const LINE_CHARS: usize = 42;
const CUE_LINES: usize = 2;
const MAX_CUE_MS: u64 = 7_000;
/// Readers follow so many characters a second; what was spoken faster stays for longer, and the next cue waits.
const CHARS_PER_SECOND: u64 = 20;
/// A cue is shown at least this long where the next one leaves room.
const COMFORT_MS: u64 = 1_000;
/// The least a cue is shown when channels speak at once.
const LEAST_MS: u64 = 400;
/// A pause within a segment from which a new cue begins.
const PAUSE_MS: u64 = 1_500;
/// A sentence that has lasted so long ends its cue.
const SENTENCE_MS: u64 = 1_500;
/// A full cue ends where a phrase does, if that leaves it so many characters.
const PHRASE_CHARS: usize = LINE_CHARS / 2;
/// Where there is no punctuation, a pause of this length ends a phrase.
const PHRASE_PAUSE_MS: u64 = 200;

/// One subtitle.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Cue {
    /// Shown from, in milliseconds.
    pub start_ms: u64,
    /// Shown until, in milliseconds; after `start_ms`, and not after the next cue's start.
    pub end_ms: u64,
    /// One or two lines.
    pub lines: Vec<String>,
}

struct TimedText {
    text: String,
    start_ms: u64,
    end_ms: u64,
}

/// Cuts the segments of a settled document into cues, in order of time.
pub(crate) fn cues(segments: &[Segment]) -> Vec<Cue> {
    placed_cues(segments).into_iter().map(|(_, cue)| cue).collect()
}

/// As [`cues`], each with the index of the segment that it is of.
pub(crate) fn placed_cues(segments: &[Segment]) -> Vec<(usize, Cue)> {
    let mut placed: Vec<(usize, Cue)> = Vec::new();
    let mut cues = Vec::new();
    for (index, segment) in segments.iter().enumerate() {
        cut_segment(segment, &mut cues);
        placed.extend(cues.drain(..).map(|cue| (index, cue)));
    }
    placed.sort_by_key(|(_, cue)| cue.start_ms);
    keep_apart(&mut placed);
    placed
}

fn cut_segment(segment: &Segment, cues: &mut Vec<Cue>) {
    let mut pending: Vec<TimedText> = Vec::new();
    for word in timed_words(segment) {
        while let Some(words) = words_of_cue(&pending, &word) {
            cues.push(cue_of(&pending[..words]));
            pending.drain(..words);
        }
        pending.push(word);
    }
    if !pending.is_empty() {
        cues.push(cue_of(&pending));
    }
}

/// Returns how many of the pending words become a cue before `next` joins them, if any must.
fn words_of_cue(pending: &[TimedText], next: &TimedText) -> Option<usize> {
    let (first, last) = (pending.first()?, pending.last()?);
    let start_ms = first.start_ms;
    let sentence_over =
        last.text.ends_with(['.', '?', '!', '…']) && last.end_ms.saturating_sub(start_ms) >= SENTENCE_MS;
    let paused = next.start_ms.saturating_sub(last.end_ms) >= PAUSE_MS;
    let too_long = next.end_ms.saturating_sub(start_ms) > MAX_CUE_MS;
    let words = pending.iter().chain([next]).map(|word| word.text.as_str());
    if sentence_over || paused {
        Some(pending.len())
    } else if too_long || wrap(words, LINE_CHARS).len() > CUE_LINES {
        Some(words_of_phrases(pending))
    } else {
        None
    }
}

/// Returns how many words stand before the last end of a phrase: after punctuation, else at a pause; all if there is none.
fn words_of_phrases(words: &[TimedText]) -> usize {
    let ends = |is_end: &dyn Fn(&TimedText, &TimedText) -> bool| {
        let mut chars = 0;
        let long_enough = words.windows(2).enumerate().filter_map(|(index, pair)| {
            chars += pair[0].text.chars().count() + 1;
            (chars > PHRASE_CHARS && is_end(&pair[0], &pair[1])).then_some(index + 1)
        });
        long_enough.last()
    };
    let punctuated = |word: &TimedText| word.text.ends_with([',', ';', ':', '.', '?', '!', '…', '—', '–']);
    ends(&|word, _| punctuated(word))
        .or_else(|| ends(&|word, next| next.start_ms.saturating_sub(word.end_ms) >= PHRASE_PAUSE_MS))
        .unwrap_or(words.len())
}

/// Returns the words with whole milliseconds; words that are wider than a line are cut.
fn timed_words(segment: &Segment) -> Vec<TimedText> {
    let spoken = if segment.words.is_empty() { spread(segment) } else { segment.words.clone() };
    let mut words = Vec::with_capacity(spoken.len());
    for word in spoken {
        let (start_ms, end_ms) = (milliseconds(word.start), milliseconds(word.end));
        let letters: Vec<char> = word.word.trim().chars().collect();
        let pieces = letters.len().div_ceil(LINE_CHARS) as u64;
        let length_ms = end_ms.saturating_sub(start_ms).min(MAX_CUE_MS * pieces);
        for (index, piece) in letters.chunks(LINE_CHARS).enumerate() {
            words.push(TimedText {
                text: piece.iter().collect(),
                start_ms: start_ms + length_ms * index as u64 / pieces,
                end_ms: start_ms + length_ms * (index as u64 + 1) / pieces,
            });
        }
    }
    words
}

/// Gives the words of a text without word times their share of its time, by letters.
fn spread(segment: &Segment) -> Vec<Word> {
    let letters = segment.text.split_whitespace().map(|word| word.chars().count()).sum::<usize>().max(1);
    let second_per_letter = (segment.end - segment.start).max(0.0) / letters as f64;
    let mut at = segment.start;
    segment
        .text
        .split_whitespace()
        .map(|word| {
            let start = at;
            at += word.chars().count() as f64 * second_per_letter;
            Word { word: word.to_owned(), start, end: at, confidence: segment.confidence }
        })
        .collect()
}

/// Returns the lines of words that fit a cue. Where they do not, there are still two lines, as wide as they must be.
pub(crate) fn lines_of(words: &[&str]) -> Vec<String> {
    let texts = || words.iter().copied();
    let letters: usize = texts().map(|text| text.chars().count() + 1).sum::<usize>().saturating_sub(1);
    let lines = wrap(texts(), LINE_CHARS);
    if lines.len() < CUE_LINES {
        return lines;
    }
    // Two lines of like width read better than a long and a short one.
    let balanced = (letters.div_ceil(CUE_LINES)..letters).map(|width| wrap(texts(), width));
    balanced.into_iter().find(|lines| lines.len() <= CUE_LINES).unwrap_or(lines)
}

/// Returns by how many letters these words are too many for a cue; 0 where they fit.
pub(crate) fn excess_chars(words: &[&str]) -> usize {
    if wrap(words.iter().copied(), LINE_CHARS).len() <= CUE_LINES {
        return 0;
    }
    let letters: usize = words.iter().map(|text| text.chars().count() + 1).sum();
    letters.saturating_sub(CUE_LINES * LINE_CHARS).max(1)
}

fn cue_of(words: &[TimedText]) -> Cue {
    let texts: Vec<&str> = words.iter().map(|word| word.text.as_str()).collect();
    let lines = lines_of(&texts);
    let start_ms = words.first().map_or(0, |word| word.start_ms);
    let end_ms = words.last().map_or(start_ms, |word| word.end_ms);
    Cue { start_ms, end_ms: end_ms.min(start_ms + MAX_CUE_MS), lines }
}

fn wrap<'a>(words: impl Iterator<Item = &'a str>, width: usize) -> Vec<String> {
    let mut lines: Vec<String> = Vec::new();
    let mut used = 0;
    for word in words {
        let letters = word.chars().count();
        match lines.last_mut() {
            Some(line) if used + 1 + letters <= width => {
                line.push(' ');
                line.push_str(word);
                used += 1 + letters;
            }
            _ => {
                lines.push(word.to_owned());
                used = letters;
            }
        }
    }
    lines
}

/// Returns how long a cue must be shown to be read, at least.
fn reading_ms(cue: &Cue) -> u64 {
    let chars: usize = cue.lines.iter().map(|line| line.chars().count()).sum();
    (chars as u64 * 1000).div_ceil(CHARS_PER_SECOND).max(LEAST_MS)
}

/// Lengthens what is too short to be read or a flash, and ends each cue before the next, which may have to wait.
fn keep_apart(cues: &mut [(usize, Cue)]) {
    for index in 0..cues.len() {
        let next_ms = cues.get(index + 1).map(|(_, next)| next.start_ms);
        let cue = &mut cues[index].1;
        let read_ms = cue.start_ms + reading_ms(cue);
        cue.end_ms = cue.end_ms.max(cue.start_ms + COMFORT_MS).max(read_ms);
        let Some(next_ms) = next_ms else { continue };
        cue.end_ms = cue.end_ms.min(next_ms.max(read_ms));
        let end_ms = cue.end_ms;
        let next = &mut cues[index + 1].1;
        next.start_ms = next.start_ms.max(end_ms);
        next.end_ms = next.end_ms.max(next.start_ms);
    }
}

fn milliseconds(seconds: f64) -> u64 {
    (seconds.max(0.0) * 1000.0).round() as u64
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    /// A segment whose words last 0.3 s each.
    pub(crate) fn segment(start: f64, text: &str) -> Segment {
        let words: Vec<Word> = text
            .split_whitespace()
            .enumerate()
            .map(|(index, word)| Word {
                word: word.to_owned(),
                start: start + index as f64 * 0.3,
                end: start + index as f64 * 0.3 + 0.3,
                confidence: 0.9,
            })
            .collect();
        let end = words.last().map_or(start, |word| word.end);
        Segment { id: 0, start, end, text: text.to_owned(), confidence: 0.9, channel: 0, words }
    }

    fn assert_fit_for_screen(cues: &[Cue]) {
        for cue in cues {
            assert!(cue.end_ms > cue.start_ms, "{cue:?}");
            assert!(cue.end_ms - cue.start_ms <= MAX_CUE_MS, "{cue:?}");
            assert!((1..=CUE_LINES).contains(&cue.lines.len()), "{cue:?}");
            assert!(cue.lines.iter().all(|line| line.chars().count() <= LINE_CHARS), "{cue:?}");
            let chars: usize = cue.lines.iter().map(|line| line.chars().count()).sum();
            assert!(chars as u64 * 1000 <= 20 * (cue.end_ms - cue.start_ms), "too fast to read: {cue:?}");
        }
        assert!(cues.windows(2).all(|pair| pair[0].end_ms <= pair[1].start_ms), "{cues:?}");
    }

    fn words_of(cues: &[Cue]) -> String {
        cues.iter().flat_map(|cue| cue.lines.clone()).collect::<Vec<_>>().join(" ")
    }

    #[test]
    fn a_long_segment_becomes_cues_that_fit() {
        let text = "it was the best of times it was the worst of times it was the age of wisdom it was the age of \
                    foolishness it was the epoch of belief it was the epoch of incredulity";
        let cues = cues(&[segment(10.0, text)]);
        assert!(cues.len() >= 2);
        assert_fit_for_screen(&cues);
        assert_eq!(words_of(&cues), text);
        assert_eq!(cues[0].start_ms, 10_000);
    }

    #[test]
    fn slow_speech_is_cut_by_time() {
        let mut slow = segment(0.0, "a b c d e f");
        for (index, word) in slow.words.iter_mut().enumerate() {
            word.start = index as f64 * 2.0;
            word.end = word.start + 1.9;
        }
        let cues = cues(&[slow]);
        assert_fit_for_screen(&cues);
        assert_eq!(cues.len(), 2);
    }

    #[test]
    fn a_sentence_ends_its_cue_and_two_lines_are_balanced() {
        let cues = cues(&[segment(
            0.0,
            "He said that the house was not for sale any more at all. Nobody knew why.",
        )]);
        assert_eq!(cues[0].lines, ["He said that the house was", "not for sale any more at all."]);
        assert_eq!(cues[1].lines, ["Nobody knew why."]);
    }

    #[test]
    fn a_full_cue_ends_with_a_phrase() {
        let said = "When the long winter was over at last, the two of them went down to the harbour to look for a boat";
        let cues = cues(&[segment(0.0, said)]);
        assert_eq!(cues[0].lines.join(" "), "When the long winter was over at last,");
        assert_eq!(words_of(&cues), said);
        let mut paused = segment(0.0, &said.replace(',', ""));
        for word in &mut paused.words[8..] {
            word.start += 0.25;
            word.end += 0.25;
        }
        assert_eq!(super::cues(&[paused])[0].lines.join(" "), "When the long winter was over at last");
    }

    #[test]
    fn what_is_spoken_too_fast_stays_until_it_can_be_read() {
        let mut fast = segment(0.0, &"incomprehensibility ".repeat(12));
        for (index, word) in fast.words.iter_mut().enumerate() {
            word.start = index as f64 * 0.4;
            word.end = word.start + 0.4;
        }
        let cues = cues(&[fast, segment(30.0, "and later")]);
        assert_fit_for_screen(&cues);
        assert_eq!(cues.last().map(|cue| cue.start_ms), Some(30_000), "the delay is made up for in a pause");
    }

    #[test]
    fn a_text_without_word_times_and_without_spaces_still_fits() {
        let mut bare = segment(0.0, &"字".repeat(200));
        bare.words.clear();
        bare.end = 12.0;
        let cues = cues(&[bare]);
        assert_fit_for_screen(&cues);
        assert_eq!(words_of(&cues).replace(' ', ""), "字".repeat(200));
    }

    #[test]
    fn channels_that_speak_at_once_take_turns() {
        let mut other = segment(1.0, "yes yes");
        other.channel = 1;
        let cues = cues(&[segment(0.0, "one two three four five six seven eight nine ten"), other]);
        assert_fit_for_screen(&cues);
        assert_eq!(cues.len(), 2);
    }

    #[test]
    fn random_segments_fit() {
        let seed = 0x5eed_u64;
        let mut state = seed;
        let mut random = move |below: u64| {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            (state >> 33) % below
        };
        let mut segments = Vec::new();
        let mut at = 0.0;
        for _ in 0..200 {
            let text = (0..random(40) + 1)
                .map(|_| "x".repeat(random(60) as usize + 1))
                .collect::<Vec<_>>()
                .join(" ");
            let mut next = segment(at, &text);
            next.channel = random(2) as u16;
            at += random(9000) as f64 / 1000.0;
            segments.push(next);
        }
        println!("seed {seed}");
        let said: usize = segments.iter().map(|segment| segment.text.replace(' ', "").len()).sum();
        let cues = cues(&segments);
        assert_fit_for_screen(&cues);
        assert_eq!(words_of(&cues).replace(' ', "").len(), said);
    }
}
