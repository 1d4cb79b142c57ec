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
