//! Opens the index that a URL names, with its schema brought up to date.

use crate::storage::sqlite;
use sottovoce_actors::ports::identity::Identity;
use sottovoce_actors::ports::store::Store;
use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;

/// Why an index cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// The URL names no database that this version can open. Holds the scheme only: a URL may hold a password.
    #[error("storage.url begins with `{scheme}:`, which {reason}; use sqlite:/path/to/file.db")]
    Unsupported {
        /// What stands before the first colon.
        scheme: String,
        /// Why not.
        reason: &'static str,
    },
    /// The path in the URL cannot be used.
    #[error("storage.url: {0}; use sqlite:/path/to/file.db")]
    BadPath(&'static str),
    /// The database was written by a newer version.
    #[error(
        "the database has migration {found}, this version knows up to {known}; run a newer version of sottovoce"
    )]
    NewerSchema {
        /// The newest in the database.
        found: i64,
        /// The newest of this binary.
        known: i64,
    },
    /// A migration's text is not the one that made the database.
    #[error("migration {0} is not the one that made the database; run an unaltered release of sottovoce")]
    AlteredMigration(i64),
    /// A migration failed; the database is as it was.
    #[error("the database could not be brought up to date: {0}")]
    Migration(String),
    /// Another server serves from this file.
    #[error("another sottovoce server uses {}; stop it, or give this one its own --data-dir", .0.display())]
    InUse(PathBuf),
    /// The database cannot be opened.
    #[error("the database cannot be opened: {0}")]
    Failed(String),
}

/// An open index, ready for its verbs.
#[derive(Clone)]
pub struct OpenedIndex {
    sqlite: Arc<sqlite::SqliteStore>,
}

impl fmt::Debug for OpenedIndex {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("OpenedIndex")
    }
}

/// The right to serve from an index, until it is dropped or the process ends.
#[derive(Debug)]
pub struct ServingLock {
    _file: std::fs::File,
}

impl ServingLock {
    pub(crate) const fn new(file: std::fs::File) -> Self {
        Self { _file: file }
    }
}

impl OpenedIndex {
    /// Returns the port of jobs.
    pub fn store(&self) -> Arc<dyn Store> {
        Arc::clone(&self.sqlite) as Arc<dyn Store>
    }

    /// Returns the port of accounts and credentials.
    pub fn identity(&self) -> Arc<dyn Identity> {
        Arc::clone(&self.sqlite) as Arc<dyn Identity>
    }

    /// Returns whether only one server can use this index, so that every other node's lease is a dead one's.
    pub const fn is_lone_node(&self) -> bool {
        true
    }

    /// Takes the right to serve from this index. Commands that only read or add rows need none and work beside a server.
    ///
    /// # Errors
    /// [`OpenError::InUse`] if another server holds it.
    pub fn lock_for_serving(&self) -> Result<ServingLock, OpenError> {
        self.sqlite.database().lock_for_serving()
    }

    /// Writes everything back and ends the connections; later calls answer `Unavailable`.
    pub async fn close(&self) {
        crate::storage::database::Database::close(self.sqlite.database()).await;
    }
}

/// Opens the index, made if it is new, and applies the migrations that are missing.
///
/// # Errors
/// Says what to do: see [`OpenError`].
pub async fn connect(url: &str) -> Result<OpenedIndex, OpenError> {
    let (scheme, rest) = url.split_once(':').unwrap_or((url, ""));
    match scheme {
        "sqlite" => Ok(OpenedIndex { sqlite: Arc::new(sqlite::open(&sqlite::path(rest)?).await?) }),
        "postgres" | "postgresql" => Err(OpenError::Unsupported {
            scheme: scheme.into(),
            reason: "is not built into this version yet",
        }),
        other => Err(OpenError::Unsupported { scheme: other.into(), reason: "names no known database" }),
    }
}
