//! An engine whose answers follow from the audio alone (`tone`), with planned faults.

use crate::ports::engine::{
    Engine, EngineError, HeardWord, Hypothesis, ModelInfo, SAMPLE_RATE_HZ, TokenId, Unit, UnitKind,
    VoiceDetector,
};
use crate::segment::FRAME_SAMPLES;
use crate::testkit::tone;
use sottovoce_protocol::ids::ModelId;
use std::collections::BTreeMap;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// Frames louder than this (root mean square) are speech.
const SPEECH_RMS: f32 = 0.01;

/// What happens instead of, or before, an answer.
#[derive(Clone, Debug)]
pub enum Fault {
    /// The engine panics.
    Panic,
    /// The engine answers `Failed`.
    Fail,
    /// The answer comes once the hold is released.
    Hold(Hold),
    /// The answer takes so long (real time, on the caller's thread).
    Slow(Duration),
}

/// Holds engine calls back until it is released; tells how many it holds.
#[derive(Clone, Debug, Default)]
pub struct Hold(Arc<(Mutex<HoldState>, Condvar)>);

#[derive(Debug, Default)]
struct HoldState {
    held: usize,
    released: bool,
}

impl Hold {
    /// Lets all calls go, now and later.
    pub fn release(&self) {
        lock(&self.0.0).released = true;
        self.0.1.notify_all();
    }

    /// Blocks until so many calls are held.
    pub fn wait_for_held(&self, calls: usize) {
        let state = lock(&self.0.0);
        drop(self.0.1.wait_while(state, |state| state.held < calls).unwrap_or_else(PoisonError::into_inner));
    }

    fn hold(&self) {
        let mut state = lock(&self.0.0);
        state.held += 1;
        self.0.1.notify_all();
        drop(self.0.1.wait_while(state, |state| !state.released).unwrap_or_else(PoisonError::into_inner));
    }
}

/// One call that the engine got.
#[derive(Clone, PartialEq, Debug)]
pub struct Call {
    /// The unit's kind.
    pub kind: UnitKind,
    /// The unit's model.
    pub model: ModelId,
    /// Length of its audio.
    pub samples: usize,
    /// Length of its draft.
    pub draft: usize,
    /// The text heard.
    pub text: String,
}

/// Hears tones as words. Clones share faults and calls.
#[derive(Clone, Debug)]
pub struct ScriptedEngine {
    live_cost: f32,
    script: Arc<Mutex<Script>>,
}

#[derive(Debug, Default)]
struct Script {
    /// By the number of the call, from 0.
    faults: BTreeMap<usize, Fault>,
    calls: Vec<Call>,
}

impl Default for ScriptedEngine {
    fn default() -> Self {
        Self { live_cost: 0.1, script: Arc::default() }
    }
}

impl ScriptedEngine {
    /// Makes an engine without faults.
    pub fn new() -> Self {
        Self::default()
    }

    /// Sets what the engine says that a second of live speech costs, in CPU seconds.
    pub fn with_live_cost(self, live_cost: f32) -> Self {
        Self { live_cost, ..self }
    }

    /// Plans a fault for the call of that number, from 0.
    pub fn with_fault(self, call: usize, fault: Fault) -> Self {
        lock(&self.script).faults.insert(call, fault);
        self
    }

    /// Returns the calls begun so far, in order.
    pub fn calls(&self) -> Vec<Call> {
        lock(&self.script).calls.clone()
    }
}

impl Engine for ScriptedEngine {
    fn models(&self) -> Vec<ModelInfo> {
        ["moonshine", "moonshine-tiny", "moonshine-base"]
            .map(|id| ModelInfo {
                id: ModelId::new(id),
                languages: vec!["en".into()],
                version: "scripted".into(),
            })
            .into()
    }

    fn recognise(&self, unit: &Unit) -> Result<Hypothesis, EngineError> {
        let hypothesis = read(&unit.audio);
        let fault = {
            let mut script = lock(&self.script);
            let number = script.calls.len();
            script.calls.push(Call {
                kind: unit.kind,
                model: unit.model.clone(),
                samples: unit.audio.len(),
                draft: unit.draft.len(),
                text: hypothesis.text.clone(),
            });
            script.faults.get(&number).cloned()
        };
        match fault {
            Some(Fault::Panic) => std::panic::panic_any("planned panic"),
            Some(Fault::Fail) => return Err(EngineError::Failed("planned failure".into())),
            Some(Fault::Hold(hold)) => hold.hold(),
            #[expect(
                clippy::disallowed_methods,
                reason = "a slow engine blocks its worker thread, no arbiter"
            )]
            Some(Fault::Slow(time)) => std::thread::sleep(time),
            None => {}
        }
        Ok(hypothesis)
    }

    fn voice_detector(&self) -> Box<dyn VoiceDetector> {
        Box::new(LoudnessDetector)
    }

    fn live_cost(&self, _model: &ModelId) -> f32 {
        self.live_cost
    }
}

/// Returns what an engine hears in this audio.
pub fn read(audio: &[f32]) -> Hypothesis {
    let seconds = |samples: usize| samples as f32 / SAMPLE_RATE_HZ as f32;
    let tones = tone::hear(audio);
    let words: Vec<HeardWord> = tones
        .iter()
        .map(|tone| HeardWord {
            text: tone::text(tone.word),
            start_s: seconds(tone.start),
            end_s: seconds(tone.end),
            confidence: tone.peak.min(1.0),
        })
        .collect();
    let confidence = words.iter().map(|word| word.confidence).sum::<f32>() / words.len().max(1) as f32;
    Hypothesis {
        text: words.iter().map(|word| word.text.as_str()).collect::<Vec<_>>().join(" "),
        tokens: tones.iter().map(|tone| TokenId(tone.word)).collect(),
        words,
        confidence,
    }
}

/// Loud frames are speech.
#[derive(Clone, Copy, Debug)]
pub struct LoudnessDetector;

impl VoiceDetector for LoudnessDetector {
    fn probability(&mut self, frame: &[f32; FRAME_SAMPLES]) -> Result<f32, EngineError> {
        let power = frame.iter().map(|sample| sample * sample).sum::<f32>() / FRAME_SAMPLES as f32;
        Ok(if power.sqrt() > SPEECH_RMS { 0.95 } else { 0.02 })
    }
}

/// Scripts stay sound when a planned panic passes through.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_join_to_the_text_and_lie_within_the_audio() {
        let audio = tone::speak(&[4, 9, 2]);
        let heard = read(&audio);
        assert_eq!(heard.text, "w4 w9 w2");
        assert_eq!(heard.tokens, [TokenId(4), TokenId(9), TokenId(2)]);
        assert!(heard.words.windows(2).all(|pair| pair[0].end_s <= pair[1].start_s));
        assert!(heard.words.last().is_some_and(|word| word.end_s <= 0.3));
        assert_eq!(read(&tone::silence(8_000)), Hypothesis::default());
    }

    #[test]
    fn every_frame_of_fluent_speech_is_speech() {
        let audio = tone::speak(&[1, 2, 3, 4, 5, 6, 7, 8]);
        let mut detector = LoudnessDetector;
        let (frames, _) = audio.as_chunks::<FRAME_SAMPLES>();
        assert!(frames.iter().all(|frame| detector.probability(frame).is_ok_and(|p| p > 0.5)));
        assert!(detector.probability(&[0.0; FRAME_SAMPLES]).is_ok_and(|p| p < 0.5));
    }
}
