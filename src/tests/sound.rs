//! Words as tones at any sampling rate and in any coding that a stream may have; see `sottovoce_actors::testkit::tone`.

use sottovoce_actors::testkit::tone;

const TONE_MS: u32 = 80;
const WORD_MS: u32 = 100;
/// Tones swell and fade, so that resampling adds no ringing that reads as another pitch.
const RAMP_MS: u32 = 4;

/// Returns samples of these words and so much silence after them.
pub fn speech(words: &[u32], pause_ms: u32, rate_hz: u32) -> Vec<f32> {
    let samples = |ms: u32| (u64::from(ms) * u64::from(rate_hz) / 1000) as usize;
    let mut audio = Vec::new();
    for word in words {
        let step = std::f64::consts::TAU * (200.0 + 20.0 * f64::from(*word)) / f64::from(rate_hz);
        let (length, ramp) = (samples(TONE_MS), samples(RAMP_MS) as f32);
        audio.extend((0..length).map(|n| {
            let loudness = tone::AMPLITUDE * (n.min(length - n) as f32 / ramp).min(1.0);
            loudness * (step * (n as f64 + 0.5)).sin() as f32
        }));
        audio.resize(audio.len() + samples(WORD_MS - TONE_MS), 0.0);
    }
    audio.resize(audio.len() + samples(pause_ms), 0.0);
    audio
}

/// Returns 16 kHz linear16 of these words and a second of silence.
pub fn said(words: &[u32]) -> Vec<u8> {
    tone::linear16(&speech(words, 1_000, 16_000))
}

/// Returns so much silence as 16 kHz linear16.
pub fn silence_ms(ms: usize) -> Vec<u8> {
    vec![0; ms * 32]
}

/// Returns 16-bit samples as G.711 µ-law (ITU-T G.711, table 2a).
pub fn mulaw(audio: &[f32]) -> Vec<u8> {
    const BIAS: i32 = 132;
    let code = |sample: &f32| {
        let value = (sample * 32_767.0) as i32;
        let (sign, magnitude) = (if value < 0 { 0x80 } else { 0 }, value.abs().min(32_635) + BIAS);
        let exponent = (31 - magnitude.leading_zeros() as i32) - 7;
        let mantissa = (magnitude >> (exponent + 3)) & 0x0F;
        !(sign | exponent << 4 | mantissa) as u8
    };
    audio.iter().map(code).collect()
}

/// Returns a WAV file of these words, 16 kHz mono.
pub fn wav(words: &[u32]) -> Vec<u8> {
    let data = said(words);
    let mut file = Vec::from(*b"RIFF");
    file.extend((36 + data.len() as u32).to_le_bytes());
    file.extend(b"WAVEfmt \x10\0\0\0\x01\0\x01\0");
    file.extend(16_000u32.to_le_bytes());
    file.extend(32_000u32.to_le_bytes());
    file.extend(b"\x02\0\x10\0data");
    file.extend((data.len() as u32).to_le_bytes());
    file.extend(data);
    file
}
