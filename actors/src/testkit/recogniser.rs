//! A recogniser without threads: answers inline, or after a delay of virtual time.

use crate::ports::ear::Ear;
use crate::ports::engine::{Engine, EngineError, Outcome, Refused, StreamKey, Unit, UnitKind};
use crate::ports::recogniser::{Admission, Computation, Listened, Recogniser};
use crate::testkit::engine::ScriptedEngine;
use bytes::Bytes;
use sottovoce_protocol::ids::ModelId;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::sync::oneshot;

/// What a [`ScriptedRecogniser`] counted.
#[derive(Clone, Copy, PartialEq, Debug, Default)]
pub struct Counted {
    /// Interims submitted.
    pub interims: usize,
    /// Finals submitted.
    pub finals: usize,
    /// Batch units submitted.
    pub batch: usize,
    /// Computations asked for.
    pub computed: usize,
    /// Pieces of raw audio heard.
    pub listened: usize,
    /// Streams admitted now.
    pub streams: usize,
    /// Streams refused.
    pub refused: usize,
    /// Units not answered yet.
    pub pending: usize,
}

/// Answers each unit by itself, `delay` after it was submitted (`tokio::time`); nothing coalesces. Clones share all.
#[derive(Clone)]
pub struct ScriptedRecogniser {
    engine: ScriptedEngine,
    state: Arc<Mutex<State>>,
}

struct State {
    delay: Duration,
    stretch: f32,
    max_streams: usize,
    keys: u64,
    counted: Counted,
}

impl ScriptedRecogniser {
    /// Answers at once with what `engine` says and admits everybody.
    pub fn new(engine: ScriptedEngine) -> Self {
        let state = State {
            delay: Duration::ZERO,
            stretch: 1.0,
            max_streams: usize::MAX,
            keys: 0,
            counted: Counted::default(),
        };
        Self { engine, state: Arc::new(Mutex::new(state)) }
    }

    /// Answers units after `delay` from now on; needs a tokio runtime unless it is zero.
    pub fn set_delay(&self, delay: Duration) {
        self.lock().delay = delay;
    }

    /// Tells streams to stretch their interim step.
    pub fn set_stretch(&self, stretch: f32) {
        self.lock().stretch = stretch;
    }

    /// Admits so many streams at once.
    pub fn set_max_streams(&self, max_streams: usize) {
        self.lock().max_streams = max_streams;
    }

    /// Returns what was counted so far.
    pub fn counted(&self) -> Counted {
        self.lock().counted
    }

    /// Returns the engine, to see its calls.
    pub const fn engine(&self) -> &ScriptedEngine {
        &self.engine
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn answer(&self, unit: &Unit, reply: oneshot::Sender<Outcome>) {
        self.lock().counted.pending -= 1;
        if reply.is_closed() {
            return;
        }
        let outcome = match catch_unwind(AssertUnwindSafe(|| self.engine.recognise(unit))) {
            Ok(Ok(hypothesis)) => Outcome::Heard(hypothesis),
            Ok(Err(error)) => Outcome::Failed(error),
            Err(_) => Outcome::Failed(EngineError::Failed("panicked".into())),
        };
        // The owner may have gone.
        let _ = reply.send(outcome);
    }
}

impl Recogniser for ScriptedRecogniser {
    fn admit(&self, _model: &ModelId, _channels: u16) -> Result<Admission, Refused> {
        let mut state = self.lock();
        if state.counted.streams >= state.max_streams {
            state.counted.refused += 1;
            return Err(Refused::Full { retry_after: Duration::from_secs(2) });
        }
        state.counted.streams += 1;
        state.keys += 1;
        let shared = self.clone();
        Ok(Admission::new(StreamKey(state.keys), move || shared.lock().counted.streams -= 1))
    }

    fn batch_key(&self) -> StreamKey {
        let mut state = self.lock();
        state.keys += 1;
        StreamKey(state.keys)
    }

    fn interim_stretch(&self) -> f32 {
        self.lock().stretch
    }

    fn submit(
        &self,
        _key: StreamKey,
        _channel: u16,
        unit: Unit,
        _within: Duration,
    ) -> oneshot::Receiver<Outcome> {
        let (reply, outcome) = oneshot::channel();
        let delay = {
            let mut state = self.lock();
            match unit.kind {
                UnitKind::Interim => state.counted.interims += 1,
                UnitKind::Final => state.counted.finals += 1,
                UnitKind::Batch => state.counted.batch += 1,
            }
            state.counted.pending += 1;
            state.delay
        };
        if delay.is_zero() {
            self.answer(&unit, reply);
        } else {
            let this = self.clone();
            tokio::spawn(async move {
                tokio::time::sleep(delay).await;
                this.answer(&unit, reply);
            });
        }
        outcome
    }

    fn compute(
        &self,
        _key: StreamKey,
        computation: Computation,
    ) -> oneshot::Receiver<Result<String, EngineError>> {
        let (reply, answer) = oneshot::channel();
        let delay = {
            let mut state = self.lock();
            state.counted.computed += 1;
            state.delay
        };
        let run = move || {
            catch_unwind(AssertUnwindSafe(|| computation()))
                .unwrap_or_else(|_| Err(EngineError::Failed("panicked".into())))
        };
        if delay.is_zero() {
            let _ = reply.send(run());
        } else {
            tokio::spawn(async move {
                tokio::time::sleep(delay).await;
                if !reply.is_closed() {
                    // The owner may have gone.
                    let _ = reply.send(run());
                }
            });
        }
        answer
    }

    fn listen(&self, mut ear: Box<dyn Ear>, audio: Bytes, flush: bool) -> oneshot::Receiver<Listened> {
        self.lock().counted.listened += 1;
        let (reply, listened) = oneshot::channel();
        let heard = crate::engine_pool::hear(&mut *ear, &audio, flush);
        let _ = reply.send(Listened { ear: Some(ear), heard });
        listened
    }
}
