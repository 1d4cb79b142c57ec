//! Any file as 16 kHz mono, in pieces of at most a second: what batch jobs and the load generator feed to the recogniser.

use crate::decode::{DecodeLimits, Decoder};
use crate::source::MediaSource;
use crate::{MediaError, StreamResampler};

/// The rate of everything a [`MonoReader`] returns.
pub const MONO_RATE_HZ: u32 = 16_000;

/// A file being read as 16 kHz mono.
pub struct MonoReader {
    decoder: Decoder,
    resampler: StreamResampler,
    rate_hz: u32,
    mixed: Vec<f32>,
    ready: Vec<f32>,
    ended: bool,
}

impl MonoReader {
    /// Opens a file by its content.
    ///
    /// # Errors
    /// See [`Decoder::open`].
    pub fn open(source: impl MediaSource + 'static, limits: DecodeLimits) -> Result<Self, MediaError> {
        let decoder = Decoder::open(source, limits)?;
        let rate_hz = decoder.sample_rate_hz();
        let resampler = StreamResampler::new(rate_hz, MONO_RATE_HZ)?;
        Ok(Self { decoder, resampler, rate_hz, mixed: Vec::new(), ready: Vec::new(), ended: false })
    }

    /// Returns the next samples, the mean of all channels, at most a second; `None` at the end.
    ///
    /// # Errors
    /// See [`Decoder::next_chunk`].
    #[expect(
        clippy::should_implement_trait,
        reason = "a fallible reader reads better as `next()?` than as an iterator"
    )]
    pub fn next(&mut self) -> Result<Option<Vec<f32>>, MediaError> {
        let piece = MONO_RATE_HZ as usize;
        while self.ready.len() < piece && !self.ended {
            let Some(chunk) = self.decoder.next_chunk()? else {
                self.resampler.flush(&mut self.ready);
                self.ended = true;
                break;
            };
            if chunk.sample_rate_hz != self.rate_hz {
                self.resampler.flush(&mut self.ready);
                self.resampler = StreamResampler::new(chunk.sample_rate_hz, MONO_RATE_HZ)?;
                self.rate_hz = chunk.sample_rate_hz;
            }
            let share = 1.0 / chunk.channels as f32;
            let frames = chunk.samples.chunks_exact(chunk.channels);
            self.mixed.clear();
            self.mixed.extend(frames.map(|frame| frame.iter().sum::<f32>() * share));
            self.resampler.process(&self.mixed, &mut self.ready);
        }
        if self.ready.is_empty() {
            return Ok(None);
        }
        let behind = self.ready.split_off(self.ready.len().min(piece));
        Ok(Some(std::mem::replace(&mut self.ready, behind)))
    }

    /// Returns the announced length in seconds, if there is one; not to be trusted.
    pub fn duration_hint_s(&self) -> Option<f64> {
        self.decoder.duration_hint_s()
    }

    /// Returns how many seconds were decoded so far.
    pub fn decoded_s(&self) -> f64 {
        self.decoder.decoded_s()
    }
}
