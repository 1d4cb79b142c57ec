//! Adapters of the index port. The verbs (`accounts`, `jobs`, `leases`, `endings`, `garbage`) are written once against
//! [`database::Tx`]; a database adds its connection, its lock clauses and its migrations (`sqlite`, `postgres`). Content never
//! comes here.

mod accounts;
pub mod database;
mod endings;
mod garbage;
mod jobs;
mod leases;
mod migrations;
mod open;
mod postgres;
mod rows;
mod sqlite;
mod store;

#[cfg(test)]
mod suite;

pub use open::{OpenError, OpenedIndex, ServingLock, connect};
