//! Words of a text and the edit distance between two texts.
//!
//! The normaliser is compact and Whisper-English-like: lower case, punctuation and bracketed asides removed, a few
//! contractions and spellings unified, hesitations dropped; numbers are left as they stand. It is good for watching a
//! load run; the WER to quote comes from `scripts/score.py` (PyPI `whisper-normalizer`).

use serde::Serialize;

/// Hesitations that Whisper's normaliser drops too.
const HESITATIONS: [&str; 6] = ["hmm", "mm", "mhm", "mmm", "uh", "um"];

/// Contractions that are opened, by ending.
const CONTRACTIONS: [(&str, &str); 7] = [
    ("won't", "will not"),
    ("can't", "can not"),
    ("n't", " not"),
    ("'re", " are"),
    ("'ve", " have"),
    ("'ll", " will"),
    ("'m", " am"),
];

/// Spellings that are unified (British, American; titles).
const SPELLINGS: [(&str, &str); 12] = [
    ("mister", "mr"),
    ("missus", "mrs"),
    ("doctor", "dr"),
    ("saint", "st"),
    ("colour", "color"),
    ("honour", "honor"),
    ("favour", "favor"),
    ("labour", "labor"),
    ("neighbour", "neighbor"),
    ("grey", "gray"),
    ("centre", "center"),
    ("theatre", "theater"),
];

/// Returns the normalised words of `text`.
pub fn normalised_words(text: &str) -> Vec<String> {
    let plain = without_brackets(text).to_lowercase().replace(['’', '‘'], "'");
    plain.split(|c: char| !c.is_alphanumeric() && c != '\'').flat_map(normalise_word).collect()
}

fn without_brackets(text: &str) -> String {
    let mut depth = 0_usize;
    text.chars()
        .filter(|c| match c {
            '[' | '(' | '<' => {
                depth += 1;
                false
            }
            ']' | ')' | '>' => {
                depth = depth.saturating_sub(1);
                false
            }
            _ => depth == 0,
        })
        .collect()
}

fn normalise_word(word: &str) -> Vec<String> {
    let word = word.trim_matches('\'');
    if word.is_empty() || HESITATIONS.contains(&word) {
        return Vec::new();
    }
    for (ending, opened) in CONTRACTIONS {
        if let Some(stem) = word.strip_suffix(ending) {
            return format!("{stem}{opened}").split_whitespace().map(str::to_owned).collect();
        }
    }
    let word: String = match word.strip_suffix("'s") {
        Some(stem) => return vec![spelling(stem), "s".to_owned()],
        None => word.replace('\'', ""),
    };
    vec![spelling(&word)]
}

fn spelling(word: &str) -> String {
    SPELLINGS.iter().find(|(from, _)| *from == word).map_or(word, |(_, to)| to).to_owned()
}

/// Word errors of a hypothesis against its reference.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize)]
pub struct WordErrors {
    /// Words of the reference.
    pub reference: usize,
    /// Words of the hypothesis.
    pub hypothesis: usize,
    /// Heard as another word.
    pub substituted: usize,
    /// Lost.
    pub deleted: usize,
    /// Made up or doubled.
    pub inserted: usize,
}

impl WordErrors {
    /// Returns the word error rate, `None` without reference words.
    pub fn rate(&self) -> Option<f64> {
        let errors = self.substituted + self.deleted + self.inserted;
        (self.reference > 0).then(|| errors as f64 / self.reference as f64)
    }

    /// Adds another text's errors.
    pub fn add(&mut self, other: &Self) {
        self.reference += other.reference;
        self.hypothesis += other.hypothesis;
        self.substituted += other.substituted;
        self.deleted += other.deleted;
        self.inserted += other.inserted;
    }
}

/// Counts the errors of the cheapest alignment (Levenshtein, all costs 1).
pub fn word_errors(reference: &[String], hypothesis: &[String]) -> WordErrors {
    /// Cost and kinds of errors of the best way to a cell.
    #[derive(Clone, Copy)]
    struct Cell {
        cost: u32,
        substituted: u32,
        deleted: u32,
        inserted: u32,
    }
    let mut row: Vec<Cell> = (0..=hypothesis.len() as u32)
        .map(|i| Cell { cost: i, substituted: 0, deleted: 0, inserted: i })
        .collect();
    for (heard, word) in reference.iter().enumerate() {
        let mut diagonal = row[0];
        let deleted = heard as u32 + 1;
        row[0] = Cell { cost: deleted, substituted: 0, deleted, inserted: 0 };
        for (column, other) in hypothesis.iter().enumerate() {
            let above = row[column + 1];
            let left = row[column];
            let differs = u32::from(word != other);
            let mut best = Cell {
                cost: diagonal.cost + differs,
                substituted: diagonal.substituted + differs,
                ..diagonal
            };
            if above.cost + 1 < best.cost {
                best = Cell { cost: above.cost + 1, deleted: above.deleted + 1, ..above };
            }
            if left.cost + 1 < best.cost {
                best = Cell { cost: left.cost + 1, inserted: left.inserted + 1, ..left };
            }
            diagonal = above;
            row[column + 1] = best;
        }
    }
    let last = row[hypothesis.len()];
    WordErrors {
        reference: reference.len(),
        hypothesis: hypothesis.len(),
        substituted: last.substituted as usize,
        deleted: last.deleted as usize,
        inserted: last.inserted as usize,
    }
}

/// Normalises both texts and counts the errors.
pub fn text_errors(reference: &str, hypothesis: &str) -> WordErrors {
    word_errors(&normalised_words(reference), &normalised_words(hypothesis))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn punctuation_case_contractions_and_asides_do_not_count() {
        let errors = text_errors(
            "Don't go, Mister Brown! It's 12 o'clock.",
            "do not go (noise) mr brown it's um 12 o'clock",
        );
        assert_eq!(errors.rate(), Some(0.0));
    }

    #[test]
    fn each_kind_of_error_is_counted_once() {
        let errors = text_errors("one two three four five", "one too three five five six");
        assert_eq!((errors.substituted, errors.deleted, errors.inserted), (2, 0, 1));
        let errors = text_errors("a b c d", "b c d");
        assert_eq!((errors.substituted, errors.deleted, errors.inserted), (0, 1, 0));
        assert_eq!(text_errors("a b", "").deleted, 2);
        assert_eq!(text_errors("", "a b").inserted, 2);
        assert_eq!(text_errors("", "a b").rate(), None);
    }
}
