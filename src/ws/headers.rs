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
    /// Payload bytes of the unfinished message's frames so far.
    message_bytes: u64,
}

/// A header that cannot be accepted.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Broken {
    /// How the socket must be closed.
    pub close: Close,
    /// How many of the bytes lie before the rest of the header.
    pub after_bytes: usize,
}

impl HeaderWalk {
    /// Allows messages of at most `max_bytes`, all their fragments together: behind a gate that is hardly wider, the last
    /// fragment of a larger one would never be whole.
    pub fn new(max_bytes: usize) -> Self {
        Self {
            max_bytes: max_bytes as u64,
            header: [0; MAX_HEADER_BYTES],
            filled: 0,
            payload_left: 0,
            message_bytes: 0,
        }
    }

    /// Takes the next bytes, up to a header that cannot be accepted.
    pub fn push(&mut self, bytes: &[u8]) -> Result<(), Broken> {
        let mut at = 0;
        while at < bytes.len() {
            if self.payload_left > 0 {
                let skipped = self.payload_left.min((bytes.len() - at) as u64);
                self.payload_left -= skipped;
                at += skipped as usize;
                continue;
            }
            self.header[self.filled] = bytes[at];
            self.filled += 1;
            at += 1;
            if self.filled < 2 || self.filled < header_bytes(self.header[1]) {
                continue;
            }
            self.accept().map_err(|close| Broken { close, after_bytes: at - 1 })?;
            self.filled = 0;
        }
        Ok(())
    }

    /// Judges the header that is whole now.
    fn accept(&mut self) -> Result<(), Close> {
        const RESERVED_BITS: u8 = 0x70;
        const LAST_FRAGMENT: u8 = 0x80;
        const CONTINUATION: u8 = 0;
        const FIRST_CONTROL: u8 = 8;
        if self.header[0] & RESERVED_BITS != 0 {
            return Err(close_code::PROTOCOL);
        }
        self.payload_left = payload_bytes(&self.header);
        let opcode = self.header[0] & 0x0f;
        // Control frames may stand between the fragments of a message.
        let before = if opcode == CONTINUATION { self.message_bytes } else { 0 };
        let message_bytes = before.saturating_add(self.payload_left);
        if message_bytes > self.max_bytes {
            return Err(close_code::TOO_BIG);
        }
        if opcode < FIRST_CONTROL {
            self.message_bytes = if self.header[0] & LAST_FRAGMENT != 0 { 0 } else { message_bytes };
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
        let broken = |after_bytes| Err(Broken { close: close_code::TOO_BIG, after_bytes });
        assert_eq!(walk.push(&frame(1001)[..8]), broken(7));
        let endless = [0x82, 0xff, 0x7f, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 1, 2, 3, 4];
        assert_eq!(HeaderWalk::new(1000).push(&endless), broken(13));
        // Whole messages before it are told apart from it.
        let before = frame(5);
        let bytes = [&before[..], &endless].concat();
        assert_eq!(HeaderWalk::new(1000).push(&bytes), broken(before.len() + 13));
    }

    #[test]
    fn the_fragments_of_a_message_count_together() {
        let part = |first: u8, payload: usize| {
            let mut bytes = frame(payload);
            bytes[0] = first;
            bytes
        };
        let begun = [part(0x02, 600), part(0x89, 100), part(0x00, 300)].concat();
        let mut walk = HeaderWalk::new(1000);
        assert_eq!(walk.push(&begun), Ok(()));
        assert_eq!(walk.push(&part(0x80, 100)), Ok(()), "1000 in all");
        assert_eq!(walk.push(&begun), Ok(()), "the next message begins anew");
        let broken = walk.push(&part(0x80, 101)).expect_err("1001 in all");
        assert_eq!(broken.close, close_code::TOO_BIG);
    }

    #[test]
    fn reserved_bits_break_the_protocol() {
        for bit in [0x40, 0x20, 0x10] {
            let broken = HeaderWalk::new(1000).push(&[0x82 | bit, 0x80, 1, 2, 3, 4]);
            assert_eq!(broken, Err(Broken { close: close_code::PROTOCOL, after_bytes: 5 }));
        }
    }
}
