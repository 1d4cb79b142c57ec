//! Ears for tests: 16 kHz only, linear16 or linear32, loudness for a voice.

use crate::ports::ear::{AudioFormat, Ear, Ears, Encoding, Heard};
use crate::ports::engine::{EngineError, VoiceDetector};
use crate::segment::FRAME_SAMPLES;
use crate::testkit::engine::LoudnessDetector;

/// Opens ears that hear 16 kHz as it is.
#[derive(Clone, Copy, Debug, Default)]
pub struct ScriptedEars;

impl Ears for ScriptedEars {
    fn open(&self, format: AudioFormat) -> Box<dyn Ear> {
        Box::new(ScriptedEar {
            format,
            bytes: Vec::new(),
            channels: vec![Vec::new(); usize::from(format.heard_channels())],
        })
    }
}

struct ScriptedEar {
    format: AudioFormat,
    /// Less than one sample of each channel.
    bytes: Vec<u8>,
    /// Per heard channel less than one frame.
    channels: Vec<Vec<f32>>,
}

impl ScriptedEar {
    fn frames(&mut self) -> Result<Vec<Heard>, EngineError> {
        self.channels
            .iter_mut()
            .map(|channel| {
                let whole = channel.len() / FRAME_SAMPLES * FRAME_SAMPLES;
                let samples: Vec<f32> = channel.drain(..whole).collect();
                let (frames, _) = samples.as_chunks::<FRAME_SAMPLES>();
                let speech: Result<Vec<f32>, _> =
                    frames.iter().map(|frame| LoudnessDetector.probability(frame)).collect();
                Ok(Heard { speech: speech?, samples })
            })
            .collect()
    }
}

impl Ear for ScriptedEar {
    fn hear(&mut self, audio: &[u8]) -> Result<Vec<Heard>, EngineError> {
        let width = match self.format.encoding {
            Encoding::Linear16 => 2,
            Encoding::Linear32 => 4,
            Encoding::Mulaw | Encoding::Alaw => {
                return Err(EngineError::BadUnit("no such encoding in tests"));
            }
        };
        let channels = usize::from(self.format.channels);
        self.bytes.extend_from_slice(audio);
        let whole = self.bytes.len() / (width * channels) * width * channels;
        let bytes: Vec<u8> = self.bytes.drain(..whole).collect();
        let samples: Vec<f32> = match width {
            2 => bytes.as_chunks().0.iter().map(|b| f32::from(i16::from_le_bytes(*b)) / 32_768.0).collect(),
            _ => bytes.as_chunks().0.iter().map(|b| f32::from_le_bytes(*b)).collect(),
        };
        for instant in samples.chunks_exact(channels) {
            if self.format.multichannel {
                self.channels.iter_mut().zip(instant).for_each(|(channel, sample)| channel.push(*sample));
            } else {
                self.channels[0].push(instant.iter().sum::<f32>() / channels as f32);
            }
        }
        self.frames()
    }

    fn flush(&mut self) -> Result<Vec<Heard>, EngineError> {
        self.bytes.clear();
        for channel in &mut self.channels {
            channel.resize(channel.len().next_multiple_of(FRAME_SAMPLES), 0.0);
        }
        self.frames()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testkit::tone;

    #[test]
    fn channels_stay_apart_however_the_bytes_are_cut() {
        let (left, right) = ([1, 2, 3, 4], [11, 12, 13, 14]);
        let bytes = tone::linear16(&tone::interleave(&[tone::speak(&left), tone::speak(&right)]));
        let format = AudioFormat {
            encoding: Encoding::Linear16,
            sample_rate_hz: 16_000,
            channels: 2,
            multichannel: true,
        };
        let mut ear = ScriptedEars.open(format);
        let mut heard = [Vec::new(), Vec::new()];
        for piece in bytes.chunks(333) {
            for (all, new) in heard.iter_mut().zip(ear.hear(piece).expect("heard")) {
                assert_eq!(new.samples.len(), new.speech.len() * FRAME_SAMPLES);
                all.extend(new.samples);
            }
        }
        heard.iter_mut().zip(ear.flush().expect("heard")).for_each(|(all, new)| all.extend(new.samples));
        let words = |audio: &[f32]| tone::hear(audio).iter().map(|tone| tone.word).collect::<Vec<_>>();
        assert_eq!(words(&heard[0]), left);
        assert_eq!(words(&heard[1]), right);
    }
}
