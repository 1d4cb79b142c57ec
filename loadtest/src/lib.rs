//! Load, soak, accuracy and abuse client of Sottovoce.
//!
//! It speaks the public API only (`/v1/listen`, `/saas/jobs`, `/ws`, `/livez`) with the wire types of
//! `sottovoce-protocol`, so it can be pointed at any running server. It must never depend on the server or its actors.
//!
//! What to open: `live` for streams, `jobs` for batch, `status` for fan-out, `accuracy` for hypotheses to score,
//! `hostile` for seeded bad input (also called from the server's own integration tests).

pub mod accuracy;
pub mod audio;
pub mod caption;
pub mod cli;
pub mod contiguity;
pub mod endpoint;
pub mod error;
pub mod hostile;
pub mod hypotheses;
pub mod jobs;
pub mod lag;
pub mod live;
pub mod manifest;
pub mod pacing;
pub mod playlist;
pub mod proc;
pub mod report;
pub mod rest;
pub mod stats;
pub mod status;
pub mod words;

pub use error::LoadError;
