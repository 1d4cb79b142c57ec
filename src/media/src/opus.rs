//! Opus packets to samples, which the demuxing library cannot do. Always decodes at 48 kHz, the rate of Opus timestamps.

use crate::MediaError;
use ropus::{Channels, DecodeMode};

/// Rate of all decoded Opus.
pub(crate) const OPUS_RATE_HZ: u32 = 48_000;
/// Longest packet: 120 ms (RFC 6716 section 2.1.4).
const MAX_PACKET_FRAMES: usize = 5760;

/// What a packet came to.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct BadPacket;

/// The decoder of one Opus track, mono or stereo.
pub(crate) struct OpusDecoder {
    decoder: ropus::Decoder,
    channels: usize,
    skip_frames: usize,
    gain: f32,
    buffer: Vec<f32>,
}

impl OpusDecoder {
    /// Opens a decoder by the track's identification header: that of RFC 7845 section 5.1, or the big-endian `dOps` box of
    /// MP4, told apart by their versions 1 and 0. Without a header the container's channel count has to do.
    pub fn open(header: Option<&[u8]>, container_channels: Option<usize>) -> Result<Self, MediaError> {
        let mut channels = container_channels.unwrap_or(1);
        let (mut skip_frames, mut gain_q8, mut streams) = (0, 0, 1);
        if let Some([b'O', b'p', b'u', b's', b'H', b'e', b'a', b'd', fields @ ..]) = header {
            let [version, count, skip_a, skip_b, _, _, _, _, gain_a, gain_b, family, mapping @ ..] = fields
            else {
                return Err(MediaError::Corrupt { what: "its Opus header is cut off" });
            };
            let number = if *version == 0 { u16::from_be_bytes } else { u16::from_le_bytes };
            channels = usize::from(*count);
            skip_frames = usize::from(number([*skip_a, *skip_b]));
            gain_q8 = number([*gain_a, *gain_b]).cast_signed();
            if *family != 0 {
                streams = mapping.first().copied().unwrap_or(1);
            }
        }
        let layout = match (channels, streams) {
            (1, 1) => Channels::Mono,
            (2, 1) => Channels::Stereo,
            _ => return Err(MediaError::UnsupportedCodec { name: "Opus with more than two channels" }),
        };
        let decoder = ropus::Decoder::new(OPUS_RATE_HZ, layout)
            .map_err(|_| MediaError::Corrupt { what: "its Opus header is invalid" })?;
        // Q7.8 decibels (RFC 7845 section 5.1).
        let gain = 10f32.powf(f32::from(gain_q8) / (20.0 * 256.0));
        Ok(Self { decoder, channels, skip_frames, gain, buffer: vec![0.0; MAX_PACKET_FRAMES * channels] })
    }

    /// Returns how many channels are decoded.
    pub fn channels(&self) -> usize {
        self.channels
    }

    /// Decodes a packet to interleaved samples, without the pre-skip and `trim_end_frames`.
    pub fn decode(&mut self, packet: &[u8], trim_end_frames: usize) -> Result<Vec<f32>, BadPacket> {
        if packet.is_empty() {
            return Err(BadPacket);
        }
        let frames =
            self.decoder.decode_float(packet, &mut self.buffer, DecodeMode::Normal).map_err(|_| BadPacket)?;
        let end = frames.saturating_sub(trim_end_frames);
        let start = self.skip_frames.min(frames);
        self.skip_frames -= start;
        let mut samples = match self.buffer.get(start * self.channels..end * self.channels) {
            Some(samples) => samples.to_vec(),
            None => Vec::new(),
        };
        if self.gain != 1.0 {
            samples.iter_mut().for_each(|sample| *sample *= self.gain);
        }
        Ok(samples)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn headers_of_both_byte_orders_are_read() {
        let ogg = b"OpusHead\x01\x02\x38\x01\x80\xBB\0\0\0\x06\0";
        let mp4 = b"OpusHead\x00\x02\x01\x38\0\0\xBB\x80\x06\0\0";
        for header in [&ogg[..], mp4] {
            let decoder = OpusDecoder::open(Some(header), None).expect("opens");
            assert_eq!((decoder.channels, decoder.skip_frames), (2, 312));
            assert!((decoder.gain - 1.995).abs() < 0.01, "{}", decoder.gain);
        }
    }

    #[test]
    fn surround_is_refused_by_name() {
        let header = b"OpusHead\x01\x06\x38\x01\x80\xBB\0\0\0\0\x01\x04\x02\0\x04\x01\x02\x03\x05";
        let Err(error) = OpusDecoder::open(Some(header), None) else { panic!("must be refused") };
        assert_eq!(error.code(), "media_unsupported");
        assert!(error.to_string().contains("two channels"), "{error}");
        assert!(matches!(OpusDecoder::open(Some(b"OpusHead\x01"), None), Err(MediaError::Corrupt { .. })));
    }
}
