//! The engine's front: a pure queue behind a mutex, worker threads that compute, listening threads that hear.
//!
//! The lock is held for microseconds, never while the engine computes. A panic in the engine costs the unit one attempt,
//! never the worker.

use crate::engine_pool::admission::{AdmissionConfig, Admissions};
use crate::engine_pool::queue::{Entry, Moment, Queue, QueueConfig, Running, Submitted, Work};
use crate::engine_pool::stats::{ByKind, Counters, PoolStats};
use crate::engine_pool::stretch::{CROWDED, Stretch};
use crate::ports::ear::{Ear, Heard};
use crate::ports::engine::{
    Engine, EngineError, Hypothesis, MAX_UNIT_SECONDS, Outcome, Refused, SAMPLE_RATE_HZ, StreamKey, Unit,
    UnitKind,
};
use crate::ports::recogniser::{Admission, Computation, Listened, Recogniser};
use bytes::Bytes;
use sottovoce_protocol::ids::ModelId;
use std::any::Any;
use std::collections::VecDeque;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};
use tokio::sync::oneshot;

/// Attempts a final or batch unit gets.
const ATTEMPTS: u8 = 2;

/// How often an idle worker looks whether batch work that is held back may run.
const BATCH_POLL: Duration = Duration::from_millis(50);

/// Returns the time of the pool's threads.
#[expect(
    clippy::disallowed_methods,
    reason = "OS threads have no runtime whose virtual time they could follow"
)]
fn thread_time() -> Instant {
    Instant::now()
}

/// The pool's size and limits.
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct PoolConfig {
    /// Worker threads.
    pub workers: usize,
    /// Listening threads.
    pub listeners: usize,
    /// Pieces of raw audio that may wait; over it the ear comes back with an error.
    pub listen_queue: usize,
    /// Finals of one stream that may wait; over it they fail.
    pub finals_per_stream: usize,
    /// How long batch work may go without a worker while live work keeps all of them.
    pub batch_patience: Duration,
    /// Who may stream.
    pub admission: AdmissionConfig,
}

impl Default for PoolConfig {
    /// One worker per core, one listening thread.
    fn default() -> Self {
        Self {
            workers: thread::available_parallelism().map_or(1, usize::from),
            listeners: 1,
            listen_queue: 4_096,
            finals_per_stream: 32,
            batch_patience: Duration::from_secs(10),
            admission: AdmissionConfig::default(),
        }
    }
}

/// Runs units of all sessions and jobs on a bounded number of threads. Dropping it stops the threads without waiting.
pub struct EnginePool {
    shared: Arc<Shared>,
    threads: Mutex<Vec<JoinHandle<()>>>,
}

/// What is to be done, with the channel of its answer.
enum Job {
    Unit { unit: Unit, reply: oneshot::Sender<Outcome> },
    Computation { computation: Computation, reply: oneshot::Sender<Result<String, EngineError>> },
}

/// What a worker made of it.
enum Done {
    Heard(Hypothesis),
    Computed(String),
}

impl Job {
    fn run(&self, engine: &dyn Engine) -> Result<Done, EngineError> {
        match self {
            Self::Unit { unit, .. } => engine.recognise(unit).map(Done::Heard),
            Self::Computation { computation, .. } => computation().map(Done::Computed),
        }
    }

    fn audio_s(&self) -> f64 {
        match self {
            Self::Unit { unit, .. } => unit.audio.len() as f64 / f64::from(SAMPLE_RATE_HZ),
            Self::Computation { .. } => 0.0,
        }
    }

    /// Tells an owner, who may have gone.
    fn answer(self, ended: Result<Done, EngineError>) {
        match (self, ended) {
            (Self::Unit { reply, .. }, Ok(Done::Heard(hypothesis))) => {
                let _ = reply.send(Outcome::Heard(hypothesis));
            }
            (Self::Unit { reply, .. }, Err(error)) => {
                let _ = reply.send(Outcome::Failed(error));
            }
            (Self::Computation { reply, .. }, Ok(Done::Computed(text))) => {
                let _ = reply.send(Ok(text));
            }
            (Self::Computation { reply, .. }, Err(error)) => {
                let _ = reply.send(Err(error));
            }
            // `run` never answers one kind with the other's; the owner reads a dropped channel as a stop.
            (Self::Unit { .. }, Ok(Done::Computed(_))) | (Self::Computation { .. }, Ok(Done::Heard(_))) => {}
        }
    }

    /// Tells an owner that a newer interim took the place of its own.
    fn supersede(self) {
        if let Self::Unit { reply, .. } = self {
            let _ = reply.send(Outcome::Superseded);
        }
    }
}

impl Work for Job {
    fn is_abandoned(&self) -> bool {
        match self {
            Self::Unit { reply, .. } => reply.is_closed(),
            Self::Computation { reply, .. } => reply.is_closed(),
        }
    }
}

/// A piece of raw audio to be heard.
struct Piece {
    ear: Box<dyn Ear>,
    audio: Bytes,
    flush: bool,
    reply: oneshot::Sender<Listened>,
}

struct State {
    queue: Queue<Job>,
    pieces: VecDeque<Piece>,
    admissions: Admissions,
    stretch: Stretch,
    counted: Counters,
    busy_workers: usize,
    threads_alive: usize,
    keys: u64,
    stopping: bool,
}

struct Shared {
    engine: Arc<dyn Engine>,
    config: PoolConfig,
    started: Instant,
    state: Mutex<State>,
    /// Units wait for a worker.
    units: Condvar,
    /// Pieces wait for a listener.
    pieces: Condvar,
    /// A thread ended.
    ended: Condvar,
}

impl EnginePool {
    /// Starts the threads. Fails only if the system gives none.
    pub fn start(engine: Arc<dyn Engine>, config: PoolConfig) -> std::io::Result<Self> {
        let config =
            PoolConfig { workers: config.workers.max(1), listeners: config.listeners.max(1), ..config };
        let queue = QueueConfig {
            workers: config.workers,
            batch_patience: config.batch_patience,
            finals_per_key: config.finals_per_stream,
        };
        let shared = Arc::new(Shared {
            engine,
            config,
            started: thread_time(),
            state: Mutex::new(State {
                queue: Queue::new(queue),
                pieces: VecDeque::new(),
                admissions: Admissions::new(config.admission, config.workers),
                stretch: Stretch::default(),
                counted: Counters::default(),
                busy_workers: 0,
                threads_alive: 0,
                keys: 0,
                stopping: false,
            }),
            units: Condvar::new(),
            pieces: Condvar::new(),
            ended: Condvar::new(),
        });
        let pool = Self { shared, threads: Mutex::default() };
        for number in 0..config.workers {
            pool.spawn(format!("engine-{number}"), Shared::work)?;
        }
        for number in 0..config.listeners {
            pool.spawn(format!("listen-{number}"), Shared::listen)?;
        }
        Ok(pool)
    }

    fn spawn(&self, name: String, run: fn(&Shared)) -> std::io::Result<()> {
        let shared = self.shared.clone();
        // Counted before it runs, so that a stop right after the start waits for it.
        self.shared.lock().threads_alive += 1;
        let thread = thread::Builder::new().name(name).spawn(move || {
            run(&shared);
            shared.lock().threads_alive -= 1;
            shared.ended.notify_all();
        });
        match thread {
            Ok(thread) => {
                self.threads.lock().unwrap_or_else(PoisonError::into_inner).push(thread);
                Ok(())
            }
            Err(error) => {
                self.shared.lock().threads_alive -= 1;
                Err(error)
            }
        }
    }

    /// Takes nothing new, answers interims and batch units with `Stopping`, finishes the finals and ends the threads.
    /// Blocks up to `within`; then the finals left are answered with `Stopping` too. Returns whether everything ended in
    /// time. Can be called again.
    pub fn stop(&self, within: Duration) -> bool {
        self.shared.begin_to_stop();
        let state = self.shared.lock();
        let (mut state, wait) = self
            .shared
            .ended
            .wait_timeout_while(state, within, |state| state.threads_alive > 0)
            .unwrap_or_else(PoisonError::into_inner);
        let cut = state.queue.drain_finals();
        drop(state);
        for job in cut {
            job.answer(Err(EngineError::Stopping));
        }
        if wait.timed_out() {
            tracing::warn!("engine threads did not end in time");
            return false;
        }
        for thread in self.threads.lock().unwrap_or_else(PoisonError::into_inner).drain(..) {
            // Its panics were caught; it has ended its loop.
            let _ = thread.join();
        }
        true
    }

    /// Returns how the pool stands.
    pub fn stats(&self) -> PoolStats {
        let dearest = self.shared.dearest_cost();
        let now = self.shared.now();
        let state = self.shared.lock();
        let depth = state.queue.depth();
        PoolStats {
            counted: state.counted,
            waiting: ByKind {
                interim: depth.interim as u64,
                r#final: depth.r#final as u64,
                batch: depth.batch as u64,
            },
            waiting_to_listen: state.pieces.len() as u64,
            oldest_wait_s: age(state.queue.oldest(), now).as_secs_f64(),
            final_wait_s: state.admissions.final_wait_s(now),
            interim_stretch: state.interim_stretch(now),
            workers: self.shared.config.workers as u64,
            busy_workers: state.busy_workers as u64,
            streams: u64::from(state.admissions.streams()),
            capacity: u64::from(state.admissions.capacity(dearest)),
        }
    }
}

impl EnginePool {
    fn enqueue(&self, key: StreamKey, channel: u16, kind: UnitKind, within: Duration, job: Job) {
        let now = self.shared.now();
        let deadline = now.saturating_add(within);
        let entry = Entry { key, channel, kind, deadline, since: now, failures: 0, work: job };
        let mut state = self.shared.lock();
        if state.stopping {
            drop(state);
            return entry.work.answer(Err(EngineError::Stopping));
        }
        match state.queue.submit(entry) {
            Submitted::Waits(overtaken) => {
                state.counted.superseded += u64::from(overtaken.is_some());
                drop(state);
                self.shared.units.notify_one();
                if let Some(overtaken) = overtaken {
                    overtaken.supersede();
                }
            }
            Submitted::Refused(job) => {
                state.counted.failed[kind] += 1;
                drop(state);
                tracing::error!(?kind, "unit refused, too many of its stream or job wait already");
                job.answer(Err(EngineError::Failed("too many units of this stream wait".into())));
            }
        }
    }
}

impl Drop for EnginePool {
    fn drop(&mut self) {
        self.shared.begin_to_stop();
    }
}

impl Recogniser for EnginePool {
    fn admit(&self, model: &ModelId, channels: u16) -> Result<Admission, Refused> {
        let live_cost = self.shared.engine.live_cost(model);
        let now = self.shared.now();
        let mut state = self.shared.lock();
        if state.stopping {
            return Err(Refused::Full { retry_after: self.shared.config.admission.retry_first });
        }
        let oldest_final = age(state.queue.oldest_final(), now);
        match state.admissions.admit(live_cost, channels, oldest_final, now) {
            Ok(place) => {
                let key = state.new_key();
                state.queue.stream_opened(key);
                state.counted.admitted += 1;
                let shared = self.shared.clone();
                Ok(Admission::new(key, move || {
                    let mut state = shared.lock();
                    state.admissions.release(place);
                    state.queue.stream_closed(key);
                    drop(state);
                    // Batch may take the last worker now.
                    shared.units.notify_all();
                }))
            }
            Err(refused) => {
                state.counted.refused += 1;
                Err(refused)
            }
        }
    }

    fn batch_key(&self) -> StreamKey {
        self.shared.lock().new_key()
    }

    fn interim_stretch(&self) -> f32 {
        let now = self.shared.now();
        self.shared.lock().interim_stretch(now)
    }

    fn submit(
        &self,
        key: StreamKey,
        channel: u16,
        unit: Unit,
        within: Duration,
    ) -> oneshot::Receiver<Outcome> {
        let (reply, outcome) = oneshot::channel();
        let too_long = unit.audio.len() > (MAX_UNIT_SECONDS * SAMPLE_RATE_HZ) as usize;
        let kind = unit.kind;
        let job = Job::Unit { unit, reply };
        if too_long {
            job.answer(Err(EngineError::BadUnit("longer than 30 seconds")));
        } else {
            self.enqueue(key, channel, kind, within, job);
        }
        outcome
    }

    fn compute(
        &self,
        key: StreamKey,
        computation: Computation,
    ) -> oneshot::Receiver<Result<String, EngineError>> {
        let (reply, answer) = oneshot::channel();
        self.enqueue(key, 0, UnitKind::Batch, Duration::ZERO, Job::Computation { computation, reply });
        answer
    }

    fn listen(&self, ear: Box<dyn Ear>, audio: Bytes, flush: bool) -> oneshot::Receiver<Listened> {
        let (reply, listened) = oneshot::channel();
        let mut state = self.shared.lock();
        let refusal = if state.stopping {
            Some(EngineError::Stopping)
        } else if state.pieces.len() >= self.shared.config.listen_queue {
            Some(EngineError::Failed("the listening queue is full".into()))
        } else {
            None
        };
        if let Some(error) = refusal {
            drop(state);
            let _ = reply.send(Listened { ear: Some(ear), heard: Err(error) });
        } else {
            state.pieces.push_back(Piece { ear, audio, flush, reply });
            drop(state);
            self.shared.pieces.notify_one();
        }
        listened
    }
}

impl State {
    fn new_key(&mut self) -> StreamKey {
        self.keys += 1;
        StreamKey(self.keys)
    }

    fn interim_stretch(&self, now: Moment) -> f32 {
        self.stretch.factor(age(self.queue.oldest_interim(), now), now)
    }
}

impl Shared {
    /// The lock guards plain data that no holder leaves half changed, so a poisoned one is sound.
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn now(&self) -> Moment {
        self.started.elapsed()
    }

    fn dearest_cost(&self) -> f32 {
        self.engine.models().iter().map(|model| self.engine.live_cost(&model.id)).fold(0.0, f32::max)
    }

    fn begin_to_stop(&self) {
        let mut state = self.lock();
        state.stopping = true;
        let refused = state.queue.drain_but_finals();
        drop(state);
        self.units.notify_all();
        self.pieces.notify_all();
        for job in refused {
            job.answer(Err(EngineError::Stopping));
        }
    }

    /// A worker's life.
    fn work(&self) {
        while let Some((entry, running)) = self.next_unit() {
            let begun = self.now();
            let result = catch_unwind(AssertUnwindSafe(|| entry.work.run(&*self.engine)))
                .unwrap_or_else(|panic| Err(EngineError::Failed(panic_text(&*panic))));
            self.finish(entry, running, begun, result);
        }
    }

    /// Waits for a unit; `None` when the pool stops and no final is left.
    fn next_unit(&self) -> Option<(Entry<Job>, Running)> {
        let mut state = self.lock();
        loop {
            let now = self.now();
            let crowded = state.interim_stretch(now) > CROWDED;
            if let Some((entry, running)) = state.queue.next(now, crowded) {
                let wait = now.saturating_sub(entry.since);
                match entry.kind {
                    UnitKind::Interim => state.stretch.note(wait, now),
                    UnitKind::Final => state.admissions.final_begun(wait, now),
                    UnitKind::Batch => {}
                }
                state.busy_workers += 1;
                drop(state);
                // What this worker's last unit held back (a channel's next interim) may suit another worker.
                self.units.notify_one();
                return Some((entry, running));
            }
            if state.stopping {
                return None;
            }
            state = if state.queue.depth().batch == 0 {
                self.units.wait(state).unwrap_or_else(PoisonError::into_inner)
            } else {
                // Time alone may let a batch unit run that is held back now.
                let waited = self.units.wait_timeout(state, BATCH_POLL);
                waited.unwrap_or_else(PoisonError::into_inner).0
            };
        }
    }

    fn finish(
        &self,
        mut entry: Entry<Job>,
        running: Running,
        begun: Moment,
        result: Result<Done, EngineError>,
    ) {
        let now = self.now();
        let busy = now.saturating_sub(begun);
        let kind = entry.kind;
        if let Err(error) = &result {
            tracing::error!(?kind, attempt = entry.failures + 1, error = %error, "unit failed");
        }
        let mut state = self.lock();
        state.busy_workers -= 1;
        state.queue.done(running, now);
        state.counted.busy_s[kind] += busy.as_secs_f64();
        if kind == UnitKind::Final {
            state.admissions.final_ended(busy, now);
        }
        match result {
            Ok(done) => {
                state.counted.done[kind] += 1;
                state.counted.audio_s[kind] += entry.work.audio_s();
                drop(state);
                entry.work.answer(Ok(done));
            }
            Err(error) => {
                entry.failures += 1;
                let again = matches!(error, EngineError::Failed(_)) && entry.failures < ATTEMPTS;
                // Batch units are not begun any more once the pool stops; finals are.
                let wanted = match kind {
                    UnitKind::Interim => false,
                    UnitKind::Final => true,
                    UnitKind::Batch => !state.stopping,
                };
                if again && wanted {
                    state.counted.retried[kind] += 1;
                    state.queue.resubmit(entry);
                } else {
                    state.counted.failed[kind] += 1;
                    drop(state);
                    entry.work.answer(Err(error));
                }
            }
        }
    }

    /// A listener's life.
    fn listen(&self) {
        while let Some(piece) = self.next_piece() {
            let Piece { mut ear, audio, flush, reply } = piece;
            let begun = thread_time();
            let listened = catch_unwind(AssertUnwindSafe(move || {
                let heard = hear(&mut *ear, &audio, flush);
                Listened { ear: Some(ear), heard }
            }))
            .unwrap_or_else(|panic| {
                let text = panic_text(&*panic);
                tracing::error!(error = %text, "listening panicked");
                Listened { ear: None, heard: Err(EngineError::Failed(text)) }
            });
            self.lock().counted.listening_s += begun.elapsed().as_secs_f64();
            let _ = reply.send(listened);
        }
    }

    fn next_piece(&self) -> Option<Piece> {
        let mut state = self.lock();
        loop {
            while let Some(piece) = state.pieces.pop_front() {
                if !piece.reply.is_closed() {
                    return Some(piece);
                }
            }
            if state.stopping {
                return None;
            }
            state = self.pieces.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
    }
}

/// Hears a piece, then what waits in the ear if `flush` asks for it.
pub(crate) fn hear(ear: &mut dyn Ear, audio: &[u8], flush: bool) -> Result<Vec<Heard>, EngineError> {
    let mut heard = ear.hear(audio)?;
    if flush {
        for (channel, rest) in heard.iter_mut().zip(ear.flush()?) {
            channel.samples.extend(rest.samples);
            channel.speech.extend(rest.speech);
        }
    }
    Ok(heard)
}

fn age(since: Option<Moment>, now: Moment) -> Duration {
    since.map_or(Duration::ZERO, |since| now.saturating_sub(since))
}

fn panic_text(panic: &(dyn Any + Send)) -> String {
    let text = panic.downcast_ref::<&str>().copied();
    let text = text.or_else(|| panic.downcast_ref::<String>().map(String::as_str));
    format!("panicked: {}", text.unwrap_or("no message"))
}

#[cfg(test)]
#[path = "pool_tests.rs"]
mod tests;
