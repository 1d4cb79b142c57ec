//! Cuts a file's samples into utterances by voice activity. No I/O; keeps no more audio than one utterance needs.

use crate::ports::engine::{EngineError, VoiceDetector};
use crate::segment::{FRAME_SAMPLES, SegmentConfig, SegmentEvent, Segmenter};
use std::ops::Range;
use std::sync::Arc;

/// Settled audio in front of the buffer is dropped in steps of this many samples, so that dropping costs nothing.
const TRIM_SAMPLES: usize = 64 * FRAME_SAMPLES;

/// A piece of the audio that holds speech.
#[derive(Clone, Debug)]
pub struct Utterance {
    /// Where it begins in the audio, in samples.
    pub from_sample: u64,
    /// 16 kHz mono samples.
    pub audio: Arc<[f32]>,
}

/// The state of one file's voice.
pub struct Cutter {
    voice: Box<dyn VoiceDetector>,
    segmenter: Segmenter,
    kept: Vec<f32>,
    kept_from: u64,
}

impl Cutter {
    /// Starts at the beginning of a file.
    pub fn new(voice: Box<dyn VoiceDetector>, config: SegmentConfig) -> Self {
        Self { voice, segmenter: Segmenter::new(config), kept: Vec::new(), kept_from: 0 }
    }

    /// Returns up to which sample all utterances are out.
    pub fn settled_samples(&self) -> u64 {
        self.segmenter.keep_from() * FRAME_SAMPLES as u64
    }

    /// Takes the next samples and hands out what ended within them.
    pub fn push(&mut self, samples: &[f32], ended: &mut dyn FnMut(Utterance)) -> Result<(), EngineError> {
        self.kept.extend_from_slice(samples);
        loop {
            let at = (self.segmenter.now() * FRAME_SAMPLES as u64 - self.kept_from) as usize;
            let Some(frame) = self.kept.get(at..).and_then(|rest| rest.first_chunk::<FRAME_SAMPLES>()) else {
                break;
            };
            let probability = self.voice.probability(frame)?;
            if let Some(SegmentEvent::Ended { audio, .. }) = self.segmenter.push(probability) {
                ended(self.utterance(audio));
            }
        }
        self.trim();
        Ok(())
    }

    /// Ends the audio: the last part frame is heard with silence after it.
    pub fn finish(mut self, ended: &mut dyn FnMut(Utterance)) -> Result<(), EngineError> {
        let length = self.kept_from + self.kept.len() as u64;
        let missing = (FRAME_SAMPLES - (length % FRAME_SAMPLES as u64) as usize) % FRAME_SAMPLES;
        self.push(&vec![0.0; missing], ended)?;
        if let Some(SegmentEvent::Ended { audio, .. }) = self.segmenter.finish() {
            ended(self.utterance(audio));
        }
        Ok(())
    }

    fn utterance(&self, frames: Range<u64>) -> Utterance {
        let from_sample = frames.start * FRAME_SAMPLES as u64;
        let from = from_sample.saturating_sub(self.kept_from) as usize;
        let to = (frames.end * FRAME_SAMPLES as u64).saturating_sub(self.kept_from) as usize;
        let to = to.min(self.kept.len());
        Utterance { from_sample, audio: self.kept[from.min(to)..to].into() }
    }

    fn trim(&mut self) {
        let surplus = (self.settled_samples().saturating_sub(self.kept_from)) as usize;
        if surplus >= TRIM_SAMPLES {
            let surplus = surplus.min(self.kept.len());
            self.kept.drain(..surplus);
            self.kept_from += surplus as u64;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::job::JobConfig;

    /// Hears speech in every frame whose first sample is not zero.
    struct NotZero;

    impl VoiceDetector for NotZero {
        fn probability(&mut self, frame: &[f32; FRAME_SAMPLES]) -> Result<f32, EngineError> {
            Ok(if frame[0] == 0.0 { 0.0 } else { 1.0 })
        }
    }

    fn seconds(value: f32, seconds: f32) -> Vec<f32> {
        vec![value; (seconds * 16_000.0) as usize]
    }

    fn cut(audio: &[f32], chunk: usize) -> (Vec<Utterance>, usize) {
        let mut cutter = Cutter::new(Box::new(NotZero), JobConfig::SEGMENT);
        let mut utterances = Vec::new();
        let mut most_kept = 0;
        for samples in audio.chunks(chunk) {
            cutter.push(samples, &mut |utterance| utterances.push(utterance)).unwrap();
            most_kept = most_kept.max(cutter.kept.len());
        }
        cutter.finish(&mut |utterance| utterances.push(utterance)).unwrap();
        (utterances, most_kept)
    }

    #[test]
    fn speech_between_pauses_comes_out_whole_however_the_audio_arrives() {
        let mut audio = seconds(0.0, 5.0);
        audio.extend(seconds(0.1, 3.0));
        audio.extend(seconds(0.0, 2.0));
        audio.extend(seconds(0.2, 4.0));
        for chunk in [1, 700, 16_000, audio.len()] {
            let (utterances, _) = cut(&audio, chunk);
            assert_eq!(utterances.len(), 2);
            let spoken: Vec<usize> = [0.1, 0.2]
                .iter()
                .zip(&utterances)
                .map(|(value, utterance)| utterance.audio.iter().filter(|sample| *sample == value).count())
                .collect();
            assert_eq!(spoken, [48_000, 64_000]);
            for utterance in &utterances {
                let from = utterance.from_sample as usize;
                let to = (from + utterance.audio.len()).min(audio.len());
                assert_eq!(utterance.audio[..to - from], audio[from..to]);
            }
        }
    }

    #[test]
    fn speech_without_end_is_cut_without_loss_and_silence_is_not_kept() {
        let mut audio: Vec<f32> = (0..90 * 16_000).map(|index| 1.0 + index as f32).collect();
        let (utterances, most_kept) = cut(&audio, 16_000);
        let joined: Vec<f32> = utterances.iter().flat_map(|utterance| utterance.audio.to_vec()).collect();
        assert_eq!(joined[..audio.len()], audio[..]);
        assert!(utterances.iter().all(|utterance| utterance.audio.len() <= 30 * 16_000));
        assert!(most_kept <= 32 * 16_000);

        audio.fill(0.0);
        let (utterances, most_kept) = cut(&audio, 16_000);
        assert_eq!(utterances.len(), 0);
        assert!(most_kept <= 5 * 16_000);
    }
}
