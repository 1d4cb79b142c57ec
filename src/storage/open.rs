//! Opens the index that a URL names, with its schema brought up to date.

use crate::config::StorageConfig;
use crate::storage::database::Database;
use crate::storage::postgres::{self, PostgresStore};
use crate::storage::sqlite::{self, SqliteStore};
use sottovoce_actors::ports::callback::CallbackQueue;
use sottovoce_actors::ports::identity::Identity;
use sottovoce_actors::ports::store::Store;
use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;

/// Why an index cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// The URL names no database that this version can open. Holds the scheme only: a URL may hold a password.
    #[error(
        "storage.url begins with `{0}:`, which names no known database; use sqlite:/path/to/file.db or \
         postgres://user:password@host:port/database"
    )]
    Unsupported(String),
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
pub struct OpenedIndex(Opened);

#[derive(Clone)]
enum Opened {
    Sqlite(Arc<SqliteStore>),
    Postgres(Arc<PostgresStore>),
}

impl fmt::Debug for OpenedIndex {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("OpenedIndex")
    }
}

/// The right to serve from an index, until it is dropped or the process ends.
#[derive(Debug)]
pub struct ServingLock {
    _file: Option<std::fs::File>,
}

impl ServingLock {
    pub(crate) const fn of_file(file: std::fs::File) -> Self {
        Self { _file: Some(file) }
    }

    /// Of an index that any number of servers may use.
    const fn shared() -> Self {
        Self { _file: None }
    }
}

impl OpenedIndex {
    /// Returns the port of jobs.
    pub fn store(&self) -> Arc<dyn Store> {
        match &self.0 {
            Opened::Sqlite(store) => Arc::clone(store) as Arc<dyn Store>,
            Opened::Postgres(store) => Arc::clone(store) as Arc<dyn Store>,
        }
    }

    /// Returns the port of accounts and credentials.
    pub fn identity(&self) -> Arc<dyn Identity> {
        match &self.0 {
            Opened::Sqlite(store) => Arc::clone(store) as Arc<dyn Identity>,
            Opened::Postgres(store) => Arc::clone(store) as Arc<dyn Identity>,
        }
    }

    /// Returns the port of callbacks.
    pub fn callbacks(&self) -> Arc<dyn CallbackQueue> {
        match &self.0 {
            Opened::Sqlite(store) => Arc::clone(store) as Arc<dyn CallbackQueue>,
            Opened::Postgres(store) => Arc::clone(store) as Arc<dyn CallbackQueue>,
        }
    }

    /// Returns whether only one server can use this index, so that every other node's lease is a dead one's.
    pub const fn is_lone_node(&self) -> bool {
        matches!(self.0, Opened::Sqlite(_))
    }

    /// Takes the right to serve from this index. Commands that only read or add rows need none and work beside a server.
    /// Servers share PostgreSQL, so there everybody has it.
    ///
    /// # Errors
    /// [`OpenError::InUse`] if another server holds it.
    pub fn lock_for_serving(&self) -> Result<ServingLock, OpenError> {
        match &self.0 {
            Opened::Sqlite(store) => store.database().lock_for_serving(),
            Opened::Postgres(_) => Ok(ServingLock::shared()),
        }
    }

    /// Writes everything back and ends the connections; later calls answer `Unavailable`.
    pub async fn close(&self) {
        match &self.0 {
            Opened::Sqlite(store) => store.database().close().await,
            Opened::Postgres(store) => store.database().close().await,
        }
    }
}

/// Opens the index, made if it is new, and applies the migrations that are missing.
///
/// # Errors
/// Says what to do: see [`OpenError`].
pub async fn connect(config: &StorageConfig) -> Result<OpenedIndex, OpenError> {
    let url = config.url.expose();
    let (scheme, rest) = url.split_once(':').unwrap_or((url, ""));
    let opened = match scheme {
        "sqlite" => {
            let path = sqlite::path(rest)?;
            Opened::Sqlite(Arc::new(sqlite::open(&path, config.acquire_timeout()).await?))
        }
        "postgres" | "postgresql" => Opened::Postgres(Arc::new(postgres::open(config).await?)),
        other => return Err(OpenError::Unsupported(other.into())),
    };
    Ok(OpenedIndex(opened))
}
