//! The speech engine port: units of work in, hypotheses out.
//!
//! `Engine` is the blocking computation, called on the pool's own OS threads; `Recogniser` is the asynchronous front
//! that sessions and jobs hold. Neither knows an actor, a socket or a model file.

use crate::segment::FRAME_SAMPLES;
use sottovoce_protocol::ids::ModelId;
use std::sync::Arc;
use std::time::Duration;

/// Every engine hears 16 kHz mono `f32` samples in −1..1.
pub const SAMPLE_RATE_HZ: u32 = 16_000;

/// A token of a model's vocabulary. Models of one family (Moonshine tiny and base) share a vocabulary.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct TokenId(pub u32);

/// What a unit of work is for; it decides its place in the queue and which pass of a two-pass model runs.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum UnitKind {
    /// A growing caption of a live stream: may be superseded by a newer one.
    Interim,
    /// The settled caption of a live utterance: never lost.
    Final,
    /// A piece of a stored file: uses what live work leaves.
    Batch,
}

/// One utterance, or the beginning of one, to be recognised.
#[derive(Clone, Debug)]
pub struct Unit {
    /// 16 kHz mono samples, at most [`MAX_UNIT_SECONDS`] of them.
    pub audio: Arc<[f32]>,
    /// An earlier hypothesis of the same utterance (empty if none): only a hint that saves work.
    pub draft: Vec<TokenId>,
    /// What the unit is for.
    pub kind: UnitKind,
    /// Which model; a two-pass model (`moonshine`) runs its small one for `Interim` and its large one otherwise.
    pub model: ModelId,
}

/// The longest unit an engine must accept, in seconds.
pub const MAX_UNIT_SECONDS: u32 = 30;

/// A recognised word. Times are seconds from the start of the unit's audio.
#[derive(Clone, PartialEq, Debug)]
pub struct HeardWord {
    /// The word with its punctuation and case, without surrounding space.
    pub text: String,
    /// Start, in seconds, `0 <= start <= end <= audio length`.
    pub start_s: f32,
    /// End, in seconds.
    pub end_s: f32,
    /// Mean probability of the word's tokens, 0..1.
    pub confidence: f32,
}

/// What the engine heard in one unit.
#[derive(Clone, PartialEq, Debug, Default)]
pub struct Hypothesis {
    /// The text, trimmed; empty where nothing was said.
    pub text: String,
    /// Its tokens, to serve as the draft of the next unit of the same utterance.
    pub tokens: Vec<TokenId>,
    /// Its words in order, starts never going back; joined by spaces they are `text`.
    pub words: Vec<HeardWord>,
    /// Mean token probability, 0..1; 0 for an empty text.
    pub confidence: f32,
}

/// What a model of the engine can do.
#[derive(Clone, PartialEq, Debug)]
pub struct ModelInfo {
    /// Catalogue id, as clients name it.
    pub id: ModelId,
    /// BCP-47 primary subtags it understands.
    pub languages: Vec<String>,
    /// Version string shown in `model_info`.
    pub version: String,
}

/// Why a unit failed. None of these is the client's fault unless it says so.
#[derive(Debug, thiserror::Error)]
pub enum EngineError {
    /// The model is not loaded here.
    #[error("model {0} is not loaded")]
    UnknownModel(ModelId),
    /// The unit breaks the port's contract (too long).
    #[error("unit of work refused: {0}")]
    BadUnit(&'static str),
    /// The computation failed or panicked; the unit may be submitted once more.
    #[error("engine failed: {0}")]
    Failed(String),
    /// The pool is stopping.
    #[error("engine is stopping")]
    Stopping,
}

/// The blocking side: pure computation, weights shared by all callers, no threads of its own.
pub trait Engine: Send + Sync + 'static {
    /// Returns the models that can be asked for.
    fn models(&self) -> Vec<ModelInfo>;

    /// Recognises one unit. Called on an engine worker thread; takes up to seconds. May panic only by a bug, which the
    /// pool catches.
    fn recognise(&self, unit: &Unit) -> Result<Hypothesis, EngineError>;

    /// Opens a voice detector with fresh state; weights are shared.
    fn voice_detector(&self) -> Box<dyn VoiceDetector>;

    /// CPU seconds that one second of live speech costs with this model (interims and finals), measured when it was
    /// loaded. Used for admission.
    fn live_cost(&self, model: &ModelId) -> f32;
}

/// Voice activity of one audio channel; keeps recurrent state between frames.
pub trait VoiceDetector: Send {
    /// Returns the probability, 0..1, that the frame of 32 ms (16 kHz) holds speech.
    fn probability(&mut self, frame: &[f32; FRAME_SAMPLES]) -> Result<f32, EngineError>;
}

/// How a submitted unit ended.
#[derive(Debug)]
pub enum Outcome {
    /// The engine answered.
    Heard(Hypothesis),
    /// A newer interim, or a final, of the same stream and channel took its place before it ran.
    Superseded,
    /// The engine failed; finals were already tried a second time.
    Failed(EngineError),
}

/// Names the stream or job a unit belongs to: interims of one key coalesce, keys are served in turn.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Debug)]
pub struct StreamKey(pub u64);

/// Why a stream is not admitted.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub enum Refused {
    /// The machine is full: come back later.
    #[error("the engine is full, retry after {}s", retry_after.as_secs())]
    Full {
        /// When it makes sense to try again.
        retry_after: Duration,
    },
    /// More channels than this machine carries at its emptiest: coming back does not help.
    #[error("the engine carries streams of up to {carried} channels")]
    TooManyChannels {
        /// How many it carries.
        carried: u32,
    },
}
