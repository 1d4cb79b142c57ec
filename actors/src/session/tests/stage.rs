//! A session in virtual time with everything around it in memory: the pump is played by an actor that keeps what it is
//! told, reads or does not read, and answers pings or does not.

use crate::mailbox::{Tell, TellError};
use crate::ports::bus::Topic;
use crate::ports::clock::{Clock, Ids};
use crate::ports::ear::{AudioFormat, Ear, Ears, Encoding};
use crate::ports::recogniser::Recogniser;
use crate::ports::store::{EpochMs, Job, NewStream, Store};
use crate::segment::SegmentConfig;
use crate::session::liveness::LivenessConfig;
use crate::session::params::{LiveConfig, StreamParams};
use crate::session::{SessionActor, SessionPorts, SessionStart};
use crate::socket::gate::{Gate, wire_bytes};
use crate::socket::messages::{Attach, FromPump, Leave, SocketEvent, ToPump};
use crate::socket::{PUMP_MAILBOX, PUMP_WINDOW};
use crate::supervise::{Exit, ExitGuard};
use crate::testkit::{
    MemoryBus, MemoryFiles, MemoryStore, ScriptedEars, ScriptedEngine, ScriptedRecogniser, SeededIds,
    VirtualClock, tone,
};
use crate::transcript::log_ref;
use actix::prelude::*;
use bytes::Bytes;
use sottovoce_protocol::close_code::Close;
use sottovoce_protocol::ids::{AccountId, JobId, ModelId, NodeId};
use sottovoce_protocol::jobs::{ArtifactKind, JobParams, JobType};
use sottovoce_protocol::live::{ModelInfo, ServerFrame};
use sottovoce_protocol::status;
use sottovoce_protocol::transcript::Transcript;
use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio::sync::oneshot;
use tokio::time::Instant;

/// Audio sent at a time, in milliseconds.
pub const CHUNK_MS: u64 = 100;

/// What the pump was told, or saw, and when.
#[derive(Clone, PartialEq, Debug)]
pub enum Told {
    Frame(ServerFrame),
    Ping,
    Close(Close),
}

/// What the pump and the test share.
#[derive(Default)]
pub struct PumpState {
    pub told: Vec<(Instant, Told)>,
    /// Frames that the client has not read yet.
    unread: u32,
    pub not_reading: bool,
    pub mute: bool,
    /// Finals with words that were not in the segment log when they were sent.
    pub sent_before_stored: Vec<String>,
    /// Messages that the session has not answered with `Taken`.
    unanswered: usize,
}

struct Pump {
    state: Arc<Mutex<PumpState>>,
    events: Tell<SocketEvent>,
    files: MemoryFiles,
    job: JobId,
}

impl Actor for Pump {
    type Context = Context<Self>;
}

impl Handler<ToPump> for Pump {
    type Result = ();

    fn handle(&mut self, message: ToPump, _: &mut Self::Context) {
        let mut state = self.state.lock().unwrap();
        let now = Instant::now();
        match message {
            ToPump::Text(text) => {
                let frame: ServerFrame = serde_json::from_str(&text).unwrap();
                if let ServerFrame::Results { is_final: true, channel, .. } = &frame {
                    let words = &channel.alternatives[0].transcript;
                    let log = self.files.content(&log_ref(self.job)).unwrap_or_default();
                    if !words.is_empty() && !String::from_utf8(log).unwrap().contains(words.as_str()) {
                        state.sent_before_stored.push(words.clone());
                    }
                }
                state.told.push((now, Told::Frame(frame)));
                if state.not_reading {
                    state.unread += 1;
                } else {
                    let _ = self.events.tell(SocketEvent::Sent(1));
                }
            }
            ToPump::Ping => {
                state.told.push((now, Told::Ping));
                if !state.mute {
                    let _ = self.events.tell(SocketEvent::Pong);
                }
            }
            ToPump::Close(close) => state.told.push((now, Told::Close(close))),
            ToPump::Taken => state.unanswered -= 1,
        }
    }
}

/// What a stream is made of, before it starts.
pub struct Stage {
    pub store: MemoryStore,
    pub files: MemoryFiles,
    pub bus: MemoryBus,
    pub recogniser: ScriptedRecogniser,
    pub live: LiveConfig,
    pub params: StreamParams,
    /// What the session listens and recognises with, where it is not `recogniser` itself.
    pub hears_with: Option<Arc<dyn Recogniser>>,
    pub ear: Option<Box<dyn Ear>>,
    clock: Arc<dyn Clock>,
    ids: Arc<dyn Ids>,
}

/// Settings as in `default.toml`.
pub fn live_config() -> LiveConfig {
    let (seconds, ms) = (Duration::from_secs, Duration::from_millis);
    LiveConfig {
        liveness: LivenessConfig {
            idle_timeout: seconds(10),
            ping_interval: seconds(8),
            pong_timeout: seconds(15),
            stall_timeout: seconds(15),
        },
        segment: SegmentConfig {
            start_probability: 0.5,
            end_probability: 0.35,
            start_frames: 3,
            pre_roll_frames: 8,
            post_roll_frames: 7,
            pause_frames: 16,
            pause_late_frames: 4,
            late_from_frames: 125,
            max_frames: 375,
            look_back_frames: 22,
        },
        interim_step: ms(500),
        interim_late_step: ms(1_000),
        interim_late_after: ms(3_000),
        silence_report: seconds(5),
        final_within: seconds(1),
        interim_within: ms(500),
        max_pending_finals: 4,
        credit_window: 64,
        outbox_bytes: 256 * 1024,
        heartbeat: seconds(10),
        lease: seconds(30),
        settle_timeout: seconds(5),
        drain_timeout: seconds(5),
        revoked_timeout: seconds(1),
        max_session: seconds(24 * 3600),
    }
}

impl Stage {
    /// Stops the clocks and sets a stage.
    pub fn new(engine: ScriptedEngine) -> Self {
        tokio::time::pause();
        Self::on_stopped_clocks(engine)
    }

    /// Sets a mono 16 kHz stage with interims; the clocks, which can be stopped once, stand already.
    pub fn on_stopped_clocks(engine: ScriptedEngine) -> Self {
        let ids = Arc::new(SeededIds::new(1));
        let params = StreamParams {
            job: JobId::from_uuid(ids.uuid()),
            account: AccountId::from_uuid(ids.uuid()),
            model: ModelId::new("moonshine"),
            language: "en".into(),
            model_info: ModelInfo { name: "moonshine".into(), version: "1".into(), arch: "moonshine".into() },
            model_uuid: ids.uuid().to_string(),
            format: AudioFormat {
                encoding: Encoding::Linear16,
                sample_rate_hz: 16_000,
                channels: 1,
                multichannel: false,
            },
            interim_results: true,
            endpointing_ms: Some(10),
            utterance_end_ms: None,
            vad_events: false,
            punctuate: true,
            extra: BTreeMap::from([("room".into(), "7".into())]),
        };
        Self {
            store: MemoryStore::new(),
            files: MemoryFiles::new(),
            bus: MemoryBus::new(),
            recogniser: ScriptedRecogniser::new(engine),
            live: live_config(),
            params,
            hears_with: None,
            ear: None,
            clock: Arc::new(VirtualClock::at(EpochMs(1_767_225_600_000))),
            ids,
        }
    }

    /// Opens the stream as the handshake does.
    pub async fn open(self) -> Live {
        let (job, account) = (self.params.job, self.params.account);
        self.store.add_account(account);
        let ports = SessionPorts {
            recogniser: self.hears_with.unwrap_or_else(|| Arc::new(self.recogniser.clone())),
            store: Arc::new(self.store.clone()),
            files: Arc::new(self.files.clone()),
            bus: Arc::new(self.bus.clone()),
            clock: self.clock.clone(),
            ids: self.ids.clone(),
        };
        let admission =
            self.recogniser.admit(&self.params.model, self.params.format.heard_channels()).unwrap();
        let stream = NewStream {
            id: job,
            account,
            params: JobParams {
                job_type: JobType::Stream,
                language: None,
                detect_language: None,
                target_language: None,
                model: None,
                multichannel: None,
                callback_url: None,
                priority: None,
            },
            log: log_ref(job),
            node: NodeId::from_uuid(self.ids.uuid()),
            lease_until: self.clock.now().plus_ms(self.live.lease.as_millis() as i64),
            now: self.clock.now(),
        };
        let (_, lease) = self.store.open_stream(stream).await.unwrap();
        let gate = Arc::new(Gate::new(1_200_000));
        let was_cut = Arc::new(AtomicBool::new(false));
        let cuts = was_cut.clone();
        let (exit, exited) = oneshot::channel();
        let bytes_per_second = self.params.bytes(Duration::from_secs(1));
        let session = SessionActor::run(SessionStart {
            ear: self.ear.unwrap_or_else(|| ScriptedEars.open(self.params.format)),
            params: self.params,
            live: Arc::new(self.live),
            ports,
            admission,
            lease,
            log: log_ref(job),
            gate: gate.clone(),
            cut: Box::new(move || cuts.store(true, Ordering::Relaxed)),
            exit: ExitGuard::new(move |how| exit.send(how).unwrap()),
        });
        let state = Arc::new(Mutex::new(PumpState::default()));
        let pump =
            Pump { state: state.clone(), events: Tell::to(session.clone()), files: self.files.clone(), job };
        let pump = Pump::create(|ctx| {
            ctx.set_mailbox_capacity(PUMP_MAILBOX);
            pump
        });
        Tell::to(session.clone()).tell(Attach(Tell::to(pump))).unwrap();
        Live {
            job,
            account,
            bytes_per_second,
            messages: Tell::to(session.clone()),
            events: Tell::to(session.clone()),
            leave: Tell::to(session),
            pump: state,
            gate,
            was_cut,
            exited,
            store: self.store,
            files: self.files,
            bus: self.bus,
            recogniser: self.recogniser,
            clock: self.clock,
        }
    }
}

/// A running stream and its client.
pub struct Live {
    pub job: JobId,
    pub account: AccountId,
    pub bytes_per_second: usize,
    messages: Tell<FromPump>,
    pub events: Tell<SocketEvent>,
    pub leave: Tell<Leave>,
    pub pump: Arc<Mutex<PumpState>>,
    pub gate: Arc<Gate>,
    pub was_cut: Arc<AtomicBool>,
    pub exited: oneshot::Receiver<Exit>,
    pub store: MemoryStore,
    pub files: MemoryFiles,
    pub bus: MemoryBus,
    pub recogniser: ScriptedRecogniser,
    clock: Arc<dyn Clock>,
}

pub async fn pass(time: Duration) {
    tokio::time::sleep(time).await;
}

pub async fn pass_s(seconds: u64) {
    pass(Duration::from_secs(seconds)).await;
}

impl Live {
    /// Hands one message on, as the pump does: within its window, and counted by the gate.
    async fn message(&self, message: FromPump) {
        while self.pump.lock().unwrap().unanswered >= PUMP_WINDOW {
            pass(Duration::from_millis(1)).await;
        }
        match self.messages.tell(message) {
            Ok(()) => self.pump.lock().unwrap().unanswered += 1,
            Err(error) => assert_eq!(error, TellError::Closed, "there is room within the window"),
        }
    }

    pub async fn binary(&self, data: Bytes) {
        let wire = wire_bytes(data.len());
        self.gate.take(wire as usize);
        self.message(FromPump::Binary { data, wire_bytes: wire }).await;
    }

    pub async fn text(&self, text: &str) {
        let wire = wire_bytes(text.len());
        self.gate.take(wire as usize);
        self.message(FromPump::Text { text: text.into(), wire_bytes: wire }).await;
    }

    pub async fn empty(&self) {
        self.message(FromPump::Empty).await;
    }

    pub async fn close_stream(&self) {
        self.text(r#"{"type":"CloseStream"}"#).await;
    }

    /// Sends audio in real time.
    pub async fn play(&self, audio: &[f32]) {
        self.play_bytes(&tone::linear16(audio)).await;
    }

    pub async fn play_bytes(&self, bytes: &[u8]) {
        for chunk in bytes.chunks(self.bytes_per_second / 10) {
            self.binary(Bytes::copy_from_slice(chunk)).await;
            pass(Duration::from_millis(CHUNK_MS)).await;
        }
    }

    /// Sends audio as fast as the gate lets it.
    pub async fn pour(&self, audio: &[f32]) {
        for chunk in tone::linear16(audio).chunks(64 * 1024) {
            while !self.gate.is_open() {
                pass(Duration::from_millis(5)).await;
            }
            self.binary(Bytes::copy_from_slice(chunk)).await;
        }
    }

    /// Reads on, what waited included, or stops to read.
    pub fn set_reading(&self, reading: bool) {
        let mut state = self.pump.lock().unwrap();
        state.not_reading = !reading;
        let unread = std::mem::take(&mut state.unread);
        drop(state);
        if reading && unread > 0 {
            let _ = self.events.tell(SocketEvent::Sent(unread));
        }
    }

    pub fn told(&self) -> Vec<Told> {
        self.pump.lock().unwrap().told.iter().map(|(_, told)| told.clone()).collect()
    }

    pub fn frames(&self) -> Vec<ServerFrame> {
        let told = self.told().into_iter();
        told.filter_map(|told| if let Told::Frame(frame) = told { Some(frame) } else { None }).collect()
    }

    pub fn captions(&self) -> Vec<Shown> {
        self.frames().into_iter().filter_map(Shown::of).collect()
    }

    pub fn finals(&self) -> Vec<Shown> {
        self.captions().into_iter().filter(|caption| caption.is_final).collect()
    }

    /// Returns the words of a channel's finals, in order.
    pub fn words(&self, channel: u16) -> String {
        words_of(self.finals().into_iter().filter(|caption| caption.channel == channel))
    }

    pub fn close(&self) -> Option<Close> {
        self.told()
            .into_iter()
            .find_map(|told| if let Told::Close(close) = told { Some(close) } else { None })
    }

    /// Waits for the end; returns how it came.
    pub async fn ended(&mut self) -> Exit {
        let exit = tokio::time::timeout(Duration::from_secs(600), &mut self.exited);
        let exit = exit.await.expect("the session ends").expect("its guard speaks");
        // What the session said last is still in the pump's mailbox.
        pass(Duration::from_millis(1)).await;
        exit
    }

    pub fn row(&self) -> Job {
        self.store.row(self.job).unwrap()
    }

    pub fn transcript(&self) -> Transcript {
        let row = self.row();
        let artifact = row.artifacts.iter().find(|artifact| artifact.kind == ArtifactKind::Json);
        serde_json::from_slice(&self.files.content(&artifact.unwrap().storage).unwrap()).unwrap()
    }

    /// Returns the words of the stream's `json` artifact.
    pub fn kept_words(&self) -> String {
        let segments = self.transcript().segments;
        segments.iter().map(|segment| segment.text.as_str()).collect::<Vec<_>>().join(" ")
    }

    /// Returns the captions that subscribers were shown.
    pub fn published(&self) -> Vec<status::Caption> {
        let messages = self.bus.published(Topic::Captions(self.job));
        messages.iter().map(|message| serde_json::from_slice(&message.body).unwrap()).collect()
    }

    /// Asks for the running stream to be ended, as `DELETE /saas/jobs/{id}` does.
    pub async fn delete(&self) {
        self.store.delete(self.account, self.job, self.clock.now()).await.unwrap();
    }

    pub fn now(&self) -> EpochMs {
        self.clock.now()
    }
}

pub fn words_of(captions: impl Iterator<Item = Shown>) -> String {
    captions.map(|caption| caption.text).filter(|text| !text.is_empty()).collect::<Vec<_>>().join(" ")
}

/// A `Results`, flat. Times in milliseconds.
#[derive(Clone, PartialEq, Debug)]
pub struct Shown {
    pub channel: u16,
    pub start_ms: i64,
    pub end_ms: i64,
    pub is_final: bool,
    pub speech_final: bool,
    pub from_finalize: bool,
    pub text: String,
    pub confidence: f64,
    pub word_times_ms: Vec<(i64, i64)>,
}

impl Shown {
    fn of(frame: ServerFrame) -> Option<Self> {
        let ms = |seconds: f64| (seconds * 1000.0).round() as i64;
        let ServerFrame::Results {
            channel_index,
            duration,
            start,
            is_final,
            speech_final,
            from_finalize,
            channel,
            ..
        } = frame
        else {
            return None;
        };
        let alternative = &channel.alternatives[0];
        Some(Self {
            channel: channel_index[0],
            start_ms: ms(start),
            end_ms: ms(start + duration),
            is_final,
            speech_final,
            from_finalize,
            text: alternative.transcript.clone(),
            confidence: alternative.confidence,
            word_times_ms: alternative.words.iter().map(|word| (ms(word.start), ms(word.end))).collect(),
        })
    }
}
