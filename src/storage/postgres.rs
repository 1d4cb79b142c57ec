//! The shared database: any number of servers, transactions side by side.
//!
//! Writers run in READ COMMITTED: each statement sees what is committed when it begins, and an `UPDATE … WHERE` that had to
//! wait for a row looks at it again. The verbs are made for that: every change is one conditional update, fenced by an epoch
//! or by the state that it leaves, and what a later statement rests on is locked first (`Dialect`). A stricter level would
//! end the same races by refusing one side, which the caller would have to try again. Readers run in REPEATABLE READ: one
//! state of the index, never refused.

use crate::config::StorageConfig;
use crate::storage::callbacks::due_callbacks_sql;
use crate::storage::database::{Database, Dialect, Row, Tx, Value};
use crate::storage::garbage::take_garbage_sql;
use crate::storage::jobs::{expire_jobs_sql, forget_keys_sql, hold_account_sql, hold_job_sql};
use crate::storage::leases::{claim_sql, take_over_sql};
use crate::storage::migrations;
use crate::storage::open::OpenError;
use crate::storage::store::SqlStore;
use async_trait::async_trait;
use sottovoce_actors::ports::store::StoreError;
use sqlx::postgres::{PgArguments, PgConnectOptions, PgPool, PgPoolOptions, PgRow};
use sqlx::{Column as _, Postgres, Row as _, Transaction, TypeInfo as _};
use std::future::Future;
use std::time::Duration;

const WRITE: &str = "BEGIN ISOLATION LEVEL READ COMMITTED READ WRITE";
const READ: &str = "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY";

/// Held while migrations are applied, so that servers which start at once do it one after the other. Any constant that no
/// other program in the same database uses.
const MIGRATION_LOCK: i64 = 0x736f_7474_6f76_6f63;
const LOCK_MIGRATIONS: &str = "SELECT pg_advisory_xact_lock($1)";
/// A new index over many rows takes its time, and so may another server's migration.
const MIGRATE_PATIENTLY: [&str; 2] = ["SET LOCAL statement_timeout=0", "SET LOCAL lock_timeout=0"];

/// An account is held against other submissions, not against rows that merely refer to it.
const DIALECT: Dialect = Dialect {
    hold_account: hold_account_sql!("FOR NO KEY UPDATE"),
    forget_keys: forget_keys_sql!("FOR UPDATE SKIP LOCKED"),
    hold_job: hold_job_sql!("FOR UPDATE"),
    expire_jobs: expire_jobs_sql!("FOR UPDATE SKIP LOCKED"),
    due_callbacks: due_callbacks_sql!("FOR UPDATE SKIP LOCKED"),
    claim: claim_sql!("FOR UPDATE SKIP LOCKED"),
    take_over: take_over_sql!("FOR UPDATE SKIP LOCKED"),
    take_garbage: take_garbage_sql!("FOR UPDATE SKIP LOCKED"),
};

/// The store in a server.
pub type PostgresStore = SqlStore<PostgresDatabase>;

/// The connections to one database.
#[derive(Debug)]
pub struct PostgresDatabase {
    pool: PgPool,
    /// The server ends a statement earlier; this ends the wait for a server that is silent.
    answer_within: Duration,
}

/// Connects, and applies the migrations that are missing.
pub async fn open(config: &StorageConfig) -> Result<PostgresStore, OpenError> {
    let pool = PgPoolOptions::new()
        .max_connections(config.max_connections)
        .acquire_timeout(config.acquire_timeout())
        .connect_with(options(config)?)
        .await
        .map_err(failed)?;
    migrate(&pool).await?;
    let answer_within = config.statement_timeout() + config.acquire_timeout();
    Ok(SqlStore::new(PostgresDatabase { pool, answer_within }))
}

fn options(config: &StorageConfig) -> Result<PgConnectOptions, OpenError> {
    let options: PgConnectOptions = config.url.expose().parse().map_err(failed)?;
    let options = match options.get_application_name() {
        Some(_) => options,
        None => options.application_name("sottovoce"),
    };
    // A server that freezes in the middle of a transaction must not keep its locks.
    let patience = config.statement_timeout_ms.to_string();
    let settings = ["statement_timeout", "lock_timeout", "idle_in_transaction_session_timeout"];
    let settings = settings.map(|name| (name, patience.as_str()));
    // Notices ("already exists, skipping") are for people at a prompt.
    Ok(options.options(settings.into_iter().chain([("client_min_messages", "warning")])))
}

/// Says what went wrong without the URL: it may hold a password.
fn failed(error: sqlx::Error) -> OpenError {
    OpenError::Failed(match error {
        sqlx::Error::PoolTimedOut => "no answer within storage.acquire_timeout_ms; is PostgreSQL up?".into(),
        error => error.to_string(),
    })
}

async fn migrate(pool: &PgPool) -> Result<(), OpenError> {
    let failed = |error: sqlx::Error| OpenError::Migration(error.to_string());
    let mut tx = pool.begin_with(WRITE).await.map_err(failed)?;
    for setting in MIGRATE_PATIENTLY {
        sqlx::query(setting).execute(&mut *tx).await.map_err(failed)?;
    }
    sqlx::query(LOCK_MIGRATIONS).bind(MIGRATION_LOCK).execute(&mut *tx).await.map_err(failed)?;
    migrations::apply(&mut *tx, &migrations::postgres()).await?;
    tx.commit().await.map_err(failed)
}

impl PostgresDatabase {
    async fn begin(&self, how: &'static str) -> Result<Box<dyn Tx>, StoreError> {
        let tx = within(self.answer_within, self.pool.begin_with(how)).await?;
        Ok(Box::new(PostgresTx { tx, answer_within: self.answer_within }))
    }
}

#[async_trait]
impl Database for PostgresDatabase {
    async fn write(&self) -> Result<Box<dyn Tx>, StoreError> {
        self.begin(WRITE).await
    }

    async fn read(&self) -> Result<Box<dyn Tx>, StoreError> {
        self.begin(READ).await
    }

    async fn close(&self) {
        self.pool.close().await;
    }
}

struct PostgresTx {
    tx: Transaction<'static, Postgres>,
    answer_within: Duration,
}

/// Waits for an answer, not for ever: a host that vanished sends none.
async fn within<T>(limit: Duration, answer: impl Future<Output = sqlx::Result<T>>) -> Result<T, StoreError> {
    match tokio::time::timeout(limit, answer).await {
        Ok(answer) => answer.map_err(translate),
        Err(_) => Err(StoreError::Unavailable("no answer from PostgreSQL".into())),
    }
}

fn query(sql: &'static str, args: &[Value]) -> sqlx::query::Query<'static, Postgres, PgArguments> {
    args.iter().fold(sqlx::query(sql), |query, value| match value {
        Value::Text(text) => query.bind(text.clone()),
        Value::Int(int) => query.bind(*int),
    })
}

#[async_trait]
impl Tx for PostgresTx {
    fn dialect(&self) -> &'static Dialect {
        &DIALECT
    }

    async fn execute(&mut self, sql: &'static str, args: &[Value]) -> Result<u64, StoreError> {
        Ok(within(self.answer_within, query(sql, args).execute(&mut *self.tx)).await?.rows_affected())
    }

    async fn fetch(&mut self, sql: &'static str, args: &[Value]) -> Result<Vec<Box<dyn Row>>, StoreError> {
        let rows = within(self.answer_within, query(sql, args).fetch_all(&mut *self.tx)).await?;
        Ok(rows.into_iter().map(|row| Box::new(row) as Box<dyn Row>).collect())
    }

    async fn commit(self: Box<Self>) -> Result<(), StoreError> {
        within(self.answer_within, self.tx.commit()).await
    }
}

impl Row for PgRow {
    fn opt_text(&self, column: &str) -> Result<Option<String>, StoreError> {
        self.try_get(column).map_err(translate)
    }

    fn opt_int(&self, column: &str) -> Result<Option<i64>, StoreError> {
        // A flag is an `INTEGER`, which SQLite does not tell from a `BIGINT`.
        if self.try_column(column).map_err(translate)?.type_info().name() == "INT4" {
            return Ok(self.try_get::<Option<i32>, _>(column).map_err(translate)?.map(i64::from));
        }
        self.try_get(column).map_err(translate)
    }
}

/// What may pass by itself, by SQLSTATE class (postgresql.org/docs/current/errcodes-appendix.html): lost or refused
/// connections, log-in, a race that was lost, no resources, not in the state for it, an operator's doing, the system.
const PASSING_CLASSES: [&str; 7] = ["08", "28", "40", "53", "55", "57", "58"];
/// A pause in a transaction that was too long; a server that became a standby.
const PASSING_STATES: [&str; 2] = ["25P03", "25006"];

fn translate(error: sqlx::Error) -> StoreError {
    let text = error.to_string();
    match error {
        sqlx::Error::PoolTimedOut
        | sqlx::Error::PoolClosed
        | sqlx::Error::WorkerCrashed
        | sqlx::Error::BeginFailed
        | sqlx::Error::Tls(_)
        | sqlx::Error::Io(_) => StoreError::Unavailable(text),
        // The only references are to accounts and jobs: the row that a verb was given does not exist.
        sqlx::Error::Database(error) if error.is_foreign_key_violation() => StoreError::NotFound,
        sqlx::Error::Database(error) => {
            let state = error.code().unwrap_or_default();
            let passes = PASSING_STATES.contains(&&*state)
                || PASSING_CLASSES.iter().any(|class| state.starts_with(class));
            if passes { StoreError::Unavailable(text) } else { StoreError::Broken(text) }
        }
        _ => StoreError::Broken(text),
    }
}
