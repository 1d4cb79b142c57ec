//! `[telemetry]`: logs and metrics.

use super::defect::Checker;
use serde::Deserialize;
use std::net::SocketAddr;
use tracing_subscriber::EnvFilter;

/// Logs and metrics; keys as in `default.toml`.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TelemetryConfig {
    /// Level or directives.
    pub log: String,
    /// `text` or `json`, checked; see [`TelemetryConfig::format`].
    pub log_format: String,
    /// `ADDRESS:PORT`, checked; see [`TelemetryConfig::metrics_address`].
    pub metrics_bind: String,
}

/// How a log line looks.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum LogFormat {
    /// For people.
    Text,
    /// For machines, one JSON object a line.
    Json,
}

impl TelemetryConfig {
    /// Returns the log format.
    pub fn format(&self) -> LogFormat {
        if self.log_format == "json" { LogFormat::Json } else { LogFormat::Text }
    }

    /// Returns the address of the metrics listener.
    pub fn metrics_address(&self) -> SocketAddr {
        self.metrics_bind.parse().unwrap_or_else(|_| {
            panic!("telemetry.metrics_bind was checked when the configuration was loaded")
        })
    }

    pub(super) fn check(&self, checker: &mut Checker<'_>) {
        let filter = EnvFilter::builder().parse(&self.log);
        checker.require("telemetry.log", filter.is_ok(), || {
            format!("`{}` is neither a level (error, warn, info, debug, trace) nor directives", self.log)
        });
        checker.require("telemetry.log_format", matches!(self.log_format.as_str(), "text" | "json"), || {
            format!("`{}` is no format; use `text` or `json`", self.log_format)
        });
        checker.require("telemetry.metrics_bind", self.metrics_bind.parse::<SocketAddr>().is_ok(), || {
            format!("`{}` is no address; write ADDRESS:PORT, e.g. 127.0.0.1:0", self.metrics_bind)
        });
    }
}
