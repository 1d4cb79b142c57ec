//! Adapters of the index ports: `Store` (`jobs`, `leases`, `endings`, `garbage`) and `Identity` (`accounts`, `sessions`,
//! `keys`, `tickets`, `audit`), `CallbackQueue` (`callbacks`). The verbs are written once against [`database::Tx`]; a database adds its connection, its
//! lock clauses and its migrations (`sqlite`, `postgres`). Content never comes here.

mod accounts;
mod audit;
mod callbacks;
pub mod database;
mod endings;
mod garbage;
mod identity;
mod jobs;
mod keys;
mod leases;
mod migrations;
mod open;
mod postgres;
mod rows;
mod sessions;
mod sqlite;
mod store;
mod tickets;

#[cfg(test)]
mod suite;

pub use open::{OpenError, OpenedIndex, ServingLock, connect};
