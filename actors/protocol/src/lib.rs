//! The wire of Sottovoce: ids, documents, frames, error and close codes.
//!
//! Plain serde types only. This crate must never do I/O, know a clock, or depend on another crate of ours.

pub mod auth;
pub mod close_code;
pub mod error_code;
pub mod ids;
pub mod jobs;
pub mod live;
pub mod prerecorded;
pub mod scope;
pub mod status;
pub mod transcript;
