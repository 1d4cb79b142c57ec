//! The translation port: sentences in, sentences out. Blocking computation, called on the engine's worker threads only.

use std::fmt;

/// A direction of translation: primary language subtags, lower case (BCP 47).
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Debug)]
pub struct LanguagePair {
    /// Language of the text.
    pub from: String,
    /// Language of its translation.
    pub to: String,
}

impl LanguagePair {
    /// Names a direction.
    pub fn new(from: &str, to: &str) -> Self {
        Self { from: from.to_owned(), to: to.to_owned() }
    }
}

impl fmt::Display for LanguagePair {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}-{}", self.from, self.to)
    }
}

/// Why a sentence was not translated. Never the sentence's fault.
#[derive(Clone, Debug, thiserror::Error)]
pub enum TranslateError {
    /// There is no such model here.
    #[error("there is no model that translates {0}")]
    NoModel(LanguagePair),
    /// The model could not be loaded.
    #[error("the translation model cannot be loaded: {0}")]
    NotLoaded(String),
    /// The computation failed or panicked.
    #[error("translation failed: {0}")]
    Failed(String),
}

/// Translates; one loaded model a direction, shared by all callers.
pub trait Translator: Send + Sync + 'static {
    /// Returns the directions that one model translates.
    fn pairs(&self) -> Vec<LanguagePair>;

    /// Translates one sentence of at most some hundred letters; takes up to some tenths of a second, at the first call of
    /// a direction also the time to load its model.
    ///
    /// # Errors
    /// See [`TranslateError`].
    fn translate(&self, pair: &LanguagePair, sentence: &str) -> Result<String, TranslateError>;
}
