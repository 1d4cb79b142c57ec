//! Tests that run the binary with the real models on real speech; one at a time (see `.config/nextest.toml`).

mod accuracy;
mod binary;
mod client;
mod commands;
mod crash;
mod deepgram_sdk;
mod file_clients;
mod stopping;
mod text;
mod translation;

pub use binary::{sottovoce, tools_dir};
