//! Any file as 16 kHz sound, in pieces of at most a second, mixed to mono or channel by channel: what batch jobs and the
//! load generator feed to the recogniser.

use crate::decode::{Chunk, DecodeLimits, Decoder};
use crate::source::MediaSource;
use crate::{MediaError, StreamResampler};

/// The rate of everything a [`MonoReader`] returns.
pub const MONO_RATE_HZ: u32 = 16_000;

/// The most channels that are heard each by itself.
pub const MAX_CHANNELS: usize = 20;

/// A file being read as 16 kHz sound: its channels mixed, or each by itself.
pub struct MonoReader {
    decoder: Decoder,
    /// One of each heard channel.
    lanes: Vec<Lane>,
    mixes: bool,
    rate_hz: u32,
    ended: bool,
}

struct Lane {
    resampler: StreamResampler,
    taken: Vec<f32>,
    ready: Vec<f32>,
}

impl MonoReader {
    /// Opens a file by its content; its channels are mixed.
    ///
    /// # Errors
    /// See [`Decoder::open`].
    pub fn open(source: impl MediaSource + 'static, limits: DecodeLimits) -> Result<Self, MediaError> {
        Self::of(Decoder::open(source, limits)?, true)
    }

    /// Opens a file by its content; each of its channels is heard by itself.
    ///
    /// # Errors
    /// See [`Decoder::open`]; `Unsupported` for more than [`MAX_CHANNELS`] channels.
    pub fn open_each(source: impl MediaSource + 'static, limits: DecodeLimits) -> Result<Self, MediaError> {
        Self::of(Decoder::open(source, limits)?, false)
    }

    fn of(decoder: Decoder, mixes: bool) -> Result<Self, MediaError> {
        let rate_hz = decoder.sample_rate_hz();
        let channels = if mixes { 1 } else { decoder.channels().max(1) };
        if channels > MAX_CHANNELS {
            let what =
                format!("a file of {channels} channels, each heard by itself (at most {MAX_CHANNELS})");
            return Err(MediaError::Unsupported { what });
        }
        let lanes = (0..channels).map(|_| Lane::new(rate_hz)).collect::<Result<_, _>>()?;
        Ok(Self { decoder, lanes, mixes, rate_hz, ended: false })
    }

    /// Returns how many channels are heard: 1 where they are mixed.
    pub fn channels(&self) -> usize {
        self.lanes.len()
    }

    /// Returns the next samples, at most a second, of all heard channels interleaved; `None` at the end. Mixed is the mean
    /// of all channels. Where a later part of the file has fewer channels, the missing ones are silent.
    ///
    /// # Errors
    /// See [`Decoder::next_chunk`].
    #[expect(
        clippy::should_implement_trait,
        reason = "a fallible reader reads better as `next()?` than as an iterator"
    )]
    pub fn next(&mut self) -> Result<Option<Vec<f32>>, MediaError> {
        let piece = MONO_RATE_HZ as usize;
        while self.lanes[0].ready.len() < piece && !self.ended {
            let Some(chunk) = self.decoder.next_chunk()? else {
                self.lanes.iter_mut().for_each(Lane::flush);
                self.ended = true;
                break;
            };
            if chunk.sample_rate_hz != self.rate_hz {
                for lane in &mut self.lanes {
                    lane.flush();
                    lane.resampler = StreamResampler::new(chunk.sample_rate_hz, MONO_RATE_HZ)?;
                }
                self.rate_hz = chunk.sample_rate_hz;
            }
            for (index, lane) in self.lanes.iter_mut().enumerate() {
                lane.take(&chunk, (!self.mixes).then_some(index));
            }
        }
        // All lanes got equally many samples at equal rates, so they are equally far.
        let frames = self.lanes[0].ready.len().min(piece);
        if frames == 0 {
            return Ok(None);
        }
        if let [lane] = &mut self.lanes[..] {
            let behind = lane.ready.split_off(frames);
            return Ok(Some(std::mem::replace(&mut lane.ready, behind)));
        }
        let samples = (0..frames).flat_map(|at| self.lanes.iter().map(move |lane| lane.ready[at])).collect();
        self.lanes.iter_mut().for_each(|lane| drop(lane.ready.drain(..frames)));
        Ok(Some(samples))
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

impl Lane {
    fn new(rate_hz: u32) -> Result<Self, MediaError> {
        let resampler = StreamResampler::new(rate_hz, MONO_RATE_HZ)?;
        Ok(Self { resampler, taken: Vec::new(), ready: Vec::new() })
    }

    /// Takes one channel of a chunk, or the mean of all.
    fn take(&mut self, chunk: &Chunk, channel: Option<usize>) {
        let share = 1.0 / chunk.channels as f32;
        let frames = chunk.samples.chunks_exact(chunk.channels);
        self.taken.clear();
        match channel {
            None => self.taken.extend(frames.map(|frame| frame.iter().sum::<f32>() * share)),
            Some(index) => self.taken.extend(frames.map(|frame| frame.get(index).copied().unwrap_or(0.0))),
        }
        self.resampler.process(&self.taken, &mut self.ready);
    }

    fn flush(&mut self) {
        self.resampler.flush(&mut self.ready);
    }
}
