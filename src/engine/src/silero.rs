//! Voice activity by the Silero model: 32 ms frames in, probability of speech out.
//!
//! Weights are shared by all detectors; each keeps its own recurrent state. Decides nothing: thresholds are the
//! caller's.

use crate::convert::ConvertError;
use crate::convert::silero::{
    CELL, HIDDEN, NEXT_CELL, NEXT_HIDDEN, PROBABILITY, STATE_SIZE, WINDOW_COUNT, WINDOW_SAMPLES, WINDOWS,
    convert_silero,
};
use crate::worker;
use rten::{Model, ModelOptions, NodeId, Value};
use rten_tensor::Tensor;
use rten_tensor::prelude::*;
use sottovoce_actors::ports::engine::{EngineError, VoiceDetector};
use sottovoce_actors::segment::FRAME_SAMPLES;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Samples of the frame before that the model also sees.
const CONTEXT_SAMPLES: usize = 64;
/// Context and frame.
const HEARD_SAMPLES: usize = CONTEXT_SAMPLES + FRAME_SAMPLES;
/// From one window of the Fourier transform to the next.
const HOP_SAMPLES: usize = 128;

/// Why the voice detector could not be loaded.
#[derive(Debug, thiserror::Error)]
pub enum SileroError {
    /// The file is missing or unreadable.
    #[error("cannot read the voice detector {}: {cause}; run `sottovoce models pull`", path.display())]
    Read {
        /// Which file.
        path: PathBuf,
        /// What the system said.
        cause: std::io::Error,
    },
    /// The file is not the pinned one.
    #[error(transparent)]
    Convert(#[from] ConvertError),
    /// rten refused the rewritten model.
    #[error("cannot load the voice detector: {0}; run `sottovoce models pull`")]
    Load(String),
}

/// The loaded model.
pub struct Silero {
    model: Model,
    inputs: [NodeId; 3],
    outputs: [NodeId; 3],
}

impl Silero {
    /// Loads `silero_vad.onnx`.
    pub fn load(path: &Path) -> Result<Self, SileroError> {
        let file = std::fs::read(path).map_err(|cause| SileroError::Read { path: path.into(), cause })?;
        let failed = |cause: &dyn std::fmt::Display| SileroError::Load(cause.to_string());
        let mut options = ModelOptions::with_all_ops();
        options.prepack_weights(true);
        let model = options.load(convert_silero(&file)?).map_err(|cause| failed(&cause))?;
        let find = |name: &str| model.node_id(name).map_err(|cause| failed(&cause));
        let inputs = [find(WINDOWS)?, find(HIDDEN)?, find(CELL)?];
        let outputs = [find(PROBABILITY)?, find(NEXT_HIDDEN)?, find(NEXT_CELL)?];
        Ok(Self { model, inputs, outputs })
    }

    /// Opens a detector that has heard nothing yet.
    pub fn detector(self: &Arc<Self>) -> SileroDetector {
        SileroDetector {
            silero: Arc::clone(self),
            heard: [0.0; HEARD_SAMPLES],
            windows: Tensor::zeros(&[WINDOW_COUNT, WINDOW_SAMPLES]),
            hidden: Tensor::<f32>::zeros(&[1, 1, STATE_SIZE]).into(),
            cell: Tensor::<f32>::zeros(&[1, 1, STATE_SIZE]).into(),
        }
    }
}

/// The state of one channel.
pub struct SileroDetector {
    silero: Arc<Silero>,
    /// The context, then the frame.
    heard: [f32; HEARD_SAMPLES],
    windows: Tensor<f32>,
    hidden: Value,
    cell: Value,
}

impl SileroDetector {
    fn hear(&mut self, frame: &[f32; FRAME_SAMPLES]) -> Result<f32, String> {
        self.heard.copy_within(FRAME_SAMPLES.., 0);
        for (sample, heard) in self.heard[CONTEXT_SAMPLES..].iter_mut().zip(frame) {
            *sample = if heard.is_finite() { heard.clamp(-1.0, 1.0) } else { 0.0 };
        }
        let windows = self.windows.data_mut().ok_or("the windows are not contiguous")?;
        for (number, window) in windows.chunks_exact_mut(WINDOW_SAMPLES).enumerate() {
            for (sample, index) in window.iter_mut().zip(number * HOP_SAMPLES..) {
                *sample = self.heard[mirrored(index)];
            }
        }
        let silero = &self.silero;
        let values = [self.windows.view().into(), self.hidden.as_view().into(), self.cell.as_view().into()];
        let outputs = worker::run(|options| {
            let inputs = silero.inputs.into_iter().zip(values).collect();
            silero.model.run_n(inputs, silero.outputs, Some(options.clone()))
        });
        let [probability, hidden, cell] = outputs.map_err(|cause| cause.to_string())?;
        self.hidden = hidden;
        self.cell = cell;
        let probability: Option<Tensor<f32>> = probability.into_tensor();
        let probability = probability.and_then(|probability| probability.iter().next().copied());
        probability.filter(|p| p.is_finite()).ok_or_else(|| "it returned no probability".into())
    }
}

/// Returns the sample that stands at an index beyond the end: the model mirrors it there.
fn mirrored(index: usize) -> usize {
    if index < HEARD_SAMPLES { index } else { 2 * (HEARD_SAMPLES - 1) - index }
}

impl VoiceDetector for SileroDetector {
    fn probability(&mut self, frame: &[f32; FRAME_SAMPLES]) -> Result<f32, EngineError> {
        self.hear(frame).map_err(|cause| EngineError::Failed(format!("voice detector: {cause}")))
    }
}

#[cfg(test)]
mod tests {
    use super::{HEARD_SAMPLES, HOP_SAMPLES, WINDOW_COUNT, WINDOW_SAMPLES, mirrored};

    #[test]
    fn the_last_window_reads_the_end_mirrored() {
        assert_eq!(mirrored(HEARD_SAMPLES - 1), HEARD_SAMPLES - 1);
        assert_eq!(mirrored(HEARD_SAMPLES), HEARD_SAMPLES - 2);
        let last = (WINDOW_COUNT - 1) * HOP_SAMPLES + WINDOW_SAMPLES - 1;
        assert_eq!(mirrored(last), HEARD_SAMPLES - 65, "64 samples are mirrored");
    }
}
