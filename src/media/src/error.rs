//! Why a file cannot be used, in words for the person who sent it. Holds no audio, no file names, no secrets.

/// Why media cannot be decoded.
#[derive(Debug, thiserror::Error)]
pub enum MediaError {
    /// The container, or a property of the audio in it, is not supported.
    #[error("{what} is not supported; send WAV, FLAC, MP3, AAC, Ogg, MP4/M4A or WebM/Matroska audio")]
    Unsupported {
        /// What was found.
        what: String,
    },
    /// The container is fine, the codec in it is not supported.
    #[error(
        "the audio is coded as {name}, which is not supported; convert it to AAC, MP3, Opus, Vorbis, FLAC or PCM"
    )]
    UnsupportedCodec {
        /// The codec's common name.
        name: &'static str,
    },
    /// There are no bytes at all.
    #[error("the file is empty; send it again")]
    Empty,
    /// The bytes do not make sense as the format they claim to be.
    #[error("the file is damaged ({what}); export or record it again, then send the new file")]
    Corrupt {
        /// What went wrong first.
        what: &'static str,
    },
    /// More audio than allowed was decoded. What a header announces plays no part in this.
    #[error("the recording is longer than the {max_s} s allowed here; send it in parts")]
    TooLong {
        /// The limit in seconds.
        max_s: u64,
    },
    /// A video without sound, or another file without an audio track.
    #[error("the file has no audio track; send one with sound")]
    NoAudio,
    /// Reading the stored bytes failed; not the file's fault, and worth another try.
    #[error("the stored file could not be read; try again later")]
    Io(#[from] std::io::Error),
}

impl MediaError {
    /// Returns the stable error code of a job or request that failed with this.
    pub const fn code(&self) -> &'static str {
        match self {
            Self::Unsupported { .. } | Self::UnsupportedCodec { .. } => "media_unsupported",
            Self::Empty | Self::Corrupt { .. } => "media_corrupt",
            Self::TooLong { .. } => "media_too_long",
            Self::NoAudio => "no_audio",
            Self::Io(_) => "internal",
        }
    }
}
