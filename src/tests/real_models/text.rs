//! Words of a transcript, and how many of them are wrong.

/// Returns the words, lower case, without punctuation, digits or the times of captions.
pub fn words(text: &str) -> Vec<String> {
    let kept: String = text.chars().filter(|c| c.is_alphabetic() || c.is_whitespace()).collect();
    kept.to_lowercase().split_whitespace().map(str::to_owned).collect()
}

/// Returns the word error rate: the fewest substitutions, insertions and deletions, over the words of the reference.
pub fn word_error_rate(reference: &[String], heard: &[String]) -> f64 {
    let mut row: Vec<usize> = (0..=heard.len()).collect();
    for (i, wanted) in reference.iter().enumerate() {
        let mut diagonal = std::mem::replace(&mut row[0], i + 1);
        for (j, got) in heard.iter().enumerate() {
            let replaced = diagonal + usize::from(wanted != got);
            diagonal = row[j + 1];
            row[j + 1] = replaced.min(row[j] + 1).min(diagonal + 1);
        }
    }
    row[heard.len()] as f64 / reference.len() as f64
}

#[test]
fn errors_are_counted() {
    let rate = |reference: &str, heard: &str| word_error_rate(&words(reference), &words(heard));
    assert!((rate("It was the best.", "it was the best") - 0.0).abs() < 1e-9);
    assert!((rate("it was the best", "it was a best of") - 0.5).abs() < 1e-9);
    assert!((rate("it was the best", "") - 1.0).abs() < 1e-9);
}
