//! Voice activity by the Silero model: 32 ms frames in, probability of speech out.
//!
//! Weights are shared by all detectors; each keeps its own recurrent state. Decides nothing: thresholds are the
//! caller's.

use crate::worker;
use rten::{Model, ModelOptions, NodeId};
use rten_tensor::Tensor;
use rten_tensor::prelude::*;
use sottovoce_actors::ports::engine::{EngineError, VoiceDetector};
use sottovoce_actors::segment::FRAME_SAMPLES;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Samples of the frame before that the model also sees.
const CONTEXT_SAMPLES: usize = 64;
/// Sizes of the recurrent state.
const STATE: [usize; 3] = [2, 1, 128];

/// Why the model could not be loaded.
#[derive(Debug, thiserror::Error)]
#[error("cannot load the voice detector {}: {cause}; run `sottovoce models pull`", path.display())]
pub struct SileroError {
    path: PathBuf,
    cause: String,
}

/// The loaded model.
pub struct Silero {
    model: Model,
    audio: NodeId,
    state: NodeId,
    rate: NodeId,
    outputs: [NodeId; 2],
}

impl Silero {
    /// Loads `silero_vad.onnx`.
    pub fn load(path: &Path) -> Result<Self, SileroError> {
        let failed = |cause: String| SileroError { path: path.into(), cause };
        let mut options = ModelOptions::with_all_ops();
        options.prepack_weights(true);
        let model = options.load_file(path).map_err(|cause| failed(cause.to_string()))?;
        let find =
            |name: &str| model.find_node(name).ok_or_else(|| failed(format!("it has no value {name}")));
        let (audio, state, rate) = (find("input")?, find("state")?, find("sr")?);
        let outputs = [find("output")?, find("stateN")?];
        Ok(Self { model, audio, state, rate, outputs })
    }

    /// Opens a detector that has heard nothing yet.
    pub fn detector(self: &Arc<Self>) -> SileroDetector {
        SileroDetector {
            silero: Arc::clone(self),
            audio: Tensor::zeros(&[1, CONTEXT_SAMPLES + FRAME_SAMPLES]),
            state: Tensor::zeros(&STATE),
        }
    }
}

/// The state of one channel.
pub struct SileroDetector {
    silero: Arc<Silero>,
    /// The context, then the frame.
    audio: Tensor<f32>,
    state: Tensor<f32>,
}

impl SileroDetector {
    fn hear(&mut self, frame: &[f32; FRAME_SAMPLES]) -> Result<f32, String> {
        let samples = self.audio.data_mut().ok_or("the input buffer is not contiguous")?;
        samples.copy_within(FRAME_SAMPLES.., 0);
        for (sample, heard) in samples[CONTEXT_SAMPLES..].iter_mut().zip(frame) {
            *sample = if heard.is_finite() { heard.clamp(-1.0, 1.0) } else { 0.0 };
        }
        let silero = &self.silero;
        let rate = Tensor::from(16_000_i32);
        let (audio, state) = (self.audio.view(), self.state.view());
        let outputs = worker::run(|options| {
            let inputs = vec![
                (silero.audio, audio.into()),
                (silero.state, state.into()),
                (silero.rate, rate.view().into()),
            ];
            silero.model.run_n(inputs, silero.outputs, Some(options.clone()))
        });
        let [probability, state] = outputs.map_err(|cause| cause.to_string())?;
        self.state = state.into_tensor().ok_or("the state is not f32")?;
        let probability: Option<f32> =
            probability.into_tensor().and_then(|p: Tensor<f32>| p.iter().next().copied());
        probability.filter(|p| p.is_finite()).ok_or_else(|| "it returned no probability".into())
    }
}

impl VoiceDetector for SileroDetector {
    fn probability(&mut self, frame: &[f32; FRAME_SAMPLES]) -> Result<f32, EngineError> {
        self.hear(frame).map_err(|cause| EngineError::Failed(format!("voice detector: {cause}")))
    }
}
