//! The actor tree of Sottovoce, its pure state machines, and the ports that adapters implement.
//!
//! This crate must never import actix-web, sqlx, redis or a model runtime.

pub mod callbacks;
pub mod credential_watch;
pub mod dispatcher;
pub mod engine_pool;
pub mod hex;
pub mod janitor;
pub mod job;
pub mod mailbox;
pub mod ports;
pub mod segment;
pub mod session;
pub mod sessions;
pub mod socket;
pub mod status;
pub mod supervise;
#[cfg(any(test, feature = "testkit"))]
pub mod testkit;
pub mod time;
pub mod transcript;
pub mod translation;
