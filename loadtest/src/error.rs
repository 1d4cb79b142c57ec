//! The one error type of the client: what stopped a run. A server's refusal of one stream or job is not an error but a
//! result, and is counted where it happens.

use std::path::{Path, PathBuf};

/// Why a run could not be carried out.
#[derive(Debug, thiserror::Error)]
pub enum LoadError {
    /// The command line asks for something that cannot be done.
    #[error("{0}")]
    Usage(String),
    /// A file could not be read or written.
    #[error("{path}: {source}")]
    File {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// A file holds something else than expected.
    #[error("{path}: {detail}")]
    Content {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        detail: String,
    },
    /// The server cannot be reached.
    #[error("cannot reach the server: {0}")]
    Io(#[from] std::io::Error),
    /// An HTTP exchange failed before an answer came.
    #[error("request failed: {0}")]
    Http(#[from] reqwest::Error),
    /// The server answered with something the contract does not allow.
    #[error("unexpected answer of the server: {0}")]
    Answer(String),
}

impl LoadError {
    /// Names the file that an I/O error belongs to.
    pub fn file(path: &Path, source: std::io::Error) -> Self {
        Self::File { path: path.to_owned(), source }
    }

    /// Says what is wrong with a file's content.
    pub fn content(path: &Path, detail: impl Into<String>) -> Self {
        Self::Content { path: path.to_owned(), detail: detail.into() }
    }

    /// Says what is wrong with the command line.
    pub fn usage(detail: impl Into<String>) -> Self {
        Self::Usage(detail.into())
    }
}
