//! A translation over the cues of its original, whose times stay as they are. Pure.
//!
//! Each segment's translated words go, in order, to the segment's cues. A border between two cues of one sentence lies as
//! far into the translated sentence as it lies into the original; a border between sentences stays one. From there it may
//! move by a few words, to a phrase's end or so that both sides fit their two lines.

use crate::transcript::cue::{Cue, excess_chars, lines_of, placed_cues};
use crate::transcript::document::{Document, Layout, TranslatedSentence, Translation};
use std::borrow::Cow;
use std::ops::Range;

/// What a cue without words holds: players may take an empty one for the end of the file.
const BLANK: &str = "\u{a0}";
/// How far a border may move, in letters.
const REACH_LETTERS: usize = 40;
/// What moving a border to a phrase's end is worth, in letters.
const PHRASE_BONUS: i64 = 6;
/// What an empty cue costs while there are words, in letters.
const EMPTY_COST: i64 = 2_000;
/// What a cue that does not fit its lines costs, and each letter beyond.
const EXCESS_COST: i64 = 30;
const EXCESS_LETTER_COST: i64 = 4;

/// Returns the translated cues of a document: as many as it has, each with its times.
pub(crate) fn translated_cues(document: &Document, translation: &Translation) -> Vec<Cue> {
    let placed: Cow<'_, [(usize, Cue)]> = match &document.layout {
        Layout::Speech => placed_cues(&document.segments).into(),
        Layout::Cues(placed) => placed.as_slice().into(),
        Layout::Paragraphs(_) => return Vec::new(),
    };
    let mut of_segment: Vec<Vec<usize>> = vec![Vec::new(); document.segments.len()];
    for (cue, (segment, _)) in placed.iter().enumerate() {
        of_segment[*segment].push(cue);
    }
    let mut lines: Vec<Vec<String>> = vec![Vec::new(); placed.len()];
    for (segment, cues) in of_segment.iter().enumerate() {
        let letters: Vec<usize> = cues.iter().map(|cue| letters_of(placed[*cue].1.lines.iter())).collect();
        let sentences = translation.segments.get(segment).map(Vec::as_slice).unwrap_or_default();
        let words: Vec<&str> =
            sentences.iter().flat_map(|sentence| sentence.text.split_whitespace()).collect();
        for (cue, part) in cues.iter().zip(spread(&words, &targets(sentences, &letters))) {
            lines[*cue] = lines_of(&words[part]);
        }
    }
    let blank = |lines: Vec<String>| if lines.is_empty() { vec![BLANK.to_owned()] } else { lines };
    placed
        .iter()
        .zip(lines)
        .map(|((_, cue), lines)| Cue { start_ms: cue.start_ms, end_ms: cue.end_ms, lines: blank(lines) })
        .collect()
}

fn letters_of<T: AsRef<str>>(texts: impl Iterator<Item = T>) -> usize {
    texts.map(|text| text.as_ref().chars().filter(|letter| !letter.is_whitespace()).count()).sum()
}

/// Returns how many translated letters lie before each cue's end, the last one's included.
fn targets(sentences: &[TranslatedSentence], cue_letters: &[usize]) -> Vec<usize> {
    let source: usize = sentences.iter().map(|sentence| sentence.source_letters).sum();
    let shown: usize = cue_letters.iter().sum();
    let mut passed = 0;
    cue_letters
        .iter()
        .map(|letters| {
            passed += letters;
            // The two counts are of the same words, and differ only if markup was left out of one.
            let mut into = passed * source / shown.max(1);
            let mut before = 0;
            for sentence in sentences {
                let translated = letters_of(std::iter::once(&sentence.text));
                if into < sentence.source_letters {
                    return before + translated * into / sentence.source_letters;
                }
                into -= sentence.source_letters;
                before += translated;
            }
            before
        })
        .collect()
}

/// Returns which words each cue shows: the cheapest of the borders within reach of the targets.
fn spread(words: &[&str], targets: &[usize]) -> Vec<Range<usize>> {
    /// The cheapest way to end a cue before a word.
    #[derive(Clone, Copy)]
    struct Way {
        border: usize,
        cost: i64,
        /// Index of the way of the cue before.
        from: usize,
    }
    let Some(inner) = targets.len().checked_sub(1) else { return Vec::new() };
    // Letters before each border.
    let mut passed = vec![0];
    for word in words {
        passed.push(passed[passed.len() - 1] + word.chars().count());
    }
    let mut stages: Vec<Vec<Way>> = vec![vec![Way { border: 0, cost: 0, from: 0 }]];
    for (cue, target) in targets.iter().enumerate() {
        let borders = if cue == inner { words.len()..words.len() + 1 } else { reach(&passed, *target) };
        let before = &stages[cue];
        let ways: Vec<Way> = borders
            .filter_map(|border| {
                let moved = if cue == inner {
                    0
                } else {
                    border_cost(words, border, passed[border].abs_diff(*target))
                };
                let ways = before.iter().enumerate().filter(|(_, way)| way.border <= border);
                ways.map(|(from, way)| Way {
                    border,
                    cost: way.cost + moved + cue_cost(&words[way.border..border]),
                    from,
                })
                .min_by_key(|way| way.cost)
            })
            .collect();
        stages.push(ways);
    }
    let mut parts = Vec::with_capacity(targets.len());
    let (mut end, mut at) = (words.len(), 0);
    for stage in (1..stages.len()).rev() {
        // The reaches grow with their targets, so there is always a way.
        at = stages[stage].get(at).map_or(0, |way| way.from);
        let start = stages[stage - 1].get(at).map_or(0, |way| way.border);
        parts.push(start.min(end)..end);
        end = start.min(end);
    }
    parts.reverse();
    parts
}

/// Returns the borders within reach of a target, at least the nearest.
fn reach(passed: &[usize], target: usize) -> Range<usize> {
    let first = passed.partition_point(|letters| letters + REACH_LETTERS < target);
    let last = passed.partition_point(|letters| *letters <= target + REACH_LETTERS);
    let first = first.min(passed.len() - 1);
    first..last.max(first + 1)
}

fn border_cost(words: &[&str], border: usize, moved_letters: usize) -> i64 {
    let ends_phrase =
        border.checked_sub(1).is_some_and(|last| words[last].ends_with([',', ';', ':', '.', '?', '!', '…']));
    moved_letters as i64 - if ends_phrase { PHRASE_BONUS } else { 0 }
}

fn cue_cost(words: &[&str]) -> i64 {
    match excess_chars(words) {
        0 if words.is_empty() => EMPTY_COST,
        0 => 0,
        letters => EXCESS_COST + EXCESS_LETTER_COST * letters as i64,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testkit::Random;
    use crate::transcript::cue::cues;
    use crate::transcript::cue::tests::segment;
    use crate::translation::{read, sentences};
    use sottovoce_protocol::ids::JobId;
    use sottovoce_protocol::transcript::Segment;

    fn document(segments: Vec<Segment>, layout: Layout) -> Document {
        let mut document = Document {
            job: JobId::from_uuid(uuid::Uuid::from_u128(7)),
            language: "en".into(),
            engine: "embedded".into(),
            model: "moonshine".into(),
            duration_ms: 0,
            segments,
            layout,
            translation: None,
        };
        document.settle();
        document
    }

    /// Translates each sentence of a document by a function.
    fn translate(document: &Document, translate: &mut dyn FnMut(&str) -> String) -> Translation {
        let translated = |sentence: &str, translate: &mut dyn FnMut(&str) -> String| TranslatedSentence {
            source_letters: letters_of(std::iter::once(sentence)),
            text: translate(sentence),
        };
        let segments = document.segments.iter().map(|segment| {
            sentences(&segment.text).into_iter().map(|sentence| translated(sentence, translate)).collect()
        });
        Translation { lang: "pt".into(), segments: segments.collect() }
    }

    fn shown(cues: &[Cue]) -> Vec<String> {
        cues.iter().map(|cue| cue.lines.join("|")).collect()
    }

    #[test]
    fn a_sentence_over_two_cues_is_parted_as_its_original() {
        let said = "It was the best of times, it was the worst of times, it was the age of wisdom, it was the age of \
                    foolishness.";
        let document = document(vec![segment(1.0, said)], Layout::Speech);
        assert_eq!(cues(&document.segments).len(), 2);
        let translation = translate(&document, &mut |_| {
            "Foi o melhor dos tempos, foi o pior dos tempos, foi a idade da sabedoria, foi a idade da insensatez.".into()
        });
        let translated = translated_cues(&document, &translation);
        assert_eq!(
            shown(&translated),
            [
                "Foi o melhor dos tempos, foi o pior|dos tempos, foi a idade da sabedoria,",
                "foi a idade da insensatez."
            ]
        );
    }

    #[test]
    fn sentences_stay_with_their_cues_and_silence_has_none() {
        let document = document(
            vec![segment(0.0, "He said that the house was not for sale any more at all. Nobody knew.")],
            Layout::Speech,
        );
        let translation = translate(&document, &mut |sentence| {
            if sentence.starts_with("He") {
                "Curto.".into()
            } else {
                "Ninguém sabia de nada, nem nunca soube.".into()
            }
        });
        assert_eq!(
            shown(&translated_cues(&document, &translation)),
            ["Curto.", "Ninguém sabia de nada, nem nunca soube."]
        );
        let silence = self::document(Vec::new(), Layout::Speech);
        assert_eq!(translated_cues(&silence, &translate(&silence, &mut |_| String::new())), []);
    }

    #[test]
    fn a_cue_that_gets_no_word_stays_in_its_place() {
        let file =
            "1\n00:00:00,000 --> 00:00:01,000\nso long\n\n2\n00:00:01,000 --> 00:00:02,000\nand thanks.\n";
        let input = read(file.as_bytes()).unwrap();
        let document = document(input.segments, input.layout);
        let translation = translate(&document, &mut |_| "Adeus.".into());
        let translated = translated_cues(&document, &translation);
        assert_eq!(translated.len(), 2);
        assert_eq!(translated.iter().filter(|cue| cue.lines == [BLANK]).count(), 1);
    }

    /// Whatever was said and however it is translated: every word of the translation is shown once and in order, and the
    /// times are the original's.
    #[test]
    fn every_word_is_shown_once_in_order_at_the_times_of_the_original() {
        let seed = 20_261_126;
        println!("seed {seed}");
        let mut random = Random::new(seed);
        for round in 0..400 {
            let mut at = 0.0;
            let mut segments = Vec::new();
            for _ in 0..random.below(6) {
                let words: Vec<String> = (0..random.below(60) + 1)
                    .map(|_| {
                        "x".repeat(random.below(14) as usize + 1)
                            + [" ", ".", ",", "", ""][random.below(5) as usize]
                    })
                    .collect();
                segments
                    .push(segment(at, &words.iter().map(|word| word.trim()).collect::<Vec<_>>().join(" ")));
                at += random.below(12_000) as f64 / 1000.0;
            }
            let mut document = document(segments, Layout::Speech);
            if round % 2 == 1 {
                let placed = placed_cues(&document.segments);
                document.layout = Layout::Cues(placed);
            }
            let mut number = 0;
            let translation = translate(&document, &mut |sentence| {
                let words = sentence.split_whitespace().count() as u64;
                let count = [0, 1, words, words * 2, random.below(words * 3 + 1)][random.below(5) as usize];
                let words = (0..count).map(|_| {
                    number += 1;
                    format!(
                        "{number}{}{}",
                        "y".repeat(random.below(16) as usize),
                        [",", ""][random.below(2) as usize]
                    )
                });
                words.collect::<Vec<_>>().join(" ")
            });
            let (original, translated) =
                (placed_cues(&document.segments), translated_cues(&document, &translation));
            assert_eq!(original.len(), translated.len(), "round {round}");
            let times = |cue: &Cue| (cue.start_ms, cue.end_ms);
            assert!(
                original.iter().zip(&translated).all(|((_, a), b)| times(a) == times(b)),
                "round {round}"
            );
            for index in 0..document.segments.len() {
                let of_segment =
                    original.iter().zip(&translated).filter(|((segment, _), _)| *segment == index);
                let lines: Vec<&String> = of_segment.flat_map(|(_, cue)| &cue.lines).collect();
                let words: Vec<&str> = lines.iter().flat_map(|line| line.split_whitespace()).collect();
                assert_eq!(words.join(" "), translation.text(index), "round {round}");
            }
            assert!(translated.iter().all(|cue| (1..=2).contains(&cue.lines.len())), "round {round}");
        }
    }
}
