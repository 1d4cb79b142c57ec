//! What a database must offer for the verbs to run on it: transactions over text and integers. Knows no table.

use async_trait::async_trait;
use sottovoce_actors::ports::store::{EpochMs, LeaseEpoch, StorageRef, StoreError};
use sottovoce_protocol::ids::{
    AccountId, ApiKeyId, ArtifactId, AuditId, JobId, NodeId, RefreshTokenId, SessionId,
};

/// A statement's argument. The schema knows two types only, so one SQL text serves every database.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Value {
    /// `TEXT`, or null of that type.
    Text(Option<String>),
    /// `BIGINT`, or null of that type.
    Int(Option<i64>),
}

/// One row of an answer; columns are read by name.
pub trait Row: Send + Sync {
    /// Returns a `TEXT` column.
    fn opt_text(&self, column: &str) -> Result<Option<String>, StoreError>;
    /// Returns a `BIGINT` (or 0/1) column.
    fn opt_int(&self, column: &str) -> Result<Option<i64>, StoreError>;
}

/// A transaction; dropped without `commit` it changes nothing.
#[async_trait]
pub trait Tx: Send {
    /// Returns the lock clauses of this database.
    fn dialect(&self) -> &'static Dialect;
    /// Runs a statement; returns the number of rows it changed.
    async fn execute(&mut self, sql: &'static str, args: &[Value]) -> Result<u64, StoreError>;
    /// Runs a statement to its end; returns its rows.
    async fn fetch(&mut self, sql: &'static str, args: &[Value]) -> Result<Vec<Box<dyn Row>>, StoreError>;
    /// Makes the changes durable.
    async fn commit(self: Box<Self>) -> Result<(), StoreError>;
}

/// Runs a statement of at most one row.
pub async fn fetch_one(
    tx: &mut dyn Tx,
    sql: &'static str,
    args: &[Value],
) -> Result<Option<Box<dyn Row>>, StoreError> {
    Ok(tx.fetch(sql, args).await?.into_iter().next())
}

/// A database.
#[async_trait]
pub trait Database: Send + Sync + 'static {
    /// Begins a transaction that may write; from here on it holds what it needs to commit (SQLite: the write lock).
    async fn write(&self) -> Result<Box<dyn Tx>, StoreError>;
    /// Begins a transaction that only reads, from one state of the index.
    async fn read(&self) -> Result<Box<dyn Tx>, StoreError>;
    /// Ends the connections; later calls answer `Unavailable`.
    async fn close(&self);
}

/// The statements whose text differs, by a lock clause: those that pick rows which nobody else may pick at the same time,
/// and those that read what the rest of the transaction rests on. Empty for a database whose writers come one by one.
#[derive(Debug)]
pub struct Dialect {
    /// Holds an account, so that its submissions come one by one ([`crate::storage::jobs`]).
    pub hold_account: &'static str,
    /// Forgets the idempotency keys that have expired ([`crate::storage::jobs`]).
    pub forget_keys: &'static str,
    /// Reads and holds a job that is to be deleted ([`crate::storage::jobs`]).
    pub hold_job: &'static str,
    /// Deletes jobs that ended long ago ([`crate::storage::jobs`]).
    pub expire_jobs: &'static str,
    /// Takes callbacks that are due ([`crate::storage::callbacks`]).
    pub due_callbacks: &'static str,
    /// Claims an account's next due job ([`crate::storage::leases`]).
    pub claim: &'static str,
    /// Takes over dead leases ([`crate::storage::leases`]).
    pub take_over: &'static str,
    /// Takes due garbage ([`crate::storage::garbage`]).
    pub take_garbage: &'static str,
}

macro_rules! value_from {
    (text: $($text:ty),*; int: $($int:ty => $get:expr),*) => {
        $(impl From<$text> for Value {
            fn from(value: $text) -> Self { Self::Text(Some(value.to_string())) }
        })*
        $(impl From<$int> for Value {
            fn from(value: $int) -> Self {
                let get: fn($int) -> i64 = $get;
                Self::Int(Some(get(value)))
            }
        })*
    };
}

value_from!(
    text: &str, JobId, AccountId, ApiKeyId, ArtifactId, AuditId, NodeId, RefreshTokenId, SessionId;
    int: i64 => |v| v, u32 => i64::from, EpochMs => |v| v.0, LeaseEpoch => |v| v.0,
        // Sizes and lengths beyond 2^63 do not occur; saturating keeps the conversion total.
        u64 => |v| i64::try_from(v).unwrap_or(i64::MAX)
);

impl From<&StorageRef> for Value {
    fn from(value: &StorageRef) -> Self {
        Self::Text(Some(value.0.clone()))
    }
}

impl From<&String> for Value {
    fn from(value: &String) -> Self {
        Self::Text(Some(value.clone()))
    }
}

impl From<Option<String>> for Value {
    fn from(value: Option<String>) -> Self {
        Self::Text(value)
    }
}

impl From<Option<u64>> for Value {
    fn from(value: Option<u64>) -> Self {
        Self::Int(value.map(|v| i64::try_from(v).unwrap_or(i64::MAX)))
    }
}
