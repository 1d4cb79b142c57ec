//! The media port: stored files to 16 kHz samples. Blocking; used on blocking threads only.

use crate::ports::files::ReadSeek;
use sottovoce_protocol::error_code::ErrorCode;

/// Why a file cannot be decoded. Always the file's fault.
#[derive(Clone, Debug, thiserror::Error)]
#[error("{detail}")]
pub struct MediaError {
    /// `media_unsupported`, `media_corrupt`, `media_too_long` or `no_audio`.
    pub code: ErrorCode,
    /// What to do.
    pub detail: String,
}

/// What is heard of a file's channels.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Hears {
    /// Their mean, as one channel.
    Mixed,
    /// Each by itself.
    Each,
}

/// A file being decoded.
pub trait AudioReader: Send {
    /// Returns the next samples (16 kHz, at most about a second, heard channels interleaved), `None` at the end.
    fn next(&mut self) -> Result<Option<Vec<f32>>, MediaError>;
    /// Returns the announced length in seconds, if there is one; not to be trusted.
    fn announced_s(&self) -> Option<f64>;
    /// Returns how many channels are heard; at least 1, and 1 where they are mixed.
    fn channels(&self) -> u16;
}

/// Opens files.
pub trait MediaDecoder: Send + Sync + 'static {
    /// Opens a file by its content, never by its name; at most `max_s` seconds are decoded.
    fn open(
        &self,
        file: Box<dyn ReadSeek>,
        max_s: u64,
        hears: Hears,
    ) -> Result<Box<dyn AudioReader>, MediaError>;
}
