//! Logs and metrics. Never a token, a key, audio or transcript text.

mod logs;
mod metrics;

pub use logs::init;
pub use metrics::{Gauges, render};
