//! Text that must not reach a log or an error message.

use serde::Deserialize;
use std::fmt;

/// A setting that may hold a password or token; `Debug` shows nothing of it and there is no `Display`.
#[derive(Clone, PartialEq, Eq, Deserialize)]
#[serde(transparent)]
pub struct SecretText(String);

impl SecretText {
    /// Wraps a text.
    pub const fn new(text: String) -> Self {
        Self(text)
    }

    /// Returns the text, for the one place that uses it.
    pub fn expose(&self) -> &str {
        &self.0
    }

    /// Returns whether nothing was set.
    pub const fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl fmt::Debug for SecretText {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("[not shown]")
    }
}

/// Words that stand in examples and defaults of many programs, ours included.
const EXAMPLE_WORDS: [&str; 9] =
    ["changeme", "change-me", "example", "secret", "password", "sottovoce", "default", "minioadmin", "test"];
/// 32 random bytes have about 30 different values; so few stand for a pattern.
const LEAST_DISTINCT: usize = 18;

/// Returns whether a key was made up or copied rather than drawn at random.
pub(super) fn looks_guessable(secret: &[u8]) -> bool {
    let distinct = secret.iter().collect::<std::collections::BTreeSet<_>>().len();
    let text = String::from_utf8_lossy(secret).to_ascii_lowercase();
    distinct < LEAST_DISTINCT || EXAMPLE_WORDS.iter().any(|word| text.contains(word))
}

#[cfg(test)]
mod tests {
    use super::looks_guessable;

    #[test]
    fn made_up_keys_are_told_from_random_ones() {
        for weak in [
            &[0u8; 32][..],
            b"0123456789012345678901234567890123456789",
            b"changeme-changeme-ABCDEFGHIJKLMNOPQ",
        ] {
            assert!(looks_guessable(weak));
        }
        let strong: Vec<u8> = (0..32u32).map(|n| (n.wrapping_mul(2_654_435_761) >> 13) as u8).collect();
        assert!(!looks_guessable(&strong));
    }
}
