//! Turns Moonshine's token ids into text (the vocabulary is in `tokenizer.json`); never the other way.

use serde::Deserialize;
use std::collections::HashMap;
use std::path::{Path, PathBuf};

/// The mark with which the vocabulary writes a space (U+2581).
const SPACE_MARK: char = '▁';

/// Why the vocabulary could not be loaded.
#[derive(Debug, thiserror::Error)]
#[error("cannot load the vocabulary {}: {cause}; run `sottovoce models pull`", path.display())]
pub struct TokenizerError {
    path: PathBuf,
    cause: String,
}

/// What a token adds to the text.
#[derive(Clone, PartialEq, Eq, Debug)]
enum Piece {
    Text(String),
    /// One byte of a character that has no token of its own.
    Byte(u8),
    /// Control tokens add nothing.
    Nothing,
}

/// The vocabulary of the Moonshine models.
pub struct Tokenizer {
    pieces: Vec<Piece>,
}

#[derive(Deserialize)]
struct TokenizerFile {
    model: Vocabulary,
    added_tokens: Vec<AddedToken>,
}

#[derive(Deserialize)]
struct Vocabulary {
    vocab: HashMap<String, usize>,
}

#[derive(Deserialize)]
struct AddedToken {
    id: usize,
}

impl Tokenizer {
    /// Loads a Hugging Face `tokenizer.json` with byte fall-back.
    pub fn load(path: &Path) -> Result<Self, TokenizerError> {
        let failed = |cause: String| TokenizerError { path: path.into(), cause };
        let file = std::fs::read(path).map_err(|cause| failed(cause.to_string()))?;
        Self::parse(&file).map_err(|cause| failed(cause.to_string()))
    }

    pub(crate) fn parse(file: &[u8]) -> serde_json::Result<Self> {
        let file: TokenizerFile = serde_json::from_slice(file)?;
        let ids = file.model.vocab.values().chain(file.added_tokens.iter().map(|added| &added.id));
        let size = ids.max().map_or(0, |largest| largest + 1);
        let mut pieces = vec![Piece::Nothing; size];
        for (token, id) in file.model.vocab {
            pieces[id] = match byte_token(&token) {
                Some(byte) => Piece::Byte(byte),
                None => Piece::Text(token.replace(SPACE_MARK, " ")),
            };
        }
        for added in file.added_tokens {
            pieces[added.id] = Piece::Nothing;
        }
        Ok(Self { pieces })
    }

    /// Returns the text of the tokens, trimmed. Unknown ids add nothing; broken characters become U+FFFD.
    pub fn text(&self, tokens: &[u32]) -> String {
        let mut bytes = Vec::with_capacity(tokens.len() * 4);
        for token in tokens {
            self.append(*token, &mut bytes);
        }
        String::from_utf8_lossy(&bytes).trim().to_string()
    }

    /// Returns, for each word, the range of its tokens. Words are what spaces separate; the ranges follow each other
    /// and their texts joined by spaces are [`Self::text`].
    pub fn words(&self, tokens: &[u32]) -> Vec<std::ops::Range<usize>> {
        let mut words: Vec<std::ops::Range<usize>> = Vec::new();
        let mut visible = false;
        for (index, token) in tokens.iter().enumerate() {
            let piece = self.piece(*token);
            let spaced = matches!(piece, Piece::Text(text) if text.starts_with(' '));
            // A space of its own belongs to the word after it.
            match words.last_mut() {
                Some(word) if !(spaced && visible) => word.end = index + 1,
                _ => {
                    words.push(index..index + 1);
                    visible = false;
                }
            }
            visible |= match piece {
                Piece::Text(text) => !text.trim().is_empty(),
                Piece::Byte(byte) => !byte.is_ascii_whitespace(),
                Piece::Nothing => false,
            };
        }
        if !visible && words.len() > 1 {
            // Trailing tokens without visible text stay with the last word.
            let tail = words.pop().map_or(tokens.len(), |tail| tail.end);
            if let Some(last) = words.last_mut() {
                last.end = tail;
            }
        } else if !visible {
            words.clear();
        }
        words
    }

    fn piece(&self, token: u32) -> &Piece {
        usize::try_from(token).ok().and_then(|token| self.pieces.get(token)).unwrap_or(&Piece::Nothing)
    }

    fn append(&self, token: u32, bytes: &mut Vec<u8>) {
        match self.piece(token) {
            Piece::Text(text) => bytes.extend_from_slice(text.as_bytes()),
            Piece::Byte(byte) => bytes.push(*byte),
            Piece::Nothing => {}
        }
    }
}

/// Returns the byte of a fall-back token such as `<0xE2>`.
fn byte_token(token: &str) -> Option<u8> {
    let digits = token.strip_prefix("<0x")?.strip_suffix('>')?;
    if digits.len() == 2 { u8::from_str_radix(digits, 16).ok() } else { None }
}

#[cfg(test)]
mod tests {
    use super::Tokenizer;

    const FILE: &str = r#"{
        "model": {"vocab": {"<unk>": 0, "<s>": 1, "</s>": 2, "<0xC3>": 3, "<0xA9>": 4, "▁caf": 5, "▁the": 6,
            "▁": 7, "s": 8, ",": 9, "▁▁": 10, "<0x0A>": 11}},
        "added_tokens": [{"id": 0, "content": "<unk>"}, {"id": 1}, {"id": 2}, {"id": 13}]
    }"#;

    fn tokenizer() -> Tokenizer {
        Tokenizer::parse(FILE.as_bytes()).expect("the sample parses")
    }

    fn words(tokens: &[u32]) -> Vec<String> {
        let tokenizer = tokenizer();
        tokenizer.words(tokens).into_iter().map(|word| tokenizer.text(&tokens[word])).collect()
    }

    #[test]
    fn bytes_of_one_character_join() {
        assert_eq!(tokenizer().text(&[1, 5, 3, 4, 8, 6, 2]), "cafés the");
    }

    #[test]
    fn control_and_unknown_tokens_add_nothing() {
        assert_eq!(tokenizer().text(&[1, 6, 13, 2, 99, u32::MAX]), "the");
    }

    #[test]
    fn half_a_character_does_not_panic() {
        assert_eq!(tokenizer().text(&[6, 3]), "the\u{fffd}");
    }

    #[test]
    fn words_are_what_spaces_separate() {
        assert_eq!(words(&[5, 3, 4, 8, 9, 6, 8]), ["cafés,", "thes"]);
    }

    #[test]
    fn a_lone_space_goes_with_the_word_after_it() {
        assert_eq!(words(&[6, 7, 8, 6]), ["the", "s", "the"]);
        assert_eq!(words(&[6, 10, 7]), ["the"], "trailing spaces make no word");
        assert_eq!(words(&[7, 10]), Vec::<String>::new());
        assert_eq!(words(&[]), Vec::<String>::new());
    }
}
