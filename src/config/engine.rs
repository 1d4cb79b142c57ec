//! `[engine]`: threads that run speech models, and how many streams they admit.

use super::defect::Checker;
use serde::Deserialize;

/// Engine threads and admission; keys as in `default.toml`.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct EngineConfig {
    /// Recogniser threads; 0: one per core. See [`EngineConfig::worker_count`].
    pub workers: usize,
    /// Voice-activity threads.
    pub listen_threads: usize,
    /// Streams admitted; 0: by measured load.
    pub max_streams: usize,
    /// Share of engine time promised to live streams, 0–1.
    pub target_utilisation: f64,
    /// Wait after which batch work gets the next free turn.
    pub batch_patience_ms: u64,
}

impl EngineConfig {
    /// Returns the number of recogniser threads, the cores of this machine if none was set.
    pub fn worker_count(&self) -> usize {
        match self.workers {
            0 => std::thread::available_parallelism().map_or(1, usize::from),
            workers => workers,
        }
    }

    pub(super) fn check(&self, checker: &mut Checker<'_>) {
        checker.within("engine.workers", self.workers as u64, 0, 1024);
        checker.within("engine.listen_threads", self.listen_threads as u64, 1, 64);
        checker.within("engine.max_streams", self.max_streams as u64, 0, 100_000);
        checker.within_f64("engine.target_utilisation", self.target_utilisation, 0.05, 1.0);
        checker.within("engine.batch_patience_ms", self.batch_patience_ms, 0, 600_000);
    }
}
