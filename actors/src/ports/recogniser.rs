//! The asynchronous front of the engine: what sessions and jobs hold. `EnginePool` implements it over an `Engine`;
//! tests script it.

use crate::ports::ear::{Ear, Heard};
use crate::ports::engine::{EngineError, Outcome, Refused, StreamKey, Unit};
use bytes::Bytes;
use sottovoce_protocol::ids::ModelId;
use std::sync::Arc;
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

/// A computation of a batch job that is no recognition, e.g. a sentence's translation; may be called a second time.
pub type Computation = Arc<dyn Fn() -> Result<String, EngineError> + Send + Sync>;

/// Takes units of work. All calls return at once; answers come by channel. A dropped receiver cancels work not begun.
pub trait Recogniser: Send + Sync + 'static {
    /// Admits a live stream of so many channels, or says when to come back, if ever.
    fn admit(&self, model: &ModelId, channels: u16) -> Result<Admission, Refused>;

    /// Returns a key for a batch job's units.
    fn batch_key(&self) -> StreamKey;

    /// Returns by what factor (from 1.0) live streams should lengthen the step between their interims, because interims
    /// wait too long for a worker. Cheap: read it before each interim.
    fn interim_stretch(&self) -> f32;

    /// Queues a unit. `within` is how soon its answer is wanted: finals are ordered by it; interims are served in turn of
    /// keys, batch units in order of arrival. Of a key and channel one interim waits, superseded by a newer one or by a
    /// final. A full queue (one batch unit and a few finals of a key may wait) is a caller's bug and answers `Failed`.
    fn submit(
        &self,
        key: StreamKey,
        channel: u16,
        unit: Unit,
        within: Duration,
    ) -> oneshot::Receiver<Outcome>;

    /// Queues a computation as a batch unit of this key: it uses what live work leaves, and one that fails is tried once
    /// more.
    fn compute(
        &self,
        key: StreamKey,
        computation: Computation,
    ) -> oneshot::Receiver<Result<String, EngineError>>;

    /// Runs an ear over raw audio on the listening threads; with `flush` it then gives what waits in its delay lines.
    fn listen(&self, ear: Box<dyn Ear>, audio: Bytes, flush: bool) -> oneshot::Receiver<Listened>;
}
