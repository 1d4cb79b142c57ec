//! The embedded database. One connection writes, each transaction with `BEGIN IMMEDIATE` so that none fails half-way for
//! want of the lock; a few others read beside it (WAL). Commits are synced to disk.

use crate::storage::callbacks::due_callbacks_sql;
use crate::storage::database::{Database, Dialect, Row, Tx, Value};
use crate::storage::garbage::take_garbage_sql;
use crate::storage::jobs::{expire_jobs_sql, forget_keys_sql, hold_account_sql, hold_job_sql};
use crate::storage::leases::{claim_sql, take_over_sql};
use crate::storage::migrations;
use crate::storage::open::{OpenError, ServingLock};
use crate::storage::store::SqlStore;
use async_trait::async_trait;
use sottovoce_actors::ports::store::StoreError;
use sqlx::sqlite::{
    SqliteArguments, SqliteConnectOptions, SqliteJournalMode, SqlitePool, SqlitePoolOptions, SqliteRow,
    SqliteSynchronous,
};
use sqlx::{Row as _, Sqlite, Transaction};
use std::fs::{DirBuilder, File, OpenOptions, TryLockError};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::time::Duration;
use tokio::time::Instant;

/// How long a writer waits for another process (a command beside the server).
const BUSY_TIMEOUT: Duration = Duration::from_secs(5);
/// Between two tries to make a new file.
const TRY_AGAIN: Duration = Duration::from_millis(20);
const READERS: u32 = 4;

const DIALECT: Dialect = Dialect {
    hold_account: hold_account_sql!(""),
    forget_keys: forget_keys_sql!(""),
    hold_job: hold_job_sql!(""),
    expire_jobs: expire_jobs_sql!(""),
    due_callbacks: due_callbacks_sql!(""),
    claim: claim_sql!(""),
    take_over: take_over_sql!(""),
    take_garbage: take_garbage_sql!(""),
};

/// The store in a file.
pub type SqliteStore = SqlStore<SqliteDatabase>;

/// The connections to one file.
#[derive(Debug)]
pub struct SqliteDatabase {
    path: PathBuf,
    writer: SqlitePool,
    readers: SqlitePool,
}

/// Returns the file that the part of the URL after `sqlite:` names.
pub fn path(rest: &str) -> Result<PathBuf, OpenError> {
    let rest = rest.strip_prefix("//").unwrap_or(rest);
    match rest {
        "" => Err(OpenError::BadPath("the path is missing")),
        _ if rest.starts_with(':') => Err(OpenError::BadPath("a database in memory would be lost")),
        _ if rest.contains(['?', '#']) => Err(OpenError::BadPath("options are not supported")),
        _ => Ok(PathBuf::from(rest)),
    }
}

/// Opens the file, made with its folder if it is new, and applies the migrations that are missing. A verb that waits
/// longer than `acquire_timeout` for a connection answers `Unavailable`.
pub async fn open(path: &Path, acquire_timeout: Duration) -> Result<SqliteStore, OpenError> {
    let prepared = path.to_owned();
    tokio::task::spawn_blocking(move || prepare(&prepared))
        .await
        .map_err(|error| OpenError::Failed(error.to_string()))?
        .map_err(|error| OpenError::Failed(format!("{}: {error}", path.display())))?;

    let options = SqliteConnectOptions::new()
        .filename(path)
        .foreign_keys(true)
        .busy_timeout(BUSY_TIMEOUT)
        .journal_mode(SqliteJournalMode::Wal)
        .synchronous(SqliteSynchronous::Full);
    let pool =
        || SqlitePoolOptions::new().acquire_timeout(acquire_timeout).idle_timeout(None).max_lifetime(None);
    let failed = |error: sqlx::Error| OpenError::Failed(format!("{}: {error}", path.display()));
    let writer = first_connection(|| pool().max_connections(1).connect_with(options.clone())).await;
    let writer = writer.map_err(failed)?;
    migrate(&writer).await?;
    // `query_only`, not `SQLITE_OPEN_READONLY`: a reader of a WAL must be able to write its shared memory.
    let readers = pool()
        .max_connections(READERS)
        .connect_with(options.pragma("query_only", "true"))
        .await
        .map_err(failed)?;
    Ok(SqlStore::new(SqliteDatabase { path: path.to_owned(), writer, readers }))
}

/// Connects while others may be making the same file: its switch to WAL is refused at once, whatever the busy timeout,
/// while another connection does the same.
async fn first_connection<F: Future<Output = sqlx::Result<SqlitePool>>>(
    connect: impl Fn() -> F,
) -> sqlx::Result<SqlitePool> {
    let until = Instant::now() + BUSY_TIMEOUT;
    loop {
        match connect().await {
            Err(sqlx::Error::Database(error)) if is_busy(&*error) && Instant::now() < until => {
                tokio::time::sleep(TRY_AGAIN).await;
            }
            connected => return connected,
        }
    }
}

fn is_busy(error: &dyn sqlx::error::DatabaseError) -> bool {
    primary_code(error) == BUSY
}

/// The low byte of SQLite's result code; 0 if there is none.
fn primary_code(error: &dyn sqlx::error::DatabaseError) -> i32 {
    error.code().and_then(|code| code.parse::<i32>().ok()).unwrap_or(0) & 0xff
}

/// Makes the folder and the file readable by their owner alone; the log files take the mode of the file.
fn prepare(path: &Path) -> std::io::Result<()> {
    if let Some(folder) = path.parent().filter(|folder| !folder.as_os_str().is_empty()) {
        DirBuilder::new().recursive(true).mode(0o700).create(folder)?;
    }
    OpenOptions::new().create(true).append(true).mode(0o600).open(path).map(|_| ())
}

/// One transaction from the start, so that two processes that open a new file apply each migration once.
async fn migrate(writer: &SqlitePool) -> Result<(), OpenError> {
    let failed = |error: sqlx::Error| OpenError::Migration(error.to_string());
    let mut tx = writer.begin_with("BEGIN IMMEDIATE").await.map_err(failed)?;
    migrations::apply(&mut *tx, &migrations::sqlite()).await?;
    tx.commit().await.map_err(failed)
}

impl SqliteDatabase {
    /// Takes the lock file beside the database. It is never deleted: a lock on a deleted file keeps nobody out.
    pub fn lock_for_serving(&self) -> Result<ServingLock, OpenError> {
        let mut name = self.path.clone().into_os_string();
        name.push(".lock");
        let failed = |error: std::io::Error| OpenError::Failed(format!("lock file: {error}"));
        let file: File =
            OpenOptions::new().create(true).append(true).mode(0o600).open(name).map_err(failed)?;
        match file.try_lock() {
            Ok(()) => Ok(ServingLock::of_file(file)),
            Err(TryLockError::WouldBlock) => Err(OpenError::InUse(self.path.clone())),
            Err(TryLockError::Error(error)) => Err(failed(error)),
        }
    }
}

#[async_trait]
impl Database for SqliteDatabase {
    async fn write(&self) -> Result<Box<dyn Tx>, StoreError> {
        Ok(Box::new(SqliteTx(self.writer.begin_with("BEGIN IMMEDIATE").await.map_err(translate)?)))
    }

    async fn read(&self) -> Result<Box<dyn Tx>, StoreError> {
        Ok(Box::new(SqliteTx(self.readers.begin().await.map_err(translate)?)))
    }

    async fn close(&self) {
        // Readers first: the last connection to close folds the log into the file.
        self.readers.close().await;
        self.writer.close().await;
    }
}

struct SqliteTx(Transaction<'static, Sqlite>);

fn query(sql: &'static str, args: &[Value]) -> sqlx::query::Query<'static, Sqlite, SqliteArguments> {
    args.iter().fold(sqlx::query(sql), |query, value| match value {
        Value::Text(text) => query.bind(text.clone()),
        Value::Int(int) => query.bind(*int),
    })
}

#[async_trait]
impl Tx for SqliteTx {
    fn dialect(&self) -> &'static Dialect {
        &DIALECT
    }

    async fn execute(&mut self, sql: &'static str, args: &[Value]) -> Result<u64, StoreError> {
        Ok(query(sql, args).execute(&mut *self.0).await.map_err(translate)?.rows_affected())
    }

    async fn fetch(&mut self, sql: &'static str, args: &[Value]) -> Result<Vec<Box<dyn Row>>, StoreError> {
        let rows = query(sql, args).fetch_all(&mut *self.0).await.map_err(translate)?;
        Ok(rows.into_iter().map(|row| Box::new(row) as Box<dyn Row>).collect())
    }

    async fn commit(self: Box<Self>) -> Result<(), StoreError> {
        self.0.commit().await.map_err(translate)
    }
}

impl Row for SqliteRow {
    fn opt_text(&self, column: &str) -> Result<Option<String>, StoreError> {
        self.try_get(column).map_err(translate)
    }

    fn opt_int(&self, column: &str) -> Result<Option<i64>, StoreError> {
        self.try_get(column).map_err(translate)
    }
}

/// Primary result codes (sqlite.org/rescode.html) of a database that may answer again later.
const BUSY: i32 = 5;
const LOCKED: i32 = 6;
const READ_ONLY: i32 = 8;
const IO_ERROR: i32 = 10;
const FULL: i32 = 13;
const CANNOT_OPEN: i32 = 14;

fn translate(error: sqlx::Error) -> StoreError {
    let text = error.to_string();
    match error {
        sqlx::Error::PoolTimedOut
        | sqlx::Error::PoolClosed
        | sqlx::Error::WorkerCrashed
        | sqlx::Error::Io(_) => StoreError::Unavailable(text),
        // The only references are to accounts and jobs: the row that a verb was given does not exist.
        sqlx::Error::Database(error) if error.is_foreign_key_violation() => StoreError::NotFound,
        sqlx::Error::Database(error) => match primary_code(&*error) {
            BUSY | LOCKED | READ_ONLY | IO_ERROR | FULL | CANNOT_OPEN => StoreError::Unavailable(text),
            _ => StoreError::Broken(text),
        },
        _ => StoreError::Broken(text),
    }
}
