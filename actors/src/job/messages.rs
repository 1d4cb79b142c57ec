//! What a job needs to run and what it can be told.

use crate::ports::bus::StatusBus;
use crate::ports::clock::{Clock, Ids};
use crate::ports::engine::VoiceDetector;
use crate::ports::files::FileStore;
use crate::ports::media::MediaDecoder;
use crate::ports::recogniser::Recogniser;
use crate::ports::store::Store;
use crate::ports::translator::Translator;
use crate::segment::SegmentConfig;
use crate::supervise::Backoff;
use actix::prelude::Message;
use sottovoce_protocol::ids::ModelId;
use std::sync::Arc;
use std::time::Duration;

/// Opens voice detectors with fresh state.
pub type VoiceMaker = Arc<dyn Fn() -> Box<dyn VoiceDetector> + Send + Sync>;

/// The ports of batch work.
#[derive(Clone)]
pub struct JobPorts {
    /// Index.
    pub store: Arc<dyn Store>,
    /// Uploads and artifacts.
    pub files: Arc<dyn FileStore>,
    /// Status.
    pub bus: Arc<dyn StatusBus>,
    /// Speech engine.
    pub recogniser: Arc<dyn Recogniser>,
    /// Translation, computed by the speech engine's threads.
    pub translator: Arc<dyn Translator>,
    /// Voice activity.
    pub voice: VoiceMaker,
    /// Decoders.
    pub media: Arc<dyn MediaDecoder>,
    /// Wall time.
    pub clock: Arc<dyn Clock>,
    /// Identifiers and jitter.
    pub ids: Arc<dyn Ids>,
}

/// How batch jobs run.
#[derive(Clone, Debug)]
pub struct JobConfig {
    /// How long a lease lasts.
    pub lease: Duration,
    /// How often it is renewed and progress noted; well below `lease`.
    pub heartbeat_every: Duration,
    /// A job that hears nothing for so long has hung.
    pub stall_after: Duration,
    /// Longest audio, in seconds; longer is `media_too_long`.
    pub max_audio_s: u64,
    /// Longest text, in bytes; longer is `too_large`.
    pub max_text_bytes: u64,
    /// Utterances of one job at the engine at the same time.
    pub lanes: usize,
    /// How long the engine may take to begin a unit.
    pub unit_within: Duration,
    /// Delays between attempts of a job.
    pub retry: Backoff,
    /// Delays between tries to write a job's end.
    pub settle: Backoff,
    /// Tries to write a job's end before the lease is left to run out.
    pub settle_tries: u32,
    /// How utterances are cut.
    pub segment: SegmentConfig,
    /// Model of a job that names none.
    pub default_model: ModelId,
    /// Language of a job that names none.
    pub default_language: String,
    /// Name of the engine in the transcript document.
    pub engine: String,
}

impl JobConfig {
    /// Cuts for stored files: long enough for context, short enough for the engine's limit of 30 s.
    pub const SEGMENT: SegmentConfig = SegmentConfig {
        start_probability: 0.5,
        end_probability: 0.35,
        start_frames: 3,
        pre_roll_frames: SegmentConfig::frames(250),
        post_roll_frames: SegmentConfig::frames(250),
        pause_frames: SegmentConfig::frames(700),
        pause_late_frames: SegmentConfig::frames(130),
        late_from_frames: SegmentConfig::frames(10_000),
        max_frames: SegmentConfig::frames(26_000),
        look_back_frames: SegmentConfig::frames(4_000),
    };
}

/// What a running job can be told.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Message)]
#[rtype(result = "()")]
pub enum JobOrder {
    /// Give the lease back and stop: this node stops.
    Release,
    /// Ask the index now whether the owner cancelled.
    Beat,
}
