//! Checks at every start that prepacked weights compute what plain weights do.
//!
//! rten 0.27 is known to compute garbage, silently, for some prepacked int8 weights; ours are of the kind that works,
//! and this makes sure of it on this CPU.

use super::model::{Memory, Moonshine};
use super::{ModelError, RunError};
use crate::convert::Prepared;
use crate::worker;
use rten::RunOptions;
use rten_tensor::prelude::*;

/// Samples of the test signal: half a second.
const SAMPLES: usize = 8_000;
/// The largest mean difference allowed, against the mean magnitude. Sound prepacking differs by rounding only; the
/// known defect differs by 1.
const TOLERANCE: f32 = 0.02;
/// A fixed text for the decoder to be fed.
const TOKENS: [u32; 4] = [1, 450, 310, 263];

impl Moonshine {
    /// Loads a converted model, with prepacked weights if those pass the self-test, else with plain ones.
    pub(crate) fn load(prepared: &Prepared) -> Result<Self, ModelError> {
        let plain = Self::load_with(prepared, false)?;
        let expected = plain.probe(prepared)?;
        drop(plain);
        let packed = Self::load_with(prepared, true)?;
        match packed.probe(prepared) {
            Ok(found) if relative_difference(&expected, &found) <= TOLERANCE => Ok(packed),
            _ => {
                tracing::warn!(
                    model = %prepared.encoder.display(),
                    "prepacked weights failed the self-test, running slower without"
                );
                Self::load_with(prepared, false)
            }
        }
    }

    /// Returns what the model computes for the test signal.
    fn probe(&self, prepared: &Prepared) -> Result<Vec<f32>, ModelError> {
        let failed = |why| ModelError::SelfTest { path: prepared.encoder.clone(), why };
        let values = worker::run(|options| self.probe_values(options)).map_err(|cause| {
            tracing::error!(%cause, "self-test could not run");
            failed("it could not run")
        })?;
        if values.iter().all(|value| value.is_finite()) {
            Ok(values)
        } else {
            Err(failed("it computed no numbers"))
        }
    }

    fn probe_values(&self, options: &RunOptions) -> Result<Vec<f32>, RunError> {
        let memory = self.encode(&test_signal(SAMPLES), options)?;
        let mut values = first_keys(&memory)?;
        values.extend(self.logits_of(&memory, &TOKENS, options)?);
        Ok(values)
    }
}

fn first_keys(memory: &Memory) -> Result<Vec<f32>, RunError> {
    memory.keys(0).map(|keys| keys.to_vec()).ok_or(RunError::Shape("keys are not f32"))
}

/// Returns deterministic audio with a moving pitch and some noise, about as loud as speech.
pub(super) fn test_signal(samples: usize) -> Vec<f32> {
    let mut noise = 0x2545_f491_u32;
    let mut phase = 0.0_f32;
    (0..samples)
        .map(|index| {
            noise ^= noise << 13;
            noise ^= noise >> 17;
            noise ^= noise << 5;
            #[expect(clippy::cast_precision_loss, reason = "neither needs more than 24 bits")]
            let (time, grain) = (index as f32 / 16_000.0, (noise >> 8) as f32 / 8_388_608.0 - 1.0);
            phase += (120.0 + 40.0 * (3.0 * time).sin()) / 16_000.0;
            let voice =
                (1..8_u8).map(|h| (std::f32::consts::TAU * phase * f32::from(h)).sin() / f32::from(h));
            let loudness = 0.5 - 0.5 * (std::f32::consts::TAU * 4.0 * time).cos();
            0.1 * loudness * voice.sum::<f32>() + 0.01 * grain
        })
        .collect()
}

fn relative_difference(expected: &[f32], found: &[f32]) -> f32 {
    if expected.len() != found.len() {
        return f32::INFINITY;
    }
    let difference: f32 = expected.iter().zip(found).map(|(a, b)| (a - b).abs()).sum();
    let magnitude: f32 = expected.iter().map(|value| value.abs()).sum();
    difference / magnitude.max(f32::MIN_POSITIVE)
}

#[cfg(test)]
mod tests {
    use super::{relative_difference, test_signal};

    #[test]
    fn garbage_is_far_beyond_the_tolerance() {
        let signal = test_signal(800);
        let reversed: Vec<f32> = signal.iter().rev().copied().collect();
        assert!(relative_difference(&signal, &reversed) > super::TOLERANCE * 10.0);
        assert!(relative_difference(&signal, &signal) <= 0.0);
        assert!(relative_difference(&signal, &signal[1..]).is_infinite());
    }

    #[test]
    fn the_signal_is_the_same_every_time_and_audible() {
        assert_eq!(test_signal(500), test_signal(500));
        let loudest = test_signal(16_000).into_iter().fold(0.0_f32, |a, b| a.max(b.abs()));
        assert!((0.05..1.0).contains(&loudest), "peak {loudest}");
    }
}
