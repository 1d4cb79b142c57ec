//! Estimates what a live stream costs on this machine, from a short computation timed at load.
//!
//! The sample is what one re-hearing of 4 s of audio takes: encode, verify a draft of 12 tokens, decode 6 more. How many
//! such samples a second of live speech is worth was measured once (`bare … live` on a 44 s reading, utterances of at
//! most 8 s, an interim each 0.5 s up to 3 s and then each second); the ratio is a property of the schedule, while the
//! sample carries the speed of the machine.

use crate::cpu_clock::CpuClock;
use crate::moonshine::{Moonshine, RunError};
use crate::worker;

/// Samples that the interims of one second of speech cost.
const INTERIM_SAMPLES: f32 = 1.25;
/// Samples that the finals of one second of speech cost.
const FINAL_SAMPLES: f32 = 0.27;
/// Voice activity of one second of audio, against a sample of the tiny model.
const VOICE_SAMPLES: f32 = 0.05;

/// Times the sample runs; the fastest counts, as others may be using the machine.
const RUNS: usize = 2;

/// Returns the CPU seconds of the sample on this machine.
pub(crate) fn sample_s(model: &Moonshine) -> Result<f32, RunError> {
    worker::run(|options| {
        let mut fastest = f32::INFINITY;
        for _ in 0..RUNS {
            let clock = CpuClock::start();
            model.work_sample(options)?;
            fastest = fastest.min(clock.elapsed().as_secs_f32());
        }
        Ok(fastest)
    })
}

/// Returns CPU seconds per second of live speech, given what a sample costs with the model of the interims and with the
/// model of the finals.
pub(crate) fn live_cost(interim_sample_s: f32, final_sample_s: f32) -> f32 {
    (INTERIM_SAMPLES + VOICE_SAMPLES) * interim_sample_s + FINAL_SAMPLES * final_sample_s
}
