//! Where sentences end, so that each is translated by itself. Pure.
//!
//! Models read one sentence at a time; a border too many costs a little sense, one too few is only a longer sentence. What
//! is longer than [`MAX_SENTENCE_CHARS`] is cut at a phrase's end or between words.

/// The longest piece, in letters: what the models' window of 128 tokens mostly holds.
pub const MAX_SENTENCE_CHARS: usize = 400;
/// Where a long sentence may be cut: in its last letters.
const CUT_FROM_CHARS: usize = 240;

/// Ends of words that stand before a full stop without ending a sentence, lower case.
const ABBREVIATIONS: [&str; 30] = [
    "mr", "mrs", "ms", "dr", "prof", "st", "jr", "rev", "gen", "col", "sgt", "capt", "lt", "vs", "e.g",
    "i.e", "cf", "fig", "no", "vol", "pp", "approx", "sr", "sra", "srta", "dra", "exmo", "av", "pág", "nº",
];

/// Returns the sentences of a paragraph in order, trimmed; together they hold all its letters.
pub fn sentences(paragraph: &str) -> Vec<&str> {
    let mut found = Vec::new();
    let mut start = 0;
    let mut letters = paragraph.char_indices().peekable();
    while let Some((at, letter)) = letters.next() {
        let mut end = at + letter.len_utf8();
        let ends = if is_wide_stop(letter) {
            true
        } else if is_stop(letter) {
            // `?!`, `...`, and quotes and brackets that close after the stop belong to the sentence.
            while let Some((next_at, next)) = letters.next_if(|(_, next)| is_stop(*next) || is_closing(*next))
            {
                end = next_at + next.len_utf8();
            }
            ends_here(&paragraph[start..at], letter, &paragraph[end..])
        } else {
            false
        };
        if ends {
            push(&paragraph[start..end], &mut found);
            start = end;
        }
    }
    push(&paragraph[start..], &mut found);
    found
}

const fn is_stop(letter: char) -> bool {
    matches!(letter, '.' | '!' | '?' | '…')
}

const fn is_wide_stop(letter: char) -> bool {
    matches!(letter, '。' | '！' | '？' | '｡')
}

const fn is_closing(letter: char) -> bool {
    matches!(letter, '"' | '\'' | '”' | '’' | '»' | ')' | ']')
}

/// Decides by what stands before and after a stop.
fn ends_here(before: &str, stop: char, after: &str) -> bool {
    let Some(next) = after.chars().next() else { return true };
    if !next.is_whitespace() {
        return false;
    }
    // "said no one. and yet" goes on; so does "(he was?) not sure".
    if after.trim_start().chars().next().is_some_and(char::is_lowercase) {
        return false;
    }
    if stop != '.' {
        return true;
    }
    let word = before
        .rsplit(|letter: char| letter.is_whitespace() || "(\"“«".contains(letter))
        .next()
        .unwrap_or_default();
    let is_initial = word.chars().count() == 1 && word.chars().all(char::is_uppercase) && word != "I";
    !is_initial && !ABBREVIATIONS.contains(&word.to_lowercase().as_str())
}

/// Adds a sentence, in pieces if it is too long.
fn push<'a>(sentence: &'a str, found: &mut Vec<&'a str>) {
    let mut rest = sentence.trim();
    while let Some(cut) = cut_of(rest) {
        found.push(rest[..cut].trim_end());
        rest = rest[cut..].trim_start();
    }
    if !rest.is_empty() {
        found.push(rest);
    }
}

/// Returns where a text that is too long is cut: after a phrase, else after a word, else at the limit.
fn cut_of(text: &str) -> Option<usize> {
    let (limit, _) = text.char_indices().nth(MAX_SENTENCE_CHARS)?;
    let from = text.char_indices().nth(CUT_FROM_CHARS).map_or(0, |(at, _)| at);
    let window = &text[from..limit];
    let border = |wanted: fn(char) -> bool| {
        let mut before = None;
        let mut last = None;
        for (at, letter) in window.char_indices() {
            if letter.is_whitespace() && before.is_some_and(wanted) {
                last = Some(from + at);
            }
            before = Some(letter);
        }
        last
    };
    let phrase = border(|letter| matches!(letter, ',' | ';' | ':' | '–' | '—'));
    Some(phrase.or_else(|| border(|letter| !letter.is_whitespace())).unwrap_or(limit))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testkit::Random;

    #[test]
    fn sentences_end_at_their_stops() {
        for (text, wanted) in [
            ("", &[][..]),
            ("  \n ", &[]),
            ("One.", &["One."]),
            ("One. Two! Three? Four", &["One.", "Two!", "Three?", "Four"]),
            ("He said \"Go.\" She went.", &["He said \"Go.\"", "She went."]),
            ("Wait... What?! Yes…", &["Wait...", "What?!", "Yes…"]),
            ("Mr. Brown met Dr. J. Smith. They spoke.", &["Mr. Brown met Dr. J. Smith.", "They spoke."]),
            ("It costs 3.50 euros at example.org today.", &["It costs 3.50 euros at example.org today."]),
            ("Who? me, he said.", &["Who? me, he said."]),
            ("So did I. Then we left.", &["So did I.", "Then we left."]),
            ("你好世界。天气很好。", &["你好世界。", "天气很好。"]),
            ("O Sr. Silva chegou. A Sra. Costa não.", &["O Sr. Silva chegou.", "A Sra. Costa não."]),
        ] {
            assert_eq!(sentences(text), wanted, "{text}");
        }
    }

    #[test]
    fn a_long_sentence_is_cut_after_a_phrase() {
        let long = format!("{} and so, {}", "word ".repeat(50).trim(), "more ".repeat(60).trim());
        let pieces = sentences(&long);
        assert!(pieces.len() == 2 && pieces[0].ends_with("so,"), "{pieces:?}");
    }

    #[test]
    fn every_letter_is_in_one_piece_in_order() {
        let seed = 20_261_125;
        println!("seed {seed}");
        let mut random = Random::new(seed);
        let alphabet: Vec<char> = "ab Ç.!?…\"')(,;。 \t🦀Mr".chars().collect();
        for _ in 0..2_000 {
            let length = random.below(1_500);
            let text: String =
                (0..length).map(|_| alphabet[random.below(alphabet.len() as u64) as usize]).collect();
            let pieces = sentences(&text);
            assert!(pieces.iter().all(|piece| !piece.is_empty() && piece.trim() == *piece));
            assert!(pieces.iter().all(|piece| piece.chars().count() <= MAX_SENTENCE_CHARS));
            let letters =
                |text: &str| text.chars().filter(|letter| !letter.is_whitespace()).collect::<String>();
            assert_eq!(letters(&pieces.concat()), letters(&text));
        }
    }
}
