//! WebSocket frames byte by byte (RFC 6455 §5.2), right or wrong on purpose.

use super::seed::Random;

/// Frame types (RFC 6455 §11.8).
pub mod opcode {
    pub const CONTINUATION: u8 = 0;
    pub const TEXT: u8 = 1;
    pub const BINARY: u8 = 2;
    pub const CLOSE: u8 = 8;
    pub const PING: u8 = 9;
}

/// The FIN bit.
pub const FIN: u8 = 0x80;

/// Returns a masked frame; `first` is the whole first byte (FIN, reserved bits, opcode).
pub fn masked(random: &mut Random, first: u8, payload: &[u8]) -> Vec<u8> {
    let mask = (random.next() as u32).to_be_bytes();
    let mut frame = header(first, 0x80, payload.len() as u64);
    frame.extend_from_slice(&mask);
    frame.extend(payload.iter().zip(mask.iter().cycle()).map(|(byte, mask)| byte ^ mask));
    frame
}

/// Returns a frame without a mask, which no client may send.
pub fn unmasked(first: u8, payload: &[u8]) -> Vec<u8> {
    let mut frame = header(first, 0, payload.len() as u64);
    frame.extend_from_slice(payload);
    frame
}

/// Returns a masked frame's header that announces `length` bytes.
pub fn header(first: u8, mask_bit: u8, length: u64) -> Vec<u8> {
    let mut header = vec![first];
    match length {
        0..=125 => header.push(mask_bit | length as u8),
        126..=0xffff => {
            header.push(mask_bit | 126);
            header.extend_from_slice(&(length as u16).to_be_bytes());
        }
        _ => {
            header.push(mask_bit | 127);
            header.extend_from_slice(&length.to_be_bytes());
        }
    }
    header
}

/// Returns a whole text message.
pub fn text(random: &mut Random, text: &str) -> Vec<u8> {
    masked(random, FIN | opcode::TEXT, text.as_bytes())
}

/// Returns a whole binary message.
pub fn binary(random: &mut Random, bytes: &[u8]) -> Vec<u8> {
    masked(random, FIN | opcode::BINARY, bytes)
}

/// What a reader found at the beginning of the bytes received.
#[derive(Debug, PartialEq, Eq)]
pub enum Parsed {
    /// A whole frame: opcode, payload, bytes used.
    Frame(u8, Vec<u8>, usize),
    /// More bytes are needed.
    Incomplete,
}

/// Parses one unmasked frame of a server.
pub fn parse(bytes: &[u8]) -> Parsed {
    let [first, second, ..] = bytes else { return Parsed::Incomplete };
    let (length, start) = match second & 0x7f {
        126 => match bytes.get(2..4) {
            Some(b) => (u64::from(u16::from_be_bytes([b[0], b[1]])), 4),
            None => return Parsed::Incomplete,
        },
        127 => match bytes.get(2..10).and_then(|b| <[u8; 8]>::try_from(b).ok()) {
            Some(b) => (u64::from_be_bytes(b), 10),
            None => return Parsed::Incomplete,
        },
        short => (u64::from(short), 2),
    };
    let end = usize::try_from(length).ok().and_then(|length| length.checked_add(start));
    match end.and_then(|end| Some((bytes.get(start..end)?, end))) {
        Some((payload, end)) => Parsed::Frame(first & 0x0f, payload.to_vec(), end),
        None => Parsed::Incomplete,
    }
}

#[cfg(test)]
mod tests {
    use super::super::seed::Seed;
    use super::*;

    #[test]
    fn frames_of_every_length_parse_back() {
        for length in [0, 1, 125, 126, 65_535, 65_536] {
            let payload = vec![7; length];
            let frame = unmasked(FIN | opcode::TEXT, &payload);
            assert_eq!(parse(&frame), Parsed::Frame(opcode::TEXT, payload, frame.len()));
            assert_eq!(parse(&frame[..frame.len() - 1]), Parsed::Incomplete);
        }
    }

    #[test]
    fn a_mask_hides_the_payload_and_undoes_itself() {
        let frame = masked(&mut Seed(3).of_case(0), FIN | opcode::TEXT, b"hello");
        assert_eq!(frame[1], 0x80 | 5);
        let plain: Vec<u8> = frame[6..].iter().zip(frame[2..6].iter().cycle()).map(|(b, m)| b ^ m).collect();
        assert_eq!(plain, b"hello");
    }
}
