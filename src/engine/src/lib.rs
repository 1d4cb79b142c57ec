//! Embedded speech models on the CPU: conversion, recognition, voice activity, behind the `Engine` port.
//!
//! Pure Rust on rten. Never opens a socket, never downloads, keeps no session: state lives with the caller.

mod align;
pub mod convert;
mod cost;
mod cpu_clock;
mod embedded;
mod moonshine;
mod pauses;
mod silero;
mod tokenizer;
mod words;
mod worker;

pub use embedded::{EmbeddedEngine, EmbeddedModel, EngineOptions, LoadError};
pub use moonshine::ModelError;
pub use silero::{Silero, SileroDetector, SileroError};
pub use tokenizer::TokenizerError;
