//! What the tests of this crate share: fixtures, tone measurement, a seeded generator.
#![allow(dead_code, reason = "each test binary uses its own share")]

pub mod flac;

use sottovoce_media::{DecodeLimits, Decoder, MediaError};
use std::f64::consts::PI;
use std::io::Cursor;

pub const LIMITS: DecodeLimits = DecodeLimits { max_duration_s: 60 };

pub fn fixture(name: &str) -> Vec<u8> {
    let path = format!("{}/fixtures/{name}", env!("CARGO_MANIFEST_DIR"));
    std::fs::read(&path).unwrap_or_else(|error| panic!("{path}: {error}"))
}

/// A whole file, decoded.
pub struct Decoded {
    pub channels: Vec<Vec<f32>>,
    pub rate_hz: u32,
    pub hint_s: Option<f64>,
}

impl Decoded {
    pub fn seconds(&self) -> f64 {
        self.channels[0].len() as f64 / f64::from(self.rate_hz)
    }
}

pub fn decode(bytes: Vec<u8>, limits: DecodeLimits) -> Result<Decoded, MediaError> {
    let mut decoder = Decoder::open(Cursor::new(bytes), limits)?;
    let rate_hz = decoder.sample_rate_hz();
    let hint_s = decoder.duration_hint_s();
    let mut channels = vec![Vec::new(); decoder.channels()];
    while let Some(chunk) = decoder.next_chunk()? {
        assert!(chunk.samples.iter().all(|sample| sample.abs() <= 1.0));
        for frame in chunk.samples.chunks_exact(chunk.channels) {
            for (channel, sample) in channels.iter_mut().zip(frame) {
                channel.push(*sample);
            }
        }
    }
    Ok(Decoded { channels, rate_hz, hint_s })
}

/// A tone found in a signal.
#[derive(Debug)]
pub struct Tone {
    pub amplitude: f64,
    /// Start of the sine relative to the start of the signal, in radians of the tone.
    pub phase: f64,
    /// Share of the power that is this tone.
    pub purity: f64,
}

/// Fits a sine of a known frequency to 0.3 s..1.7 s.
pub fn tone(samples: &[f32], rate_hz: u32, tone_hz: f64) -> Tone {
    let rate = f64::from(rate_hz);
    // Whole periods of 20 Hz, so that sine and cosine are orthogonal.
    let (from, to) = ((0.3 * rate) as usize, ((1.7 * rate) as usize).min(samples.len()));
    let (mut sine, mut cosine, mut power) = (0.0, 0.0, 0.0);
    for (n, sample) in samples.iter().enumerate().take(to).skip(from) {
        let angle = 2.0 * PI * tone_hz * n as f64 / rate;
        sine += f64::from(*sample) * angle.sin();
        cosine += f64::from(*sample) * angle.cos();
        power += f64::from(*sample).powi(2);
    }
    let count = (to - from) as f64;
    let amplitude = 2.0 * sine.hypot(cosine) / count;
    Tone { amplitude, phase: cosine.atan2(sine), purity: amplitude * amplitude / 2.0 / (power / count) }
}

/// SplitMix64 (Steele, Lea, Flood 2014).
pub struct Rng(pub u64);

impl Rng {
    pub fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        z ^ (z >> 31)
    }

    pub fn below(&mut self, bound: usize) -> usize {
        (self.next() % bound as u64) as usize
    }
}

/// A WAVE file of 16-bit samples whose data chunk claims `claimed_bytes`.
pub fn wav16(samples: &[i16], channels: u16, rate_hz: u32, claimed_bytes: u32) -> Vec<u8> {
    let mut file = b"RIFF".to_vec();
    file.extend(claimed_bytes.saturating_add(36).to_le_bytes());
    file.extend(b"WAVEfmt ");
    file.extend(16u32.to_le_bytes());
    file.extend(1u16.to_le_bytes());
    file.extend(channels.to_le_bytes());
    file.extend(rate_hz.to_le_bytes());
    file.extend(rate_hz.wrapping_mul(u32::from(channels) * 2).to_le_bytes());
    file.extend(channels.wrapping_mul(2).to_le_bytes());
    file.extend(16u16.to_le_bytes());
    file.extend(b"data");
    file.extend(claimed_bytes.to_le_bytes());
    file.extend(samples.iter().flat_map(|sample| sample.to_le_bytes()));
    file
}
