//! Loads a recording whole as 16 kHz mono 16-bit samples: what `encoding=linear16&sample_rate=16000` sends.

use crate::error::LoadError;
use sottovoce_media::{DecodeLimits, MONO_RATE_HZ, MonoReader};
use std::fs::File;
use std::path::{Path, PathBuf};

/// The rate that every stream is sent at.
pub const SAMPLE_RATE_HZ: u32 = MONO_RATE_HZ;

/// The longest recording that is loaded.
const LIMITS: DecodeLimits = DecodeLimits { max_duration_s: 10 * 3_600 };

/// A recording in memory.
#[derive(Debug)]
pub struct Clip {
    /// Where it came from.
    pub path: PathBuf,
    /// 16 kHz mono samples.
    pub samples: Vec<i16>,
}

impl Clip {
    /// Returns the length in seconds.
    pub fn seconds(&self) -> f64 {
        self.samples.len() as f64 / f64::from(SAMPLE_RATE_HZ)
    }

    /// Loads a recording of any format that the media crate decodes.
    ///
    /// # Errors
    /// When the file cannot be read or decoded.
    pub fn load(path: &Path) -> Result<Self, LoadError> {
        let file = File::open(path).map_err(|e| LoadError::file(path, e))?;
        let decoding = |e: sottovoce_media::MediaError| LoadError::content(path, e.to_string());
        let mut reader = MonoReader::open(file, LIMITS).map_err(decoding)?;
        let mut samples = Vec::new();
        while let Some(piece) = reader.next().map_err(decoding)? {
            samples.extend(piece.iter().map(|&sample| to_i16(sample)));
        }
        Ok(Self { path: path.to_owned(), samples })
    }
}

fn to_i16(sample: f32) -> i16 {
    // A float cast saturates, so overshoots of the resampler clip.
    (sample * 32_768.0).round() as i16
}

/// Returns a 16 kHz mono 16-bit WAV file with these samples.
pub fn wav_file(samples: &[i16]) -> Vec<u8> {
    let data_bytes = u32::try_from(samples.len() * 2).unwrap_or(u32::MAX);
    let mut file = Vec::with_capacity(44 + samples.len() * 2);
    file.extend_from_slice(b"RIFF");
    file.extend_from_slice(&data_bytes.saturating_add(36).to_le_bytes());
    file.extend_from_slice(b"WAVEfmt ");
    file.extend_from_slice(&16_u32.to_le_bytes());
    file.extend_from_slice(&1_u16.to_le_bytes());
    file.extend_from_slice(&1_u16.to_le_bytes());
    file.extend_from_slice(&SAMPLE_RATE_HZ.to_le_bytes());
    file.extend_from_slice(&(SAMPLE_RATE_HZ * 2).to_le_bytes());
    file.extend_from_slice(&2_u16.to_le_bytes());
    file.extend_from_slice(&16_u16.to_le_bytes());
    file.extend_from_slice(b"data");
    file.extend_from_slice(&data_bytes.to_le_bytes());
    samples.iter().for_each(|sample| file.extend_from_slice(&sample.to_le_bytes()));
    file
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_written_wav_file_reads_back() {
        let samples: Vec<i16> =
            (0..1000).map(|i| (i * 37 % 2000) as i16 - 1000).chain([i16::MIN, i16::MAX]).collect();
        let path = std::env::temp_dir().join(format!("sottovoce-loadtest-{}.wav", std::process::id()));
        std::fs::write(&path, wav_file(&samples)).unwrap();
        let clip = Clip::load(&path);
        std::fs::remove_file(&path).unwrap();
        assert_eq!(clip.unwrap().samples, samples);
    }
}
