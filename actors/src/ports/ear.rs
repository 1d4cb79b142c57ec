//! The ear port: raw client audio to 16 kHz mono channels with voice probabilities.

use crate::ports::engine::EngineError;

/// Raw audio formats a client may stream.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Encoding {
    /// Signed 16-bit little endian.
    Linear16,
    /// IEEE float 32-bit little endian.
    Linear32,
    /// G.711 µ-law.
    Mulaw,
    /// G.711 A-law.
    Alaw,
}

impl Encoding {
    /// Returns the size of one sample of one channel.
    pub const fn bytes_per_sample(self) -> u32 {
        match self {
            Self::Linear16 => 2,
            Self::Linear32 => 4,
            Self::Mulaw | Self::Alaw => 1,
        }
    }
}

/// The format of a stream's raw audio.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct AudioFormat {
    /// Sample coding.
    pub encoding: Encoding,
    /// Samples per second and channel.
    pub sample_rate_hz: u32,
    /// Interleaved channels in the stream.
    pub channels: u16,
    /// Hear each channel by itself; otherwise they are mixed to one.
    pub multichannel: bool,
}

impl AudioFormat {
    /// Returns how many channels are heard.
    pub const fn heard_channels(&self) -> u16 {
        if self.multichannel { self.channels } else { 1 }
    }
}

/// What was heard on one channel: whole frames of 32 ms; what is left waits in the ear.
#[derive(Clone, PartialEq, Debug, Default)]
pub struct Heard {
    /// 16 kHz samples, `FRAME_SAMPLES` per probability.
    pub samples: Vec<f32>,
    /// Speech probability of each frame.
    pub speech: Vec<f32>,
}

/// Decodes, resamples and watches the voice of one stream; blocking, runs on the listening threads.
pub trait Ear: Send {
    /// Hears raw bytes, cut anywhere; returns one `Heard` per heard channel.
    fn hear(&mut self, audio: &[u8]) -> Result<Vec<Heard>, EngineError>;
    /// Returns what still waits (delay lines, a last part frame padded with silence). The ear can be used on.
    fn flush(&mut self) -> Result<Vec<Heard>, EngineError>;
}

/// Makes ears.
pub trait Ears: Send + Sync + 'static {
    /// Opens an ear with fresh state for this format.
    fn open(&self, format: AudioFormat) -> Box<dyn Ear>;
}
