//! Raw live audio to samples. Bytes may be cut anywhere, in the middle of a sample too; at most one frame waits here.

/// How raw samples are coded.
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
    pub const fn sample_bytes(self) -> usize {
        match self {
            Self::Linear16 => 2,
            Self::Linear32 => 4,
            Self::Mulaw | Self::Alaw => 1,
        }
    }

    /// Decodes one sample of exactly `sample_bytes`; floats that are no number become silence.
    fn sample(self, bytes: &[u8]) -> f32 {
        match (self, bytes) {
            (Self::Linear16, &[a, b]) => f32::from(i16::from_le_bytes([a, b])) / 32_768.0,
            (Self::Linear32, &[a, b, c, d]) => sane(f32::from_le_bytes([a, b, c, d])),
            (Self::Mulaw, &[byte]) => f32::from(mulaw(byte)) / 32_768.0,
            (Self::Alaw, &[byte]) => f32::from(alaw(byte)) / 32_768.0,
            _ => 0.0,
        }
    }
}

/// Returns the sample within full scale; not-a-number and infinities, which would poison everything behind, are silence.
pub(crate) fn sane(sample: f32) -> f32 {
    if sample.is_finite() { sample.clamp(-1.0, 1.0) } else { 0.0 }
}

/// ITU-T G.711 µ-law.
const fn mulaw(byte: u8) -> i16 {
    let byte = !byte;
    let magnitude = ((((byte & 0x0F) as i16) << 3) + 0x84) << ((byte & 0x70) >> 4);
    if byte & 0x80 != 0 { 0x84 - magnitude } else { magnitude - 0x84 }
}

/// ITU-T G.711 A-law.
const fn alaw(byte: u8) -> i16 {
    let byte = byte ^ 0x55;
    let mantissa = ((byte & 0x0F) as i16) << 4;
    let segment = (byte & 0x70) >> 4;
    let magnitude = if segment == 0 { mantissa + 8 } else { (mantissa + 0x108) << (segment - 1) };
    if byte & 0x80 != 0 { magnitude } else { -magnitude }
}

/// Decodes the interleaved raw audio of one stream.
#[derive(Debug)]
pub struct PcmDecoder {
    encoding: Encoding,
    channels: usize,
    waiting: Vec<u8>,
}

impl PcmDecoder {
    /// Makes a decoder for `channels` interleaved channels; none counts as one.
    pub fn new(encoding: Encoding, channels: u16) -> Self {
        Self { encoding, channels: usize::from(channels).max(1), waiting: Vec::new() }
    }

    /// Decodes bytes cut anywhere and returns the samples of each channel; an unfinished frame waits for the next call.
    pub fn decode(&mut self, bytes: &[u8]) -> Vec<Vec<f32>> {
        let frame_bytes = self.encoding.sample_bytes() * self.channels;
        let frames = (self.waiting.len() + bytes.len()) / frame_bytes;
        let mut channels = vec![Vec::with_capacity(frames); self.channels];
        let mut rest = bytes;
        if !self.waiting.is_empty() {
            let (missing, behind) = bytes.split_at(bytes.len().min(frame_bytes - self.waiting.len()));
            self.waiting.extend_from_slice(missing);
            rest = behind;
            if self.waiting.len() == frame_bytes {
                push_frames(self.encoding, &self.waiting, &mut channels);
                self.waiting.clear();
            }
        }
        let whole = rest.len() - rest.len() % frame_bytes;
        push_frames(self.encoding, &rest[..whole], &mut channels);
        self.waiting.extend_from_slice(&rest[whole..]);
        channels
    }
}

/// Appends whole frames to their channels.
fn push_frames(encoding: Encoding, bytes: &[u8], channels: &mut [Vec<f32>]) {
    let size = encoding.sample_bytes();
    for frame in bytes.chunks_exact(size * channels.len()) {
        for (sample, channel) in frame.chunks_exact(size).zip(channels.iter_mut()) {
            channel.push(encoding.sample(sample));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn frames_cut_anywhere_give_the_same_samples() {
        for encoding in [Encoding::Linear16, Encoding::Linear32, Encoding::Mulaw, Encoding::Alaw] {
            for channels in [1u16, 2, 3] {
                let frame = encoding.sample_bytes() * usize::from(channels);
                let bytes: Vec<u8> = (0..frame * 11).map(|i| (i * 37 % 61) as u8).collect();
                let whole = PcmDecoder::new(encoding, channels).decode(&bytes);
                assert!(whole.iter().all(|samples| samples.len() == 11));
                for cut in 1..2 * frame + 1 {
                    let mut decoder = PcmDecoder::new(encoding, channels);
                    let mut pieces = vec![Vec::new(); usize::from(channels)];
                    for piece in bytes.chunks(cut) {
                        for (all, new) in pieces.iter_mut().zip(decoder.decode(piece)) {
                            all.extend(new);
                        }
                    }
                    assert_eq!(pieces, whole, "{encoding:?} {channels} {cut}");
                }
            }
        }
    }

    #[test]
    fn an_odd_byte_waits() {
        let mut decoder = PcmDecoder::new(Encoding::Linear16, 1);
        assert_eq!(decoder.decode(&[0x00, 0x40, 0x00]), [vec![0.5]]);
        assert_eq!(decoder.decode(&[]), [Vec::<f32>::new()]);
        assert_eq!(decoder.decode(&[0xC0]), [vec![-0.5]]);
    }

    #[test]
    fn channels_are_separated() {
        let bytes: Vec<u8> = [16_384i16, -16_384, 0, 8192].iter().flat_map(|s| s.to_le_bytes()).collect();
        let channels = PcmDecoder::new(Encoding::Linear16, 2).decode(&bytes);
        assert_eq!(channels, [vec![0.5, 0.0], vec![-0.5, 0.25]]);
    }

    #[test]
    fn g711_matches_the_tables_of_the_recommendation() {
        // Ends, zeroes and segment borders of G.711 tables 1a to 2b, scaled to 16 bits.
        for (byte, value) in [(0x80, 32_124), (0x00, -32_124), (0xFF, 0), (0x7F, 0), (0xF0, 120), (0xEF, 132)]
        {
            assert_eq!(mulaw(byte), value, "{byte:#x}");
        }
        for (byte, value) in
            [(0xAA, 32_256), (0x2A, -32_256), (0xD5, 8), (0x55, -8), (0xC5, 264), (0x80, 5504)]
        {
            assert_eq!(alaw(byte), value, "{byte:#x}");
        }
    }

    #[test]
    fn floats_that_are_no_numbers_are_silence() {
        let bytes: Vec<u8> =
            [f32::NAN, f32::INFINITY, 0.25, 9.0].iter().flat_map(|s| s.to_le_bytes()).collect();
        assert_eq!(PcmDecoder::new(Encoding::Linear32, 1).decode(&bytes), [vec![0.0, 0.0, 0.25, 1.0]]);
    }
}
