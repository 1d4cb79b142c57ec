//! A Moonshine model: audio in, tokens with their probabilities out.
//!
//! One loaded copy serves all threads. Knows no text, no times, and nothing of who asks.

mod choice;
mod decode;
mod draft;
mod loops;
mod model;
mod self_test;

pub(crate) use decode::Decoded;
pub(crate) use model::{Memory, Moonshine};

use std::path::PathBuf;

/// Frames of the encoder in a second: 16 kHz over strides 64, 3 and 2.
pub(crate) const FRAMES_PER_SECOND: f32 = 16_000.0 / 384.0;

/// Samples below which the convolutions would have no output; shorter audio is padded with silence.
///
/// Kernels 127, 7 and 3 with strides 64, 3 and 2 need 895.
const MIN_SAMPLES: usize = 1_600;

/// The most tokens in a second of speech (the vendor's own limit against endless repetition).
const TOKENS_PER_SECOND: f32 = 6.0;

/// The fewest tokens that even the shortest audio may have.
const MIN_TOKEN_LIMIT: usize = 4;

/// Returns how many tokens audio of this length may have.
pub(crate) fn token_limit(samples: usize) -> usize {
    #[expect(clippy::cast_precision_loss, reason = "at most 30 s of samples")]
    let seconds = samples as f32 / 16_000.0;
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "small and positive")]
    let limit = (seconds * TOKENS_PER_SECOND).ceil() as usize + 1;
    limit.max(MIN_TOKEN_LIMIT)
}

/// Why a model could not be loaded.
#[derive(Debug, thiserror::Error)]
pub enum ModelError {
    /// rten refused the file.
    #[error("cannot load {}: {cause}; delete it, it will be made again", path.display())]
    Load {
        /// Which file.
        path: PathBuf,
        /// What rten said.
        cause: String,
    },
    /// The graph lacks an input or output.
    #[error("{} lacks {name}; delete it, it will be made again", path.display())]
    Layout {
        /// Which file.
        path: PathBuf,
        /// The missing value.
        name: String,
    },
    /// The model cannot run on this machine.
    #[error("{} does not run: {cause}; please report it", path.display())]
    Run {
        /// Which file.
        path: PathBuf,
        /// What rten said.
        cause: String,
    },
    /// The model computes nonsense on this machine.
    #[error("self-test of {} failed: {why}; this CPU or build cannot run the model, please report it", path.display())]
    SelfTest {
        /// Which file.
        path: PathBuf,
        /// What was wrong.
        why: &'static str,
    },
}

/// Why a computation failed.
#[derive(Debug, thiserror::Error)]
pub(crate) enum RunError {
    #[error("rten: {0}")]
    Rten(#[from] rten::RunError),
    #[error("a result has an unexpected type or shape: {0}")]
    Shape(&'static str),
    #[error("the model returned a value that is not a number")]
    NotANumber,
}

#[cfg(test)]
mod tests {
    use super::token_limit;

    #[test]
    fn the_token_limit_follows_the_length() {
        assert_eq!(token_limit(0), 4);
        assert_eq!(token_limit(1_000), 4);
        assert_eq!(token_limit(16_000), 7);
        assert_eq!(token_limit(30 * 16_000), 181);
    }
}
