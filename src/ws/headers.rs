//! Walks the frame headers of a client's byte stream (RFC 6455 §5.2) ahead of actix, whose parser waits for the whole
//! payload of a frame before it looks at its length. Pure; keeps at most one header.

use sottovoce_protocol::close_code::{self, Close};

/// The longest header: 2 bytes, 8 of length, 4 of mask.
const MAX_HEADER_BYTES: usize = 14;

/// Where the stream stands between two frame headers.
#[derive(Debug)]
pub struct HeaderWalk {
    max_bytes: u64,
    header: [u8; MAX_HEADER_BYTES],
    filled: usize,
    /// Payload bytes of the current frame still to come.
    payload_left: u64,
}

impl HeaderWalk {
    /// Allows frames of at most `max_bytes`.
    pub fn new(max_bytes: usize) -> Self {
        Self { max_bytes: max_bytes as u64, header: [0; MAX_HEADER_BYTES], filled: 0, payload_left: 0 }
    }

    /// Takes the next bytes; answers how the socket must be closed if a header in them cannot be accepted.
    pub fn push(&mut self, mut bytes: &[u8]) -> Result<(), Close> {
        while !bytes.is_empty() {
            if self.payload_left > 0 {
                let skipped = self.payload_left.min(bytes.len() as u64);
                self.payload_left -= skipped;
                bytes = &bytes[skipped as usize..];
                continue;
            }
            self.header[self.filled] = bytes[0];
            self.filled += 1;
            bytes = &bytes[1..];
            if self.filled < 2 || self.filled < header_bytes(self.header[1]) {
                continue;
            }
            const RESERVED_BITS: u8 = 0x70;
            if self.header[0] & RESERVED_BITS != 0 {
                return Err(close_code::PROTOCOL);
            }
            let length = payload_bytes(&self.header);
            if length > self.max_bytes {
                return Err(close_code::TOO_BIG);
            }
            self.payload_left = length;
            self.filled = 0;
        }
        Ok(())
    }
}

/// The size of a header whose second byte this is.
const fn header_bytes(second: u8) -> usize {
    let length = match second & 0x7f {
        126 => 2,
        127 => 8,
        _ => 0,
    };
    let mask = if second & 0x80 != 0 { 4 } else { 0 };
    2 + length + mask
}

fn payload_bytes(header: &[u8; MAX_HEADER_BYTES]) -> u64 {
    match header[1] & 0x7f {
        126 => u64::from(u16::from_be_bytes([header[2], header[3]])),
        127 => header[2..10].iter().fold(0, |length, &byte| length << 8 | u64::from(byte)),
        short => u64::from(short),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn frame(payload: usize) -> Vec<u8> {
        let mut bytes = match payload {
            0..126 => vec![0x82, 0x80 | payload as u8],
            126..65_536 => [&[0x82, 0x80 | 126][..], &(payload as u16).to_be_bytes()].concat(),
            _ => [&[0x82, 0x80 | 127][..], &(payload as u64).to_be_bytes()].concat(),
        };
        bytes.extend([1, 2, 3, 4]);
        bytes.resize(bytes.len() + payload, 0x7f);
        bytes
    }

    #[test]
    fn frames_within_the_limit_pass_however_they_are_cut() {
        let stream: Vec<u8> = [0, 5, 125, 126, 300, 65_535, 65_536].into_iter().flat_map(frame).collect();
        for step in [1, 2, 7, 1000, stream.len()] {
            let mut walk = HeaderWalk::new(65_536);
            assert!(stream.chunks(step).all(|chunk| walk.push(chunk).is_ok()), "step {step}");
        }
    }

    #[test]
    fn a_frame_over_the_limit_is_refused_by_its_header_alone() {
        let mut walk = HeaderWalk::new(1000);
        assert_eq!(walk.push(&frame(1000)), Ok(()));
        assert_eq!(walk.push(&frame(1001)[..8]), Err(close_code::TOO_BIG));
        let endless = [0x82, 0xff, 0x7f, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 1, 2, 3, 4];
        assert_eq!(HeaderWalk::new(1000).push(&endless), Err(close_code::TOO_BIG));
    }

    #[test]
    fn reserved_bits_break_the_protocol() {
        for bit in [0x40, 0x20, 0x10] {
            assert_eq!(
                HeaderWalk::new(1000).push(&[0x82 | bit, 0x80, 1, 2, 3, 4]),
                Err(close_code::PROTOCOL)
            );
        }
    }
}
