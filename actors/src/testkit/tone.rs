//! Speech that a test can read back: each word is a tone whose pitch is the word.
//!
//! Word `k` is [`TONE_SAMPLES`] of a sine at `200 + 20·k` Hz and then silence up to [`WORD_SAMPLES`] (100 ms), so that
//! equal neighbours stay apart. What is heard depends on the audio alone: mixed channels, lost or doubled samples show up
//! as wrong, missing or doubled words. Of a word cut in two, the half with more than half of the tone is heard, so a
//! stream cut anywhere still gives each word once.

use crate::ports::engine::SAMPLE_RATE_HZ;

/// Length of a word with the silence after it, in samples (100 ms).
pub const WORD_SAMPLES: usize = 1_600;

/// Length of a word's tone, in samples (80 ms).
pub const TONE_SAMPLES: usize = 1_280;

/// How loud [`speak`] is; also the confidence of its words.
pub const AMPLITUDE: f32 = 0.5;

/// Below this a sample is silence.
const SILENCE: f32 = 0.02;

/// Silence up to this many samples is part of a tone: a sine crosses zero (4 ms).
const CROSSING_SAMPLES: usize = 64;

const LOWEST_HZ: f64 = 200.0;
const STEP_HZ: f64 = 20.0;

/// A word read back. Places are sample numbers.
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct Tone {
    /// Which word.
    pub word: u32,
    /// First sample of its sound.
    pub start: usize,
    /// Sample after its sound.
    pub end: usize,
    /// Loudest sample, 0..1.
    pub peak: f32,
}

/// Returns the audio of these words at [`AMPLITUDE`], 16 kHz.
pub fn speak(words: &[u32]) -> Vec<f32> {
    speak_at(words, AMPLITUDE)
}

/// Returns the audio of these words, so loud.
pub fn speak_at(words: &[u32], amplitude: f32) -> Vec<f32> {
    let mut audio = Vec::with_capacity(words.len() * WORD_SAMPLES);
    for word in words {
        let step =
            std::f64::consts::TAU * (LOWEST_HZ + STEP_HZ * f64::from(*word)) / f64::from(SAMPLE_RATE_HZ);
        audio.extend((0..TONE_SAMPLES).map(|n| amplitude * (step * (n as f64 + 0.5)).sin() as f32));
        audio.extend(silence(WORD_SAMPLES - TONE_SAMPLES));
    }
    audio
}

/// Returns so many silent samples.
pub fn silence(samples: usize) -> Vec<f32> {
    vec![0.0; samples]
}

/// Returns the audio as signed 16-bit little endian bytes.
pub fn linear16(audio: &[f32]) -> Vec<u8> {
    audio.iter().flat_map(|sample| ((sample * 32_767.0).round() as i16).to_le_bytes()).collect()
}

/// Returns channels of equal length as one interleaved stream.
pub fn interleave(channels: &[Vec<f32>]) -> Vec<f32> {
    let frames = channels.iter().map(Vec::len).min().unwrap_or(0);
    (0..frames).flat_map(|frame| channels.iter().map(move |channel| channel[frame])).collect()
}

/// Returns a word as captions show it.
pub fn text(word: u32) -> String {
    format!("w{word}")
}

/// Returns the words as captions show them.
pub fn caption(words: &[u32]) -> String {
    words.iter().map(|word| text(*word)).collect::<Vec<_>>().join(" ")
}

/// Reads the words back.
pub fn hear(audio: &[f32]) -> Vec<Tone> {
    sounds(audio)
        .into_iter()
        .filter(|(start, end)| end - start > TONE_SAMPLES / 2)
        .filter_map(|(start, end)| {
            let sound = &audio[start..end];
            let word = ((pitch_hz(sound)? - LOWEST_HZ) / STEP_HZ).round().max(0.0) as u32;
            let peak = sound.iter().fold(0.0f32, |peak, sample| peak.max(sample.abs()));
            Some(Tone { word, start, end, peak })
        })
        .collect()
}

/// Runs of sound, `start..end`.
fn sounds(audio: &[f32]) -> Vec<(usize, usize)> {
    let mut runs: Vec<(usize, usize)> = Vec::new();
    for (place, _) in audio.iter().enumerate().filter(|(_, sample)| sample.abs() > SILENCE) {
        match runs.last_mut() {
            Some(run) if place - run.1 <= CROSSING_SAMPLES => run.1 = place + 1,
            _ => runs.push((place, place + 1)),
        }
    }
    runs
}

/// Pitch from the upward zero crossings, between samples by a straight line.
fn pitch_hz(sound: &[f32]) -> Option<f64> {
    let crossings: Vec<f64> = sound
        .windows(2)
        .enumerate()
        .filter(|(_, pair)| pair[0] <= 0.0 && pair[1] > 0.0)
        .map(|(place, pair)| place as f64 + f64::from(-pair[0]) / f64::from(pair[1] - pair[0]))
        .collect();
    let (first, last) = (crossings.first()?, crossings.last()?);
    let periods = (crossings.len() - 1) as f64;
    (last > first).then(|| periods * f64::from(SAMPLE_RATE_HZ) / (last - first))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testkit::Random;

    fn words(audio: &[f32]) -> Vec<u32> {
        hear(audio).iter().map(|tone| tone.word).collect()
    }

    #[test]
    fn every_word_is_read_back_with_its_time_and_loudness() {
        let spoken: Vec<u32> = (0..150).collect();
        let heard = hear(&speak(&spoken));
        assert_eq!(heard.iter().map(|tone| tone.word).collect::<Vec<_>>(), spoken);
        for (number, tone) in heard.iter().enumerate() {
            assert!(tone.start.abs_diff(number * WORD_SAMPLES) <= 2, "{tone:?}");
            assert!(tone.end.abs_diff(number * WORD_SAMPLES + TONE_SAMPLES) <= 8, "{tone:?}");
            // Samples need not fall on a crest of the sine.
            assert!((tone.peak - AMPLITUDE).abs() < 0.05, "{tone:?}");
        }
    }

    #[test]
    fn equal_neighbours_are_two_words_and_silence_none() {
        assert_eq!(words(&speak(&[7, 7, 7])), [7, 7, 7]);
        assert_eq!(words(&silence(16_000)), [0u32; 0]);
    }

    #[test]
    fn a_stream_cut_anywhere_gives_each_word_once() {
        for seed in 0..50 {
            let mut random = Random::new(seed);
            let spoken: Vec<u32> = (0..20).map(|_| random.below(100) as u32).collect();
            let audio = speak(&spoken);
            let mut heard = Vec::new();
            let mut rest = &audio[..];
            while !rest.is_empty() {
                let length = (2_000 + random.below(9_000) as usize).min(rest.len());
                heard.extend(words(&rest[..length]));
                rest = &rest[length..];
            }
            // A cut through the very middle of a tone may leave neither half with more than half.
            let missing = spoken.len() - heard.len();
            assert!(missing <= 1, "seed {seed}: {spoken:?} {heard:?}");
        }
    }

    #[test]
    fn mixed_channels_are_noticed() {
        let (left, right) = (speak(&[3, 3, 3]), speak(&[60, 61, 62]));
        let mixed: Vec<f32> = left.iter().zip(&right).map(|(a, b)| (a + b) / 2.0).collect();
        let heard = words(&mixed);
        assert!(heard != [3, 3, 3] && heard != [60, 61, 62], "{heard:?}");
    }
}
