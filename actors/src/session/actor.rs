//! `SessionActor`: one live client. A thin shell that owns the mailbox, the timers and the order of what is sent; what is
//! said and when is decided by `Channel`, `Outbox` and `Liveness`. It never touches the socket: the pump relays.

use crate::mailbox::{Tell, TellError};
use crate::ports::bus::{BusMessage, StatusBus, Topic};
use crate::ports::clock::Clock;
use crate::ports::ear::Ear;
use crate::ports::engine::{EngineError, Outcome, Unit, UnitKind};
use crate::ports::files::{FileError, FileStore};
use crate::ports::recogniser::{Admission, Listened, Recogniser};
use crate::ports::store::{Heartbeat, Lease, Permille, StorageRef, Store, StoreError};
use crate::session::channel::{Channel, Effect, Saying, Settle, Work, WorkId};
use crate::session::conclude::{Conclusion, conclude};
use crate::session::fingerprint::Fingerprint;
use crate::session::liveness::{Liveness, Verdict};
use crate::session::params::{LiveConfig, StreamParams};
use crate::session::render;
use crate::socket::ACTOR_MAILBOX;
use crate::socket::gate::Gate;
use crate::socket::messages::{Attach, FromPump, Leave, SocketEvent, ToPump};
use crate::socket::outbox::{Keep, Outbox};
use crate::supervise::{Exit, ExitGuard};
use actix::prelude::*;
use bytes::{Bytes, BytesMut};
use sottovoce_protocol::close_code::{self, Close};
use sottovoce_protocol::error_code::ErrorCode;
use sottovoce_protocol::live::{ClientFrame, ServerFrame};
use sottovoce_protocol::status;
use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;
use tokio::time::Instant;

/// The ports a session uses.
#[derive(Clone)]
pub struct SessionPorts {
    /// The engine.
    pub recogniser: Arc<dyn Recogniser>,
    /// The index.
    pub store: Arc<dyn Store>,
    /// Content.
    pub files: Arc<dyn FileStore>,
    /// Captions to subscribers.
    pub bus: Arc<dyn StatusBus>,
    /// Wall time.
    pub clock: Arc<dyn Clock>,
    /// New identifiers.
    pub ids: Arc<dyn crate::ports::clock::Ids>,
}

/// Everything a session is born with.
pub struct SessionStart {
    /// What the client asked for.
    pub params: StreamParams,
    /// Settings of the house.
    pub live: Arc<LiveConfig>,
    /// Ports.
    pub ports: SessionPorts,
    /// Its place among the live streams.
    pub admission: Admission,
    /// Its job's lease.
    pub lease: Lease,
    /// Where its segments are logged.
    pub log: StorageRef,
    /// The stream's fresh ear.
    pub ear: Box<dyn Ear>,
    /// The gate of its socket.
    pub gate: Arc<Gate>,
    /// Cuts the connection when the peer no longer reads; must not block.
    pub cut: Box<dyn Fn() + Send>,
    /// Hears how the session ended.
    pub exit: ExitGuard,
}

/// Why a stream ends. The first reason wins.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum End {
    /// `CloseStream`: everything is settled and answered.
    Asked,
    /// The socket went away.
    Gone,
    /// The server closes it for this reason, after settling.
    Closed(Close),
    /// The client does not read: the connection is cut.
    NotReading,
    /// The owner deleted the running job.
    Canceled,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Phase {
    /// Audio comes in.
    Open,
    /// No more audio is taken; what came is being heard and settled.
    Settling(End),
    /// Artifacts are written.
    Concluding(End),
}

/// Longest piece of audio given to the ear at once: streams take turns on the listening threads, and what comes of a
/// piece is seen before the next is heard.
const PIECE: Duration = Duration::from_secs(1);

/// Finals of a stream, all its channels together, that are with the engine at once: fewer than the pool takes
/// (`PoolConfig::finals_per_stream`). The others wait here, so that none is refused.
const FINALS_AT_ONCE: usize = 16;

/// Captions that may wait to be stored before the socket is not read.
const MAX_EMISSIONS: usize = 64;

/// Something to be sent, in order; finals are durable before a client or subscriber sees them.
struct Emission {
    keep: Keep,
    frame: ServerFrame,
    log_line: Option<Bytes>,
    /// Its place in the order is given when it is published: of conflated interims none leaves a gap.
    caption: Option<status::Caption>,
}

/// One live client.
pub struct SessionActor {
    params: StreamParams,
    live: Arc<LiveConfig>,
    ports: SessionPorts,
    admission: Admission,
    lease: Lease,
    log: StorageRef,
    gate: Arc<Gate>,
    cut: Box<dyn Fn() + Send>,
    exit: ExitGuard,
    phase: Phase,
    started: Instant,
    settle_by: Option<Instant>,
    /// The server stops: what does not settle by `settle_by` is given up, however well it goes.
    hurried: bool,
    /// A final could not be stored: the job has not ended well, whatever the client is told.
    lost_words: bool,
    pump: Option<Tell<ToPump>>,
    liveness: Liveness,
    /// At home, or out listening.
    ear: Option<Box<dyn Ear>>,
    /// Audio that waits for the ear, and what it took on the wire.
    waiting_audio: BytesMut,
    waiting_wire_bytes: u64,
    /// `Finalize` requests that wait for the ear: everything before them must be heard first.
    waiting_finalize: VecDeque<Option<u16>>,
    flushed: bool,
    channels: Vec<Channel>,
    interims: Vec<Option<SpawnHandle>>,
    /// Finals that wait for their turn at the engine, and how many are there.
    waiting_finals: VecDeque<(usize, Work)>,
    finals_at_engine: usize,
    received_bytes: u64,
    fingerprint: Fingerprint,
    outbox: Outbox,
    emissions: VecDeque<Emission>,
    emitting: bool,
    next_segment: u64,
    /// From 1, so that a subscriber that has seen nothing can say `since` 0.
    next_caption: u64,
    next_heartbeat: Instant,
    beating: bool,
}

impl SessionActor {
    /// Runs a session on the current arbiter. Its mailbox has its full size from the first moment: audio may come before
    /// the actor had its first turn.
    pub fn run(start: SessionStart) -> Addr<Self> {
        Self::create(|ctx| {
            ctx.set_mailbox_capacity(ACTOR_MAILBOX);
            Self::new(start)
        })
    }

    fn new(start: SessionStart) -> Self {
        let now = Instant::now();
        let heard_channels = usize::from(start.params.format.heard_channels());
        let channel_config = start.params.channel_config(&start.live);
        let fingerprint = Fingerprint::default();
        Self {
            liveness: Liveness::new(start.live.liveness, now),
            outbox: Outbox::new(start.live.credit_window, start.live.outbox_bytes),
            channels: (0..heard_channels).map(|_| Channel::new(channel_config)).collect(),
            interims: vec![None; heard_channels],
            waiting_finals: VecDeque::new(),
            finals_at_engine: 0,
            next_heartbeat: now + start.live.heartbeat,
            params: start.params,
            live: start.live,
            ports: start.ports,
            admission: start.admission,
            lease: start.lease,
            log: start.log,
            gate: start.gate,
            cut: start.cut,
            exit: start.exit,
            phase: Phase::Open,
            started: now,
            settle_by: None,
            hurried: false,
            lost_words: false,
            pump: None,
            ear: Some(fingerprint.taken_by(start.ear)),
            waiting_audio: BytesMut::new(),
            waiting_wire_bytes: 0,
            waiting_finalize: VecDeque::new(),
            flushed: false,
            received_bytes: 0,
            fingerprint,
            emissions: VecDeque::new(),
            emitting: false,
            next_segment: 0,
            next_caption: 1,
            beating: false,
        }
    }

    // ---- hearing -------------------------------------------------------------------------------------------------

    fn on_audio(&mut self, audio: Bytes, wire_bytes: u64, ctx: &mut Context<Self>) {
        if self.phase != Phase::Open {
            self.gate.release(wire_bytes);
            return;
        }
        self.liveness.on_audio(Instant::now());
        self.received_bytes += audio.len() as u64;
        self.waiting_audio.extend_from_slice(&audio);
        self.waiting_wire_bytes += wire_bytes;
        self.listen(ctx);
    }

    /// Sends the ear out over what waits, unless it is out already or the engine is behind with this stream's finals.
    fn listen(&mut self, ctx: &mut Context<Self>) {
        let ends = matches!(self.phase, Phase::Settling(_)) && !self.flushed;
        if self.waiting_audio.is_empty() && !ends {
            self.answer_finalize(ctx);
            return;
        }
        let engine_behind =
            self.channels.iter().any(|channel| channel.pending_finals() > self.live.max_pending_finals);
        if engine_behind || self.emissions.len() > MAX_EMISSIONS {
            return;
        }
        let Some(ear) = self.ear.take() else { return };
        let piece_bytes = self.params.bytes(PIECE);
        let (audio, wire_bytes) = if self.waiting_audio.len() > piece_bytes {
            (self.waiting_audio.split_to(piece_bytes), piece_bytes as u64)
        } else {
            (self.waiting_audio.split(), self.waiting_wire_bytes)
        };
        self.waiting_wire_bytes -= wire_bytes;
        let (audio, flush) = (audio.freeze(), ends && self.waiting_audio.is_empty());
        let answer = self.ports.recogniser.listen(ear, audio, flush);
        ctx.spawn(
            async move { answer.await.ok() }
                .into_actor(self)
                .map(move |listened, actor, ctx| actor.on_listened(listened, wire_bytes, flush, ctx)),
        );
    }

    fn on_listened(
        &mut self,
        listened: Option<Listened>,
        wire_bytes: u64,
        flushed: bool,
        ctx: &mut Context<Self>,
    ) {
        self.gate.release(wire_bytes);
        let heard = match listened {
            Some(Listened { ear: Some(ear), heard: Ok(heard) }) => {
                self.ear = Some(ear);
                heard
            }
            Some(Listened { heard: Err(EngineError::BadUnit(_)), .. }) => {
                return self.deafened(close_code::BAD_AUDIO, ctx);
            }
            failed => {
                let cause = failed.and_then(|listened| listened.heard.err()).map(|error| error.to_string());
                tracing::error!(job.id = %self.params.job, cause, "listening to a stream failed");
                return self.deafened(close_code::INTERNAL, ctx);
            }
        };
        self.flushed |= flushed;
        self.settles_on();
        let stretch = self.ports.recogniser.interim_stretch();
        for (index, heard) in heard.iter().enumerate().take(self.channels.len()) {
            let mut effects = Vec::new();
            self.channels[index].hear(heard, stretch, &mut effects);
            self.apply(index, effects, ctx);
        }
        self.listen(ctx);
        self.advance(ctx);
    }

    /// Nothing more can be heard: what waits is lost, and the stream ends so, even if it was already ending well.
    fn deafened(&mut self, close: Close, ctx: &mut Context<Self>) {
        self.flushed = true;
        self.lost_words = true;
        self.waiting_audio.clear();
        self.gate.release(std::mem::take(&mut self.waiting_wire_bytes));
        if let Phase::Settling(End::Asked) = self.phase {
            self.phase = Phase::Settling(End::Closed(close));
        }
        self.end(End::Closed(close), ctx);
        self.advance(ctx);
    }

    fn answer_finalize(&mut self, ctx: &mut Context<Self>) {
        if self.ear.is_none() {
            return;
        }
        while let Some(only) = self.waiting_finalize.pop_front() {
            for index in 0..self.channels.len() {
                if only.is_none_or(|only| usize::from(only) == index) {
                    self.settle(index, Settle::Finalize, ctx);
                }
            }
        }
    }

    fn settle(&mut self, index: usize, why: Settle, ctx: &mut Context<Self>) {
        let mut effects = Vec::new();
        self.channels[index].settle(why, &mut effects);
        self.apply(index, effects, ctx);
    }

    fn apply(&mut self, index: usize, effects: Vec<Effect>, ctx: &mut Context<Self>) {
        for effect in effects {
            match effect {
                Effect::Recognise(work) if work.kind == UnitKind::Interim => self.submit(index, work, ctx),
                Effect::Recognise(work) => {
                    self.waiting_finals.push_back((index, work));
                    self.submit_finals(ctx);
                }
                Effect::DropInterims => {
                    if let Some(handle) = self.interims[index].take() {
                        ctx.cancel_future(handle);
                    }
                }
                Effect::Say(saying) => self.say(index, saying, ctx),
            }
        }
    }

    fn submit_finals(&mut self, ctx: &mut Context<Self>) {
        while self.finals_at_engine < FINALS_AT_ONCE
            && let Some((index, work)) = self.waiting_finals.pop_front()
        {
            self.finals_at_engine += 1;
            self.submit(index, work, ctx);
        }
    }

    fn submit(&mut self, index: usize, work: Work, ctx: &mut Context<Self>) {
        let within = match work.kind {
            UnitKind::Interim => self.live.interim_within,
            UnitKind::Final | UnitKind::Batch => self.live.final_within,
        };
        let (id, kind) = (work.id, work.kind);
        let unit =
            Unit { audio: work.audio, draft: work.draft, kind: work.kind, model: self.params.model.clone() };
        let answer = self.ports.recogniser.submit(self.admission.key, index as u16, unit, within);
        let handle = ctx.spawn(
            async move { answer.await.unwrap_or(Outcome::Failed(EngineError::Stopping)) }
                .into_actor(self)
                .map(move |outcome, actor, ctx| {
                    if kind != UnitKind::Interim {
                        actor.lost_words |= !matches!(outcome, Outcome::Heard(_));
                        actor.finals_at_engine -= 1;
                        actor.submit_finals(ctx);
                    }
                    actor.on_outcome(index, id, outcome, ctx);
                }),
        );
        if kind == UnitKind::Interim {
            // The one before, if it still runs, goes on: its words are shown while the newer one is worked on.
            self.interims[index] = Some(handle);
        }
    }

    fn on_outcome(&mut self, index: usize, id: WorkId, outcome: Outcome, ctx: &mut Context<Self>) {
        if let Outcome::Failed(error) = &outcome {
            tracing::error!(job.id = %self.params.job, cause = %error, "a caption could not be recognised");
        }
        self.settles_on();
        let mut effects = Vec::new();
        self.channels[index].on_outcome(id, outcome, &mut effects);
        self.apply(index, effects, ctx);
        self.listen(ctx);
        self.advance(ctx);
    }

    // ---- saying --------------------------------------------------------------------------------------------------

    fn say(&mut self, index: usize, mut saying: Saying, ctx: &mut Context<Self>) {
        let channel = index as u16;
        let mut emission =
            Emission { keep: Keep::Always, frame: placeholder(), log_line: None, caption: None };
        if let Saying::Caption(caption) = &mut saying {
            // The last frame heard is padded with silence: no caption reaches beyond the audio received.
            let received_s = self.params.seconds(self.received_bytes);
            caption.end_s = caption.end_s.min(received_s).max(caption.start_s);
            if !caption.is_final {
                emission.keep = Keep::NewestOf(u64::from(channel));
            }
            if !caption.text.is_empty() {
                if caption.is_final {
                    let segment = render::segment(self.next_segment, channel, caption);
                    self.next_segment += 1;
                    emission.log_line = Some(json_line(&segment));
                }
                emission.caption = Some(render::bus_caption(&self.params, channel, 0, caption));
            }
        }
        emission.frame = render::live_frame(&self.params, channel, &saying);
        if emission.keep != Keep::Always {
            self.emissions.retain(|waiting| waiting.keep != emission.keep);
        }
        self.emissions.push_back(emission);
        self.emit(ctx);
    }

    /// Takes the next emission through log, bus and outbox; one at a time, so that the order holds everywhere.
    fn emit(&mut self, ctx: &mut Context<Self>) {
        while !self.emitting {
            let Some(emission) = self.emissions.pop_front() else { return };
            let Emission { keep, frame, log_line, caption } = emission;
            if log_line.is_none() && caption.is_none() {
                self.send(keep, &frame, ctx);
                continue;
            }
            self.emitting = true;
            let caption = caption.map(|caption| {
                let seq = self.next_caption;
                self.next_caption += 1;
                BusMessage { seq, body: json(&status::Caption { seq, ..caption }) }
            });
            let (files, bus) = (self.ports.files.clone(), self.ports.bus.clone());
            let (log, topic) = (self.log.clone(), Topic::Captions(self.params.job));
            let within = self.live.settle_timeout;
            let durable = async move {
                if let Some(line) = log_line {
                    let appended = tokio::time::timeout(within, files.append(&log, line)).await;
                    appended.unwrap_or_else(|_| Err(FileError::Unavailable("no answer in time".into())))?;
                }
                if let Some(message) = caption
                    && let Err(error) = bus.publish(topic, message).await
                {
                    tracing::warn!(cause = %error, "a caption did not reach the bus");
                }
                Ok(())
            };
            ctx.spawn(durable.into_actor(self).map(move |result: Result<(), FileError>, actor, ctx| {
                actor.emitting = false;
                match result {
                    Ok(()) => actor.send(keep, &frame, ctx),
                    Err(error) => {
                        tracing::error!(job.id = %actor.params.job, cause = %error, "a segment could not be stored");
                        actor.emissions.clear();
                        actor.lost_words = true;
                        actor.end(End::Closed(close_code::INTERNAL), ctx);
                    }
                }
                actor.emit(ctx);
                actor.listen(ctx);
                actor.advance(ctx);
            }));
        }
    }

    fn send(&mut self, keep: Keep, frame: &ServerFrame, ctx: &mut Context<Self>) {
        let text = String::from_utf8(json(frame).to_vec()).unwrap_or_default();
        if self.outbox.push(keep, text).is_err() {
            return self.end(End::NotReading, ctx);
        }
        self.flush_outbox();
    }

    fn flush_outbox(&mut self) {
        let Some(pump) = &self.pump else { return };
        while let Some(text) = self.outbox.next() {
            // Within the credit window the pump's mailbox has room; a closed pump reports itself as gone.
            if let Err(TellError::Full) = pump.tell(ToPump::Text(text)) {
                tracing::error!(job.id = %self.params.job, "the pump's mailbox is smaller than its window");
            }
        }
    }

    fn tell_pump(&self, message: ToPump) {
        if let Some(pump) = &self.pump {
            let _ = pump.tell(message);
        }
    }

    // ---- ending --------------------------------------------------------------------------------------------------

    fn end(&mut self, end: End, ctx: &mut Context<Self>) {
        match self.phase {
            Phase::Open => {
                tracing::info!(job.id = %self.params.job, reason = ?end, "live stream ends");
                self.phase = Phase::Settling(end);
                self.settle_by = Some(Instant::now() + self.live.settle_timeout);
                if let Some(within) = self.haste(end) {
                    self.hurry(within);
                }
            }
            // A client that is gone, or that does not read, while it is waited for: nothing is left to answer.
            Phase::Settling(End::Asked | End::Closed(_)) if matches!(end, End::Gone | End::NotReading) => {
                self.phase = Phase::Settling(end);
            }
            Phase::Settling(_) => match self.haste(end) {
                Some(within) => self.hurry(within),
                None => return,
            },
            Phase::Concluding(_) => return,
        }
        if end == End::NotReading {
            (self.cut)();
            self.pump = None;
        }
        if end == End::Gone {
            self.pump = None;
        }
        self.listen(ctx);
        self.advance(ctx);
    }

    /// Returns how long an ending may take at most, where somebody waits for it.
    fn haste(&self, end: End) -> Option<Duration> {
        match end {
            End::Closed(close_code::GOING_AWAY) => Some(self.live.drain_timeout),
            End::Closed(close_code::SESSION_OVER) => {
                Some(self.live.revoked_timeout.min(self.live.drain_timeout))
            }
            _ => None,
        }
    }

    /// Bounds what an ending stream may still take.
    fn hurry(&mut self, within: Duration) {
        let by = Instant::now() + within;
        self.settle_by = Some(self.settle_by.map_or(by, |already| already.min(by)));
        self.hurried = true;
    }

    /// Notes that something was heard, recognised or sent: only an ending that stands still is given up.
    fn settles_on(&mut self) {
        if self.settle_by.is_some() && !self.hurried {
            self.settle_by = Some(Instant::now() + self.live.settle_timeout);
        }
    }

    /// Moves an ending stream on as far as it can go.
    fn advance(&mut self, ctx: &mut Context<Self>) {
        let Phase::Settling(end) = self.phase else { return };
        let late = self.settle_by.is_some_and(|by| Instant::now() >= by);
        if !self.flushed && !late {
            return;
        }
        if self.flushed && self.waiting_audio.is_empty() {
            self.answer_finalize(ctx);
            for index in 0..self.channels.len() {
                self.settle(index, Settle::End, ctx);
            }
        }
        let settled = self.channels.iter().all(|channel| channel.pending_finals() == 0)
            && self.emissions.is_empty()
            && !self.emitting
            && (self.outbox.is_empty() || self.pump.is_none());
        if !settled && !late {
            return;
        }
        if late && !settled {
            tracing::warn!(job.id = %self.params.job, "a stream did not settle in time");
            self.lost_words |= !self.flushed
                || !self.emissions.is_empty()
                || self.channels.iter().any(|channel| channel.pending_finals() > 0);
        }
        self.phase = Phase::Concluding(end);
        let failure = match end {
            End::Canceled => Some(ErrorCode::Canceled),
            End::Closed(close_code::INTERNAL) => Some(ErrorCode::Internal),
            _ if self.lost_words => Some(ErrorCode::Internal),
            _ => None,
        };
        let conclusion = Conclusion {
            lease: self.lease,
            log: self.log.clone(),
            language: self.params.language.clone(),
            model: self.params.model.clone(),
            duration_ms: (self.params.seconds(self.received_bytes) * 1000.0).round() as u64,
            failure,
        };
        let (ports, within) = (self.ports.clone(), self.live.settle_timeout);
        ctx.spawn(
            async move { tokio::time::timeout(within, conclude(&ports, conclusion)).await.is_ok() }
                .into_actor(self)
                .map(move |in_time, actor, ctx| {
                    if !in_time {
                        tracing::error!(job.id = %actor.params.job, "a stream's artifacts were not written in time");
                    }
                    actor.say_goodbye(end, ctx);
                }),
        );
    }

    fn say_goodbye(&mut self, end: End, ctx: &mut Context<Self>) {
        let close = match end {
            End::Asked => Some(close_code::DONE),
            End::Closed(close) => Some(close),
            End::Canceled => Some(close_code::POLICY),
            End::Gone | End::NotReading => None,
        };
        if let Some(close) = close {
            let metadata = render::metadata_frame(
                &self.params,
                self.fingerprint.digits(),
                crate::time::rfc3339(self.ports.clock.now()),
                self.params.seconds(self.received_bytes),
            );
            if self.pump.is_none() || !self.outbox.is_empty() {
                // Nobody is there to say it, or the client reads so slowly that a goodbye would not reach it either.
                (self.cut)();
            }
            self.outbox.credit(1);
            self.send(Keep::Always, &metadata, ctx);
            self.tell_pump(ToPump::Close(close));
        }
        self.exit.set(match end {
            End::Closed(close_code::INTERNAL) => Exit::Failed,
            End::Closed(close_code::GOING_AWAY) => Exit::Drained,
            _ => Exit::Done,
        });
        ctx.stop();
    }

    // ---- time ----------------------------------------------------------------------------------------------------

    fn tick(&mut self, ctx: &mut Context<Self>) {
        const TICK: Duration = Duration::from_millis(500);
        ctx.run_later(TICK, |actor, ctx| actor.tick(ctx));
        let now = Instant::now();
        if now >= self.next_heartbeat && !self.beating {
            self.beat(now, ctx);
        }
        if self.gate.is_gone() {
            self.end(End::Gone, ctx);
        }
        if self.phase == Phase::Open {
            if now - self.started >= self.live.max_session {
                return self.end(End::Closed(close_code::GOING_AWAY), ctx);
            }
            match self.liveness.check(now, self.gate.is_open(), self.outbox.is_stalled()) {
                Verdict::Fine => {}
                Verdict::Ping => self.tell_pump(ToPump::Ping),
                Verdict::Idle => self.end(End::Closed(close_code::IDLE), ctx),
                Verdict::NotReading => self.end(End::NotReading, ctx),
            }
        }
        self.advance(ctx);
    }

    fn beat(&mut self, now: Instant, ctx: &mut Context<Self>) {
        self.beating = true;
        self.next_heartbeat = now + self.live.heartbeat;
        let (store, lease) = (self.ports.store.clone(), self.lease);
        let lease_until = self.ports.clock.now().plus_ms(self.live.lease.as_millis() as i64);
        let duration_ms = (self.params.seconds(self.received_bytes) * 1000.0) as u64;
        ctx.spawn(
            async move { store.heartbeat(lease, lease_until, Permille(0), Some(duration_ms)).await }
                .into_actor(self)
                .map(|answer, actor, ctx| {
                    actor.beating = false;
                    match answer {
                        Ok((Heartbeat::Held, _)) => {}
                        Ok((Heartbeat::CancelRequested, _)) => actor.end(End::Canceled, ctx),
                        Err(StoreError::LeaseLost) => actor.end(End::Closed(close_code::INTERNAL), ctx),
                        // The lease is longer than a few beats: a busy index is asked again.
                        Err(error) => tracing::warn!(cause = %error, "a stream's heartbeat failed"),
                    }
                }),
        );
    }
}

fn placeholder() -> ServerFrame {
    ServerFrame::ConfigureSuccess { request_id: String::new() }
}

fn json(value: &impl serde::Serialize) -> Bytes {
    // Wire types hold strings, numbers and lists only: serialising them cannot fail.
    serde_json::to_vec(value).unwrap_or_default().into()
}

fn json_line(value: &impl serde::Serialize) -> Bytes {
    let mut line = serde_json::to_vec(value).unwrap_or_default();
    line.push(b'\n');
    line.into()
}

fn is_typed_object(text: &str) -> bool {
    serde_json::from_str::<serde_json::Value>(text).is_ok_and(|value| value["type"].is_string())
}

impl Actor for SessionActor {
    type Context = Context<Self>;

    fn started(&mut self, ctx: &mut Self::Context) {
        self.tick(ctx);
    }
}

impl Handler<Attach> for SessionActor {
    type Result = ();

    fn handle(&mut self, Attach(pump): Attach, _: &mut Self::Context) {
        self.pump = Some(pump);
        self.flush_outbox();
    }
}

impl Handler<FromPump> for SessionActor {
    type Result = ();

    fn handle(&mut self, message: FromPump, ctx: &mut Self::Context) {
        self.tell_pump(ToPump::Taken);
        match message {
            FromPump::Binary { data, wire_bytes } => self.on_audio(data, wire_bytes, ctx),
            // Deepgram's older way of closing a stream.
            FromPump::Empty => self.end(End::Asked, ctx),
            FromPump::Text { text, wire_bytes } => {
                self.gate.release(wire_bytes);
                self.on_text(&text, ctx);
            }
        }
    }
}

impl SessionActor {
    fn on_text(&mut self, text: &str, ctx: &mut Context<Self>) {
        if self.phase != Phase::Open {
            return;
        }
        self.liveness.on_text(Instant::now());
        let frame = match serde_json::from_str::<ClientFrame>(text) {
            Ok(frame) => frame,
            // A message of a later protocol version is no reason to end a stream; text that is no message is.
            Err(_) if is_typed_object(text) => return,
            Err(_) => return self.end(End::Closed(close_code::POLICY), ctx),
        };
        match frame {
            ClientFrame::KeepAlive => {}
            ClientFrame::Finalize { channel } => {
                // Asked twice before it is answered is asked once, so that the list stays as short as the channels.
                let is_heard = channel.is_none_or(|channel| usize::from(channel) < self.channels.len());
                if is_heard && !self.waiting_finalize.contains(&channel) {
                    self.waiting_finalize.push_back(channel);
                }
                self.listen(ctx);
            }
            ClientFrame::CloseStream => self.end(End::Asked, ctx),
            ClientFrame::Configure { keyterms } => {
                let frame = self.configured(keyterms.is_some_and(|terms| !terms.is_empty()));
                self.emissions.push_back(Emission {
                    keep: Keep::Always,
                    frame,
                    log_line: None,
                    caption: None,
                });
                self.emit(ctx);
            }
        }
    }

    fn configured(&self, wants_keyterms: bool) -> ServerFrame {
        let request_id = self.params.job.to_string();
        if wants_keyterms {
            return ServerFrame::ConfigureFailure {
                request_id,
                code: "CONFIGURE_KEYTERMS_NOT_SUPPORTED".into(),
                description: "This model takes no key terms; send Configure without them.".into(),
            };
        }
        ServerFrame::ConfigureSuccess { request_id }
    }
}

impl Handler<SocketEvent> for SessionActor {
    type Result = ();

    fn handle(&mut self, event: SocketEvent, ctx: &mut Self::Context) {
        match event {
            SocketEvent::Pong => self.liveness.on_pong(),
            SocketEvent::Sent(frames) => {
                self.outbox.credit(frames);
                self.flush_outbox();
                self.settles_on();
                self.advance(ctx);
            }
            SocketEvent::Gone => self.end(End::Gone, ctx),
        }
    }
}

impl Handler<Leave> for SessionActor {
    type Result = ();

    fn handle(&mut self, Leave(close): Leave, ctx: &mut Self::Context) {
        self.end(End::Closed(close), ctx);
    }
}
