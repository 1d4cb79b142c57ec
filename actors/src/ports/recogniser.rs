//! The asynchronous front of the engine: what sessions and jobs hold. `EnginePool` implements it over an `Engine`;
//! tests script it.

use crate::ports::ear::{Ear, Heard};
use crate::ports::engine::{EngineError, Full, Outcome, StreamKey, Unit};
use bytes::Bytes;
use sottovoce_protocol::ids::ModelId;
use std::time::Duration;
use tokio::sync::oneshot;

/// A place among the live streams of this machine; dropping it gives the place back.
pub struct Admission {
    /// The key of the stream's units.
    pub key: StreamKey,
    release: Option<Box<dyn FnOnce() + Send>>,
}

impl Admission {
    /// Makes a place that runs `release` when it is dropped.
    pub fn new(key: StreamKey, release: impl FnOnce() + Send + 'static) -> Self {
        Self { key, release: Some(Box::new(release)) }
    }
}

impl Drop for Admission {
    fn drop(&mut self) {
        if let Some(release) = self.release.take() {
            release();
        }
    }
}

/// What listening to a piece of raw audio gave; the ear comes back for the next piece.
pub struct Listened {
    /// The ear, with its state moved on. `None` only if it panicked.
    pub ear: Option<Box<dyn Ear>>,
    /// Per channel what was heard, or why the audio cannot be.
    pub heard: Result<Vec<Heard>, EngineError>,
}

/// Takes units of work. All calls return at once; answers come by channel. A dropped receiver cancels work not begun.
pub trait Recogniser: Send + Sync + 'static {
    /// Admits a live stream of so many channels, or says when to come back.
    fn admit(&self, model: &ModelId, channels: u16) -> Result<Admission, Full>;

    /// Returns a key for a batch job's units.
    fn batch_key(&self) -> StreamKey;

    /// Queues a unit. `within` is how long its answer is of use: finals and interims are ordered by it within their kind.
    /// Interims of one key and channel coalesce to the newest. A full queue (batch only: one unit per key may wait)
    /// is a caller's bug and answers `Failed`.
    fn submit(
        &self,
        key: StreamKey,
        channel: u16,
        unit: Unit,
        within: Duration,
    ) -> oneshot::Receiver<Outcome>;

    /// Runs an ear over raw audio on the listening threads; with `flush` it then gives what waits in its delay lines.
    fn listen(&self, ear: Box<dyn Ear>, audio: Bytes, flush: bool) -> oneshot::Receiver<Listened>;
}
