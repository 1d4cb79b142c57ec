//! Makes timed words of tokens and their raw times.
//!
//! Raw times come from attention (`align`): good inside a phrase, but a word after a pause seems to begin in the pause.
//! Here such words are trimmed to where there is sound. Pure; knows no model.

use crate::pauses::Pause;
use crate::tokenizer::Tokenizer;
use sottovoce_actors::ports::engine::HeardWord;
use std::ops::Range;

/// A word of more than this many times the median length is cut at the end of its sentence (as faster-whisper does).
const LONG_WORD: f32 = 2.0;
/// The median counts as at most this, in seconds, so that a few slow words do not hide a long one.
const LONGEST_MEDIAN_S: f32 = 0.7;

/// What the decoder gave for an utterance.
pub(crate) struct TimedTokens<'a> {
    pub(crate) tokens: &'a [u32],
    /// The probability of each token.
    pub(crate) probabilities: &'a [f32],
    /// The start of each token and the end of the last, in seconds, never falling.
    pub(crate) times_s: &'a [f32],
}

/// Groups tokens into words with times: starts never go back, `0 <= start <= end <= length_s`.
pub(crate) fn words(
    tokenizer: &Tokenizer,
    timed: &TimedTokens,
    pauses: &[Pause],
    length_s: f32,
) -> Vec<HeardWord> {
    let groups = tokenizer.words(timed.tokens);
    let texts: Vec<String> =
        groups.iter().map(|group| tokenizer.text(&timed.tokens[group.clone()])).collect();
    let mut spans: Vec<Span> = groups.iter().map(|group| raw_span(timed.times_s, group, length_s)).collect();
    for span in &mut spans {
        *span = span.outside(pauses);
    }
    shorten(&mut spans, &texts);
    let mut last_start_s = 0.0_f32;
    let mut words = Vec::with_capacity(groups.len());
    for ((text, span), group) in texts.into_iter().zip(spans).zip(groups) {
        let start_s = span.start_s.max(last_start_s);
        let end_s = span.end_s.max(start_s);
        last_start_s = start_s;
        // White space inside a token would break the promise that words joined by spaces are the text.
        let text = text.split_whitespace().collect::<Vec<_>>().join(" ");
        words.push(HeardWord { text, start_s, end_s, confidence: mean(&timed.probabilities[group]) });
    }
    words
}

#[derive(Clone, Copy, PartialEq, Debug)]
struct Span {
    start_s: f32,
    end_s: f32,
}

fn raw_span(times_s: &[f32], tokens: &Range<usize>, length_s: f32) -> Span {
    let at = |index: usize| times_s.get(index).or(times_s.last()).copied().unwrap_or(0.0).min(length_s);
    Span { start_s: at(tokens.start), end_s: at(tokens.end) }
}

impl Span {
    fn length_s(self) -> f32 {
        self.end_s - self.start_s
    }

    /// Returns the span without the pauses at its ends; of a span that a pause parts, the longer part.
    fn outside(self, pauses: &[Pause]) -> Self {
        let mut span = self;
        for pause in pauses {
            if pause.end_s <= span.start_s || pause.start_s >= span.end_s {
                continue;
            }
            let before = Self { start_s: span.start_s, end_s: pause.start_s };
            let after = Self { start_s: pause.end_s, end_s: span.end_s };
            let kept = if after.length_s() >= before.length_s() { after } else { before };
            // A word that lies wholly in a pause was heard all the same: leave it where it is.
            if kept.length_s() > 0.0 {
                span = kept;
            }
        }
        span
    }
}

/// Cuts words that are far too long at the beginning and end of sentences, where attention has nothing to hold on to.
fn shorten(spans: &mut [Span], texts: &[String]) {
    let mut lengths: Vec<f32> =
        spans.iter().map(|span| span.length_s()).filter(|length| *length > 0.0).collect();
    lengths.sort_unstable_by(f32::total_cmp);
    let Some(median) = lengths.get(lengths.len() / 2) else {
        return;
    };
    let longest_s = LONG_WORD * median.min(LONGEST_MEDIAN_S);
    let mut begins = true;
    for (span, text) in spans.iter_mut().zip(texts) {
        let ends = text.ends_with(['.', '?', '!']);
        if span.length_s() > longest_s {
            if begins {
                span.start_s = span.end_s - longest_s;
            } else if ends {
                span.end_s = span.start_s + longest_s;
            }
        }
        begins = ends;
    }
}

/// Returns the mean; 0 of nothing.
pub(crate) fn mean(values: &[f32]) -> f32 {
    #[expect(clippy::cast_precision_loss, reason = "at most some hundred tokens")]
    let count = values.len().max(1) as f32;
    values.iter().sum::<f32>() / count
}

#[cfg(test)]
mod tests;
