//! Streaming decoding and resampling of untrusted audio, in this process and without subprocesses.
//!
//! Files: [`MonoReader`] yields 16 kHz mono samples of any supported file; [`Decoder`] yields them as recorded.
//! Live streams: [`PcmDecoder`] and [`StreamResampler`]. Nothing here logs, and nothing here opens a path or a URL:
//! a file can only ever lead to its own bytes. Everything is blocking: call it on blocking threads.

mod container;
mod decode;
mod error;
mod mono;
mod opus;
mod pcm;
mod resample;
mod sniff;
mod source;
mod timeline;
mod track;
mod wav;

pub use decode::{Chunk, DecodeLimits, Decoder};
pub use error::MediaError;
pub use mono::{MAX_CHANNELS, MONO_RATE_HZ, MonoReader};
pub use pcm::{Encoding, PcmDecoder};
pub use resample::{MAX_RATE_HZ, MIN_RATE_HZ, StreamResampler};
pub use sniff::{Container, SNIFF_BYTES, sniff};
pub use source::MediaSource;
