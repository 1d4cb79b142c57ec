//! `hypotheses.tsv`: what the server heard beside what was said, one recording a line, for the scoring scripts.
//!
//! Columns: file, language, tags (commas), seconds, reference, hypothesis, words (JSON `[[word, start, end,
//! confidence]…]`), cuts (JSON, seconds where one final ends and the next begins). Tabs and line ends in texts become
//! spaces.

use crate::error::LoadError;
use serde::Serialize;
use std::path::Path;

/// A word: text, start and end in seconds, confidence.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct HeardWord(pub String, pub f64, pub f64, pub f64);

/// One line.
#[derive(Clone, Debug, Default)]
pub struct Hypothesis {
    /// Name of the recording (or of several, joined with `+`).
    pub file: String,
    /// BCP-47 or `none`.
    pub language: String,
    /// Kinds of recording.
    pub tags: Vec<String>,
    /// Length in seconds.
    pub seconds: f64,
    /// What was said, where known.
    pub reference: String,
    /// What was heard.
    pub hypothesis: String,
    /// The words heard.
    pub words: Vec<HeardWord>,
    /// Boundaries between consecutive finals, in seconds.
    pub cuts: Vec<f64>,
}

const HEADING: &str = "file\tlanguage\ttags\tseconds\treference\thypothesis\twords\tcuts";

/// Writes the lines with their heading.
///
/// # Errors
/// When the file cannot be written.
pub fn write(path: &Path, hypotheses: &[Hypothesis]) -> Result<(), LoadError> {
    let lines = hypotheses.iter().map(line);
    let text = std::iter::once(HEADING.to_owned()).chain(lines).map(|line| line + "\n").collect::<String>();
    std::fs::write(path, text).map_err(|e| LoadError::file(path, e))
}

fn line(h: &Hypothesis) -> String {
    let plain = |text: &str| text.split_whitespace().collect::<Vec<_>>().join(" ");
    // Serialising strings and numbers cannot fail; an empty list stands for the impossible.
    let json = |value: Result<String, serde_json::Error>| value.unwrap_or_else(|_| "[]".into());
    let cells = [
        plain(&h.file),
        h.language.clone(),
        h.tags.join(","),
        format!("{:.3}", h.seconds),
        plain(&h.reference),
        plain(&h.hypothesis),
        json(serde_json::to_string(&h.words)),
        json(serde_json::to_string(&h.cuts)),
    ];
    cells.join("\t")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_has_eight_cells_whatever_the_texts_hold() {
        let hypothesis = Hypothesis {
            file: "a.wav".into(),
            reference: "one\ttwo\nthree".into(),
            words: vec![HeardWord("ta\tb".into(), 0.1, 0.2, 0.5)],
            cuts: vec![1.5],
            ..Hypothesis::default()
        };
        let line = line(&hypothesis);
        let cells: Vec<&str> = line.split('\t').collect();
        assert_eq!(cells.len(), HEADING.split('\t').count());
        assert_eq!((cells[4], cells[6], cells[7]), ("one two three", r#"[["ta\tb",0.1,0.2,0.5]]"#, "[1.5]"));
    }
}
