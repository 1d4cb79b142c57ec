//! The embedded engine: loaded models behind the `Engine` port.
//!
//! Owns which model hears which unit. Never queues, never starts work by itself.

use crate::convert::{MoonshineSources, PrepareError, WeightRange, prepare};
use crate::cost;
use crate::moonshine::{ModelError, Moonshine, RunError};
use crate::silero::{Silero, SileroError};
use crate::tokenizer::{Tokenizer, TokenizerError};
use crate::words::TimedTokens;
use crate::{align, pauses, words, worker};
use sottovoce_actors::ports::engine::{
    Engine, EngineError, Hypothesis, MAX_UNIT_SECONDS, ModelInfo, SAMPLE_RATE_HZ, TokenId, Unit, UnitKind,
    VoiceDetector,
};
use sottovoce_protocol::ids::ModelId;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Audio shorter than this (0.1 s) holds no word and is not decoded.
const SHORTEST_SPEECH_SAMPLES: usize = 1_600;

/// How far the attention of each model lags behind the sound, in seconds: the median difference of word starts against
/// faster-whisper (base) over 1,300 words. With it the median distance is 0.02 s (tiny) and 0.03 s (base).
const TINY_LAG_S: f32 = 0.0;
const BASE_LAG_S: f32 = 0.08;

/// The models that the embedded engine knows.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum EmbeddedModel {
    /// `moonshine`: tiny for interims, base for finals and files.
    TwoPass,
    /// `moonshine-tiny`: the small one for everything.
    Tiny,
    /// `moonshine-base`: the large one for everything.
    Base,
}

impl EmbeddedModel {
    /// All of them, the default first.
    pub const ALL: [Self; 3] = [Self::TwoPass, Self::Tiny, Self::Base];

    /// Returns the catalogue id.
    pub fn name(self) -> &'static str {
        match self {
            Self::TwoPass => "moonshine",
            Self::Tiny => "moonshine-tiny",
            Self::Base => "moonshine-base",
        }
    }

    /// Returns the model of that catalogue id.
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|model| model.name() == name)
    }

    fn needs_tiny(self) -> bool {
        self != Self::Base
    }

    fn needs_base(self) -> bool {
        self != Self::Tiny
    }
}

/// What to load.
#[derive(Clone, Debug)]
pub struct EngineOptions {
    /// The models that may be asked for; only their files are loaded.
    pub models: Vec<EmbeddedModel>,
    /// Where converted models are kept; `None` is `converted` in the models folder.
    pub cache_dir: Option<PathBuf>,
}

impl Default for EngineOptions {
    fn default() -> Self {
        Self { models: vec![EmbeddedModel::TwoPass], cache_dir: None }
    }
}

/// Why the engine could not start.
#[derive(Debug, thiserror::Error)]
pub enum LoadError {
    /// A model is missing, or could not be converted or kept.
    #[error(transparent)]
    Prepare(#[from] PrepareError),
    /// A model could not be loaded or failed its self-test.
    #[error(transparent)]
    Model(#[from] ModelError),
    /// The vocabulary could not be loaded.
    #[error(transparent)]
    Tokenizer(#[from] TokenizerError),
    /// The voice detector could not be loaded.
    #[error(transparent)]
    Silero(#[from] SileroError),
}

/// Moonshine and Silero in this process.
pub struct EmbeddedEngine {
    tiny: Option<Loaded>,
    base: Option<Loaded>,
    models: Vec<EmbeddedModel>,
    tokenizer: Tokenizer,
    silero: Arc<Silero>,
}

struct Loaded {
    model: Moonshine,
    version: String,
    /// By how much its attention follows behind the sound.
    lag_s: f32,
    /// CPU seconds of the work sample.
    sample_s: f32,
}

impl EmbeddedEngine {
    /// Loads the models from `<models_dir>/source/…`, converting them first where that was not done yet.
    ///
    /// Blocks: about two seconds, the first time some seconds more.
    pub fn load(models_dir: &Path, options: &EngineOptions) -> Result<Self, LoadError> {
        let source = models_dir.join("source");
        let cache_dir = options.cache_dir.clone().unwrap_or_else(|| models_dir.join("converted"));
        let load_if = |needed: bool, name: &str, lag_s: f32| {
            needed.then(|| load(&source.join(name), &cache_dir, lag_s)).transpose()
        };
        Ok(Self {
            tiny: load_if(
                options.models.iter().any(|model| model.needs_tiny()),
                "moonshine-tiny",
                TINY_LAG_S,
            )?,
            base: load_if(
                options.models.iter().any(|model| model.needs_base()),
                "moonshine-base",
                BASE_LAG_S,
            )?,
            models: options.models.clone(),
            tokenizer: Tokenizer::load(&source.join("moonshine-tokenizer/tokenizer.json"))?,
            silero: Arc::new(Silero::load(&source.join("silero-vad/silero_vad.onnx"))?),
        })
    }

    fn asked(&self, id: &ModelId) -> Option<EmbeddedModel> {
        EmbeddedModel::named(id.as_str()).filter(|model| self.models.contains(model))
    }

    fn pick(&self, unit: &Unit) -> Result<&Loaded, EngineError> {
        let unknown = || EngineError::UnknownModel(unit.model.clone());
        let loaded = match (self.asked(&unit.model).ok_or_else(unknown)?, unit.kind) {
            (EmbeddedModel::Tiny, _) | (EmbeddedModel::TwoPass, UnitKind::Interim) => &self.tiny,
            (EmbeddedModel::Base, _) | (EmbeddedModel::TwoPass, UnitKind::Final | UnitKind::Batch) => {
                &self.base
            }
        };
        loaded.as_ref().ok_or_else(unknown)
    }

    fn hear(
        &self,
        loaded: &Loaded,
        unit: &Unit,
        options: &rten::RunOptions,
    ) -> Result<Hypothesis, EngineError> {
        let failed = |cause: RunError| EngineError::Failed(cause.to_string());
        let model = &loaded.model;
        let draft: Vec<u32> = unit.draft.iter().map(|token| token.0).collect();
        let memory = model.encode(&unit.audio, options).map_err(failed)?;
        let decoded = model.decode(&memory, unit.audio.len(), &draft, options).map_err(failed)?;
        let times_s = align::token_times(model, &memory, &decoded, loaded.lag_s);
        let timed =
            TimedTokens { tokens: &decoded.tokens, probabilities: &decoded.probabilities, times_s: &times_s };
        #[expect(clippy::cast_precision_loss, reason = "at most 30 s of samples")]
        let length_s = unit.audio.len() as f32 / SAMPLE_RATE_HZ as f32;
        let words = words::words(&self.tokenizer, &timed, &pauses::find(&unit.audio), length_s);
        if words.is_empty() {
            return Ok(Hypothesis::default());
        }
        let texts: Vec<&str> = words.iter().map(|word| word.text.as_str()).collect();
        Ok(Hypothesis {
            text: texts.join(" "),
            tokens: decoded.tokens.into_iter().map(TokenId).collect(),
            confidence: words::mean(&decoded.probabilities),
            words,
        })
    }
}

fn load(sources: &Path, cache_dir: &Path, lag_s: f32) -> Result<Loaded, LoadError> {
    let sources = MoonshineSources {
        encoder: sources.join("encoder_model.onnx"),
        decoder: sources.join("decoder_model_merged.onnx"),
    };
    let prepared = prepare(&sources, cache_dir, WeightRange::for_this_cpu())?;
    let model = Moonshine::load(&prepared)?;
    let unable =
        |cause: RunError| ModelError::Run { path: prepared.encoder.clone(), cause: cause.to_string() };
    let sample_s = cost::sample_s(&model).map_err(unable)?;
    tracing::info!(model = %prepared.encoder.display(), sample_ms = sample_s * 1e3, "model loaded");
    Ok(Loaded { model, version: prepared.source_hash, lag_s, sample_s })
}

impl Engine for EmbeddedEngine {
    fn models(&self) -> Vec<ModelInfo> {
        let version =
            |loaded: &Option<Loaded>| loaded.as_ref().map_or("", |loaded| &loaded.version).to_string();
        let info = |model: &EmbeddedModel| ModelInfo {
            id: ModelId::new(model.name()),
            languages: vec!["en".into()],
            version: match model {
                EmbeddedModel::TwoPass => format!("{}-{}", version(&self.tiny), version(&self.base)),
                EmbeddedModel::Tiny => version(&self.tiny),
                EmbeddedModel::Base => version(&self.base),
            },
        };
        self.models.iter().map(info).collect()
    }

    fn recognise(&self, unit: &Unit) -> Result<Hypothesis, EngineError> {
        let loaded = self.pick(unit)?;
        if unit.audio.len() > (MAX_UNIT_SECONDS * SAMPLE_RATE_HZ) as usize {
            return Err(EngineError::BadUnit("longer than 30 s"));
        }
        if unit.audio.len() < SHORTEST_SPEECH_SAMPLES {
            return Ok(Hypothesis::default());
        }
        worker::run(|options| self.hear(loaded, unit, options))
    }

    fn voice_detector(&self) -> Box<dyn VoiceDetector> {
        Box::new(self.silero.detector())
    }

    fn live_cost(&self, model: &ModelId) -> f32 {
        let sample = |loaded: &Option<Loaded>| loaded.as_ref().map_or(0.0, |loaded| loaded.sample_s);
        match self.asked(model) {
            Some(EmbeddedModel::TwoPass) => cost::live_cost(sample(&self.tiny), sample(&self.base)),
            Some(EmbeddedModel::Tiny) => cost::live_cost(sample(&self.tiny), sample(&self.tiny)),
            Some(EmbeddedModel::Base) => cost::live_cost(sample(&self.base), sample(&self.base)),
            None => 0.0,
        }
    }
}
