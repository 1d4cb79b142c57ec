//! The actor tree of Sottovoce, its pure state machines, and the ports that adapters implement.
//!
//! This crate must never import actix-web, sqlx, redis or a model runtime.

pub mod ports;
pub mod segment;
