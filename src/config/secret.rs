//! Text that must not reach a log or an error message.

use serde::Deserialize;
use std::collections::BTreeSet;
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

/// Words that stand in examples and defaults of many programs, ours included. Long enough that no random key holds one.
const EXAMPLE_WORDS: [&str; 10] = [
    "changeme",
    "change-me",
    "change_me",
    "example",
    "secret",
    "password",
    "hunter2",
    "sottovoce",
    "default",
    "minioadmin",
];
/// 32 random bytes have about 30 different values, and as many different steps from one to the next; so few stand for a
/// pattern.
const LEAST_DISTINCT: usize = 18;
const LEAST_STEPS: usize = 12;

/// Returns whether a text is taken from an example.
pub(super) fn is_example(text: &str) -> bool {
    let text = text.to_ascii_lowercase();
    text == "test" || EXAMPLE_WORDS.iter().any(|word| text.contains(word))
}

/// Returns whether a key was made up or copied rather than drawn at random.
pub(super) fn looks_guessable(secret: &[u8]) -> bool {
    let distinct: BTreeSet<u8> = secret.iter().copied().collect();
    let is_typed = secret.iter().all(|byte| matches!(byte, b' '..=b'~'));
    distinct.len() < LEAST_DISTINCT || is_typed || is_counted_up(secret)
}

/// Returns whether a text follows a pattern such as the alphabet.
pub(super) fn is_counted_up(text: &[u8]) -> bool {
    let steps: BTreeSet<u8> = text.windows(2).map(|pair| pair[1].wrapping_sub(pair[0])).collect();
    steps.len() < LEAST_STEPS
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
            b"correct horse battery staple and 4 more",
            &(0..40).collect::<Vec<u8>>(),
        ] {
            assert!(looks_guessable(weak));
        }
        // Drawn once with `openssl rand`.
        let strong = b"\x4e\x36\x60\x5e\x2e\x22\xda\x6a\x59\xd5\xfe\xc2\xc6\xab\xf7\xa1\x40\x32\x39\x09\x59\x57\x30\x3c\x56\xad\x1c\x2a\x92\x6d\xc6\xa3";
        assert!(!looks_guessable(strong));
    }
}
