//! Opens a translation's input on a blocking thread: a text is read whole, everything else is left to the decoders. The
//! same look is taken at an upload, so that most faults are told at once.

use crate::ports::files::ReadSeek;
use crate::translation::{LOOK_BYTES, Looks, TextInput, looks, read};
use sottovoce_protocol::error_code::ErrorCode;
use std::io::{self, Read, SeekFrom};

/// What an input is.
pub enum Input {
    /// No text; the file stands at its beginning again.
    Media(Box<dyn ReadSeek>),
    /// A text.
    Text(TextInput),
}

/// Why an input cannot be taken.
#[derive(Debug, thiserror::Error)]
pub enum ReadError {
    /// The file is at fault.
    #[error("{detail}")]
    Refused {
        /// `text_invalid` or `too_large`.
        code: ErrorCode,
        /// What to do.
        detail: String,
    },
    /// The file cannot be read.
    #[error("the file cannot be read: {0}")]
    Storage(#[from] io::Error),
}

/// Looks at an input and reads it if it is a text of at most `max_bytes`. Blocking.
///
/// # Errors
/// See [`ReadError`].
pub fn read_input(mut file: Box<dyn ReadSeek>, max_bytes: u64) -> Result<Input, ReadError> {
    let mut head = Vec::with_capacity(LOOK_BYTES);
    file.by_ref().take(LOOK_BYTES as u64).read_to_end(&mut head)?;
    match looks(&head) {
        Looks::Binary => {
            file.seek(SeekFrom::Start(0))?;
            Ok(Input::Media(file))
        }
        Looks::ForeignText => Err(invalid("the text is not UTF-8; save it as UTF-8".into())),
        Looks::Text => {
            let mut text = head;
            file.by_ref().take((max_bytes + 1).saturating_sub(text.len() as u64)).read_to_end(&mut text)?;
            if text.len() as u64 > max_bytes {
                return Err(ReadError::Refused { code: ErrorCode::TooLarge, detail: too_long(max_bytes) });
            }
            read(&text).map(Input::Text).map_err(|error| invalid(error.to_string()))
        }
    }
}

/// Returns what is said of a text that is too long.
pub fn too_long(max_bytes: u64) -> String {
    format!("a text may have at most {max_bytes} bytes; cut it in parts")
}

fn invalid(detail: String) -> ReadError {
    ReadError::Refused { code: ErrorCode::TextInvalid, detail }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Cursor;

    fn opened(bytes: &[u8]) -> Result<Input, ReadError> {
        read_input(Box::new(Cursor::new(bytes.to_vec())), 10_000)
    }

    #[test]
    fn a_text_is_read_and_media_are_handed_on_from_their_beginning() {
        assert!(matches!(opened(b"One.\n\nTwo."), Ok(Input::Text(text)) if text.segments.len() == 2));
        assert!(matches!(opened(b""), Ok(Input::Text(text)) if text.segments.is_empty()));
        let Ok(Input::Media(mut file)) = opened(b"RIFF\0\0\0\0WAVE") else { panic!("media") };
        let mut head = [0; 4];
        file.read_exact(&mut head).unwrap();
        assert_eq!(&head, b"RIFF");
    }

    #[test]
    fn texts_that_cannot_be_taken_are_refused_by_code() {
        let code = |bytes: &[u8]| match opened(bytes) {
            Err(ReadError::Refused { code, .. }) => Some(code),
            _ => None,
        };
        assert_eq!(code(b"caf\xe9"), Some(ErrorCode::TextInvalid));
        let late = [b"a ".repeat(4_000), b"\xff".to_vec()].concat();
        assert_eq!(code(&late), Some(ErrorCode::TextInvalid));
        assert_eq!(code(&b"a ".repeat(5_001)), Some(ErrorCode::TooLarge));
        assert_eq!(code(&b"a ".repeat(5_000)), None);
    }
}
