//! Words and their times from tokens and frames.

use super::{Span, TimedTokens, shorten, words};
use crate::pauses::Pause;
use crate::tokenizer::Tokenizer;

const VOCABULARY: &str = r#"{"model": {"vocab": {"▁one": 3, "▁two": 4, "▁th": 5, "ree": 6, ".": 7, "<0x0A>": 8}},
    "added_tokens": []}"#;

fn span(start_s: f32, end_s: f32) -> Span {
    Span { start_s, end_s }
}

fn pause(start_s: f32, end_s: f32) -> Pause {
    Pause { start_s, end_s }
}

#[test]
fn a_word_after_a_pause_begins_with_its_sound() {
    assert_eq!(span(1.0, 2.0).outside(&[pause(0.8, 1.6)]), span(1.6, 2.0));
}

#[test]
fn a_word_before_a_pause_ends_with_its_sound() {
    assert_eq!(span(1.0, 2.0).outside(&[pause(1.5, 2.5)]), span(1.0, 1.5));
}

#[test]
fn of_a_word_parted_by_a_pause_the_longer_part_stays() {
    assert_eq!(span(1.0, 2.0).outside(&[pause(1.1, 1.5)]), span(1.5, 2.0));
    assert_eq!(span(1.0, 2.0).outside(&[pause(1.6, 1.8)]), span(1.0, 1.6));
}

#[test]
fn a_word_wholly_in_a_pause_stays() {
    assert_eq!(span(1.0, 2.0).outside(&[pause(0.5, 2.5)]), span(1.0, 2.0));
    assert_eq!(span(1.0, 1.0).outside(&[pause(0.5, 2.5)]), span(1.0, 1.0));
}

#[test]
fn the_first_word_of_a_sentence_does_not_reach_back() {
    let mut spans = [span(0.0, 3.0), span(3.0, 3.3), span(3.3, 3.6), span(3.6, 6.0)];
    let texts = ["One", "two", "three.", "Four"].map(String::from);
    shorten(&mut spans, &texts);
    // The median is 2.4 s, counted as 0.7.
    assert!((spans[0].start_s - 1.6).abs() < 1e-5, "{spans:?}");
    assert!((spans[3].start_s - 4.6).abs() < 1e-5, "{spans:?}");
}

#[test]
fn words_are_in_order_within_the_audio_and_carry_the_mean_of_their_tokens() {
    let tokenizer = Tokenizer::parse(VOCABULARY.as_bytes()).expect("the sample parses");
    let timed = TimedTokens {
        tokens: &[3, 8, 5, 6, 7, 4],
        probabilities: &[0.9, 0.9, 0.5, 0.7, 0.9, 0.2],
        times_s: &[0.2, 0.3, 0.4, 0.6, 0.7, 0.9, 4.0],
    };
    let heard = words(&tokenizer, &timed, &[pause(0.75, 0.95)], 1.2);
    let texts: Vec<&str> = heard.iter().map(|word| word.text.as_str()).collect();
    assert_eq!(texts, ["one", "three.", "two"]);
    assert!((heard[1].confidence - 0.7).abs() < 1e-6);
    assert!(heard.iter().all(|word| 0.0 <= word.start_s && word.start_s <= word.end_s && word.end_s <= 1.2));
    assert!(heard.is_sorted_by(|a, b| a.start_s <= b.start_s), "{heard:?}");
    assert!((heard[2].start_s - 0.95).abs() < 1e-6, "{heard:?}");
}

#[test]
fn times_beyond_the_audio_are_drawn_in() {
    let tokenizer = Tokenizer::parse(VOCABULARY.as_bytes()).expect("the sample parses");
    let timed = TimedTokens { tokens: &[3, 4], probabilities: &[1.0, 1.0], times_s: &[5.0, 6.0, 7.0] };
    let heard = words(&tokenizer, &timed, &[], 1.0);
    assert!(heard.iter().all(|word| word.start_s <= 1.0 && word.end_s <= 1.0), "{heard:?}");
}
