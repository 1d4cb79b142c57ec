//! The ear: raw bytes of a stream to 16 kHz channels with voice probabilities. Keeps less than a frame of audio of each
//! channel and the resamplers' short windows, nothing else.

use sottovoce_actors::ports::ear::{AudioFormat, Ear, Ears, Encoding, Heard};
use sottovoce_actors::ports::engine::{Engine, EngineError, SAMPLE_RATE_HZ, VoiceDetector};
use sottovoce_actors::segment::FRAME_SAMPLES;
use sottovoce_media::{PcmDecoder, StreamResampler};
use std::sync::Arc;

/// Opens ears whose voice detector is the engine's.
pub struct EngineEars {
    engine: Arc<dyn Engine>,
}

impl EngineEars {
    /// Makes ears of this engine.
    pub fn new(engine: Arc<dyn Engine>) -> Self {
        Self { engine }
    }
}

impl Ears for EngineEars {
    fn open(&self, format: AudioFormat) -> Box<dyn Ear> {
        let heard = usize::from(format.heard_channels().max(1));
        let resamplers: Result<Vec<_>, _> =
            (0..heard).map(|_| StreamResampler::new(format.sample_rate_hz, SAMPLE_RATE_HZ)).collect();
        let Ok(resamplers) = resamplers else { return Box::new(DeafEar) };
        let channels = resamplers
            .into_iter()
            .map(|resampler| Channel {
                resampler,
                detector: self.engine.voice_detector(),
                waiting: Vec::with_capacity(FRAME_SAMPLES),
            })
            .collect();
        Box::new(RawEar { decoder: PcmDecoder::new(encoding(format.encoding), format.channels), channels })
    }
}

const fn encoding(encoding: Encoding) -> sottovoce_media::Encoding {
    match encoding {
        Encoding::Linear16 => sottovoce_media::Encoding::Linear16,
        Encoding::Linear32 => sottovoce_media::Encoding::Linear32,
        Encoding::Mulaw => sottovoce_media::Encoding::Mulaw,
        Encoding::Alaw => sottovoce_media::Encoding::Alaw,
    }
}

/// One heard channel.
struct Channel {
    resampler: StreamResampler,
    detector: Box<dyn VoiceDetector>,
    /// Less than a frame of 16 kHz samples, between calls.
    waiting: Vec<f32>,
}

impl Channel {
    /// Takes the whole frames that wait and judges each.
    fn take_frames(&mut self) -> Result<Heard, EngineError> {
        let rest = self.waiting.split_off(self.waiting.len() / FRAME_SAMPLES * FRAME_SAMPLES);
        let samples = std::mem::replace(&mut self.waiting, rest);
        let (frames, _) = samples.as_chunks::<FRAME_SAMPLES>();
        let speech: Result<Vec<f32>, _> =
            frames.iter().map(|frame| self.detector.probability(frame)).collect();
        Ok(Heard { speech: speech?, samples })
    }
}

struct RawEar {
    decoder: PcmDecoder,
    /// One for each channel of the stream, or a single one that hears their mean.
    channels: Vec<Channel>,
}

impl Ear for RawEar {
    fn hear(&mut self, audio: &[u8]) -> Result<Vec<Heard>, EngineError> {
        let mut decoded = self.decoder.decode(audio);
        if self.channels.len() < decoded.len() {
            decoded = vec![mean(&decoded)];
        }
        for (channel, samples) in self.channels.iter_mut().zip(&decoded) {
            channel.resampler.process(samples, &mut channel.waiting);
        }
        self.channels.iter_mut().map(Channel::take_frames).collect()
    }

    fn flush(&mut self) -> Result<Vec<Heard>, EngineError> {
        for channel in &mut self.channels {
            channel.resampler.flush(&mut channel.waiting);
            channel.waiting.resize(channel.waiting.len().next_multiple_of(FRAME_SAMPLES), 0.0);
        }
        self.channels.iter_mut().map(Channel::take_frames).collect()
    }
}

/// Mixes channels of equal length into one.
fn mean(channels: &[Vec<f32>]) -> Vec<f32> {
    let share = 1.0 / channels.len() as f32;
    let length = channels.iter().map(Vec::len).min().unwrap_or(0);
    (0..length).map(|at| channels.iter().map(|channel| channel[at]).sum::<f32>() * share).collect()
}

/// The ear of a sampling rate that cannot be heard; requests are checked before, so that only a bug opens one.
struct DeafEar;

impl DeafEar {
    const REFUSAL: EngineError = EngineError::BadUnit("sampling rate outside of 4 to 192 kHz");
}

impl Ear for DeafEar {
    fn hear(&mut self, _audio: &[u8]) -> Result<Vec<Heard>, EngineError> {
        Err(Self::REFUSAL)
    }

    fn flush(&mut self) -> Result<Vec<Heard>, EngineError> {
        Err(Self::REFUSAL)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use sottovoce_actors::testkit::{Random, ScriptedEngine, tone};

    fn ears() -> EngineEars {
        EngineEars::new(Arc::new(ScriptedEngine::new()))
    }

    const MONO: AudioFormat = AudioFormat {
        encoding: Encoding::Linear16,
        sample_rate_hz: 16_000,
        channels: 1,
        multichannel: false,
    };

    /// Plays bytes cut at random places, flushes, and returns what each channel heard.
    fn play(format: AudioFormat, bytes: &[u8], seed: u64) -> Vec<Heard> {
        let mut random = Random::new(seed);
        let mut ear = ears().open(format);
        let mut all = vec![Heard::default(); usize::from(format.heard_channels())];
        let mut take = |heard: Vec<Heard>| {
            assert_eq!(heard.len(), all.len());
            for (all, new) in all.iter_mut().zip(heard) {
                assert_eq!(new.samples.len(), new.speech.len() * FRAME_SAMPLES, "seed {seed}");
                all.samples.extend(new.samples);
                all.speech.extend(new.speech);
            }
        };
        let mut rest = bytes;
        while !rest.is_empty() {
            let (piece, behind) = rest.split_at(rest.len().min(1 + random.below(5_000) as usize));
            take(ear.hear(piece).expect("heard"));
            rest = behind;
        }
        take(ear.flush().expect("flushed"));
        all
    }

    fn words(heard: &Heard) -> Vec<u32> {
        tone::hear(&heard.samples).iter().map(|tone| tone.word).collect()
    }

    /// The tones at another rate: what a client of that rate would send.
    fn at_rate(audio: &[f32], rate_hz: u32) -> Vec<f32> {
        let mut output = Vec::new();
        let mut resampler = StreamResampler::new(16_000, rate_hz).expect("a sound rate");
        resampler.process(audio, &mut output);
        resampler.flush(&mut output);
        output
    }

    #[test]
    fn bytes_cut_anywhere_are_heard_as_a_whole() {
        let bytes = tone::linear16(&tone::speak(&[3, 1, 4, 1, 5, 9, 2, 6]));
        let whole = play(MONO, &bytes, 0);
        assert_eq!(words(&whole[0]), [3, 1, 4, 1, 5, 9, 2, 6]);
        // 0.8 s are 25 frames of 32 ms, all of them speech.
        assert_eq!(whole[0].speech.len(), 25);
        assert!(whole[0].speech.iter().all(|probability| *probability > 0.5));
        for seed in 1..20 {
            assert_eq!(play(MONO, &bytes, seed), whole, "seed {seed}");
        }
    }

    #[test]
    fn other_rates_come_out_at_16_khz_in_the_right_length() {
        let spoken: Vec<u32> = (0..30).collect();
        for rate_hz in [8_000, 22_050, 44_100, 48_000] {
            let bytes = tone::linear16(&at_rate(&tone::speak(&spoken), rate_hz));
            let heard = play(AudioFormat { sample_rate_hz: rate_hz, ..MONO }, &bytes, u64::from(rate_hz));
            assert_eq!(words(&heard[0]), spoken, "{rate_hz} Hz");
            assert_eq!(
                heard[0].samples.len(),
                (3 * 16_000usize).next_multiple_of(FRAME_SAMPLES),
                "{rate_hz} Hz"
            );
        }
    }

    #[test]
    fn channels_are_heard_apart_or_mixed_as_asked() {
        let (left, right) = (tone::speak(&[10, 11, 12, 13]), tone::silence(4 * tone::WORD_SAMPLES));
        let bytes = tone::linear16(&tone::interleave(&[left, right]));
        let stereo = AudioFormat { channels: 2, ..MONO };
        let apart = play(AudioFormat { multichannel: true, ..stereo }, &bytes, 1);
        assert_eq!(words(&apart[0]), [10, 11, 12, 13]);
        assert_eq!(words(&apart[1]), [0u32; 0]);
        assert!(apart[1].speech.iter().all(|probability| *probability < 0.5));
        let mixed = play(stereo, &bytes, 1);
        assert_eq!(words(&mixed[0]), [10, 11, 12, 13]);
        let peak = mixed[0].samples.iter().fold(0.0f32, |peak, sample| peak.max(sample.abs()));
        assert!((peak - tone::AMPLITUDE / 2.0).abs() < 0.03, "{peak}");
    }

    #[test]
    fn each_encoding_is_understood() {
        let audio = tone::speak(&[7, 8, 9]);
        let floats: Vec<u8> = audio.iter().flat_map(|sample| sample.to_le_bytes()).collect();
        let heard = play(AudioFormat { encoding: Encoding::Linear32, ..MONO }, &floats, 2);
        assert_eq!(words(&heard[0]), [7, 8, 9]);
        // 0xFF is silence in µ-law, 0xD5 nearly so in A-law.
        for (encoding, quiet) in [(Encoding::Mulaw, 0xFF), (Encoding::Alaw, 0xD5)] {
            let heard = play(AudioFormat { encoding, ..MONO }, &[quiet; 1_024], 3);
            assert_eq!(heard[0].speech.len(), 2);
            assert!(heard[0].samples.iter().all(|sample| sample.abs() < 0.001), "{encoding:?}");
        }
    }

    #[test]
    fn an_impossible_rate_is_answered_not_panicked() {
        let mut ear = ears().open(AudioFormat { sample_rate_hz: 1, ..MONO });
        assert!(matches!(ear.hear(&[0, 0]), Err(EngineError::BadUnit(_))));
        assert!(matches!(ear.flush(), Err(EngineError::BadUnit(_))));
    }
}
