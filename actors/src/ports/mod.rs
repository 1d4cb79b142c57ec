//! The ports: traits that adapters implement and the actor tree calls.

pub mod engine;
