//! Joins fragmented messages (RFC 6455 §5.4) within a byte and a count limit. actix hands fragments to the application.
//! Pure; owns no socket.

use actix_http::ws::Item;
use bytes::{Bytes, BytesMut};
use sottovoce_actors::socket::gate::wire_bytes;
use sottovoce_protocol::close_code::{self, Close};

/// A whole message.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Whole {
    /// Text, valid UTF-8.
    Text(String),
    /// Bytes.
    Binary(Bytes),
}

#[derive(Debug)]
struct Partial {
    text: bool,
    data: BytesMut,
    frames: u32,
    wire_bytes: u64,
}

/// Collects the fragments of one message at a time.
#[derive(Debug)]
pub struct Assembler {
    max_bytes: usize,
    partial: Option<Partial>,
}

/// Fragments of one message; a peer that sends more sends them for their own sake.
const MAX_FRAGMENTS: u32 = 1024;

impl Assembler {
    /// Joins messages of at most `max_bytes`.
    pub fn new(max_bytes: usize) -> Self {
        Self { max_bytes, partial: None }
    }

    /// Returns whether a message is unfinished: a data frame that is no continuation breaks the protocol then.
    pub fn is_partial(&self) -> bool {
        self.partial.is_some()
    }

    /// Takes a fragment; returns the whole message and what it took on the wire once its last one is here.
    pub fn push(&mut self, item: Item) -> Result<Option<(Whole, u64)>, Close> {
        let (data, last) = match item {
            Item::FirstText(data) => return self.begin(true, data),
            Item::FirstBinary(data) => return self.begin(false, data),
            Item::Continue(data) => (data, false),
            Item::Last(data) => (data, true),
        };
        let Some(partial) = &mut self.partial else { return Err(close_code::PROTOCOL) };
        partial.frames += 1;
        partial.wire_bytes += wire_bytes(data.len());
        if partial.data.len() + data.len() > self.max_bytes || partial.frames > MAX_FRAGMENTS {
            return Err(close_code::TOO_BIG);
        }
        partial.data.extend_from_slice(&data);
        if !last {
            return Ok(None);
        }
        let Some(Partial { text, data, wire_bytes, .. }) = self.partial.take() else { return Ok(None) };
        if !text {
            return Ok(Some((Whole::Binary(data.freeze()), wire_bytes)));
        }
        let text = String::from_utf8(data.to_vec()).map_err(|_| close_code::NOT_UTF8)?;
        Ok(Some((Whole::Text(text), wire_bytes)))
    }

    fn begin(&mut self, text: bool, data: Bytes) -> Result<Option<(Whole, u64)>, Close> {
        if self.partial.is_some() {
            return Err(close_code::PROTOCOL);
        }
        if data.len() > self.max_bytes {
            return Err(close_code::TOO_BIG);
        }
        self.partial = Some(Partial {
            text,
            wire_bytes: wire_bytes(data.len()),
            data: BytesMut::from(&data[..]),
            frames: 1,
        });
        Ok(None)
    }
}

/// Longest header of a frame (RFC 6455 §5.2).
const MAX_HEADER_BYTES: usize = 14;

/// Follows the frames of a byte stream and stops before one whose message would be over the limit. actix judges a frame's
/// length only once all of it is here, which behind a gate that is smaller than the frame would be never.
#[derive(Debug)]
pub struct LengthGuard {
    max_bytes: u64,
    header: Vec<u8>,
    payload_left: u64,
    /// Of the message under way, in the frames before.
    message_bytes: u64,
}

impl LengthGuard {
    /// Allows messages of at most `max_bytes`.
    pub fn new(max_bytes: usize) -> Self {
        let header = Vec::with_capacity(MAX_HEADER_BYTES);
        Self { max_bytes: max_bytes as u64, header, payload_left: 0, message_bytes: 0 }
    }

    /// Returns how many of these next bytes may be read on: all, unless a header among them announces too much.
    pub fn scan(&mut self, bytes: &[u8]) -> usize {
        let mut at = 0;
        while at < bytes.len() {
            if self.payload_left > 0 {
                let skipped = self.payload_left.min((bytes.len() - at) as u64);
                self.payload_left -= skipped;
                at += skipped as usize;
                continue;
            }
            self.header.push(bytes[at]);
            let Some(length) = announced(&self.header) else {
                at += 1;
                continue;
            };
            if self.exceeds(length) {
                return at;
            }
            at += 1;
            self.payload_left = length;
            self.header.clear();
        }
        at
    }

    fn exceeds(&mut self, length: u64) -> bool {
        let (is_last, opcode) = (self.header[0] & 0x80 != 0, self.header[0] & 0x0F);
        // Control frames stand between the fragments of a message.
        if opcode >= 8 {
            return length > self.max_bytes;
        }
        let before = if opcode == 0 { self.message_bytes } else { 0 };
        let total = before.saturating_add(length);
        self.message_bytes = if is_last { 0 } else { total };
        total > self.max_bytes
    }
}

/// Returns the payload's length once the header is whole.
fn announced(header: &[u8]) -> Option<u64> {
    let second = *header.get(1)?;
    let mask_bytes = if second & 0x80 == 0 { 0 } else { 4 };
    let (length_bytes, length) = match second & 0x7F {
        126 => (2, header.get(2..4).map(|bytes| u64::from(bytes[0]) << 8 | u64::from(bytes[1]))),
        127 => (8, header.get(2..10).and_then(|bytes| bytes.try_into().ok()).map(u64::from_be_bytes)),
        short => (0, Some(u64::from(short))),
    };
    (header.len() >= 2 + length_bytes + mask_bytes).then_some(length)?
}

#[cfg(test)]
mod tests {
    use super::*;

    fn part(text: &str) -> Bytes {
        Bytes::copy_from_slice(text.as_bytes())
    }

    #[test]
    fn joins_in_order() {
        let mut assembler = Assembler::new(100);
        assert_eq!(assembler.push(Item::FirstText(part("a"))), Ok(None));
        assert_eq!(assembler.push(Item::Continue(part(""))), Ok(None));
        assert_eq!(assembler.push(Item::Last(part("b"))), Ok(Some((Whole::Text("ab".into()), 7 + 6 + 7))));
        assert!(!assembler.is_partial());
    }

    #[test]
    fn refuses_what_the_protocol_forbids() {
        let mut assembler = Assembler::new(100);
        assert_eq!(assembler.push(Item::Last(part("a"))), Err(close_code::PROTOCOL));
        assert_eq!(assembler.push(Item::FirstBinary(part("a"))), Ok(None));
        assert_eq!(assembler.push(Item::FirstText(part("a"))), Err(close_code::PROTOCOL));
    }

    #[test]
    fn text_split_inside_a_character_is_text_and_broken_text_is_refused() {
        let mut assembler = Assembler::new(100);
        let euro = "€".as_bytes();
        assembler.push(Item::FirstText(Bytes::copy_from_slice(&euro[..1]))).unwrap();
        let whole = assembler.push(Item::Last(Bytes::copy_from_slice(&euro[1..])));
        assert_eq!(whole, Ok(Some((Whole::Text("€".into()), 7 + 8))));
        assembler.push(Item::FirstText(Bytes::copy_from_slice(&euro[..1]))).unwrap();
        assert_eq!(assembler.push(Item::Last(Bytes::new())), Err(close_code::NOT_UTF8));
    }

    /// A masked frame's header and payload.
    fn wire(first: u8, length: u64) -> Vec<u8> {
        let mut frame = vec![first];
        match length {
            0..126 => frame.push(0x80 | length as u8),
            126..65_536 => {
                frame.push(0x80 | 126);
                frame.extend((length as u16).to_be_bytes());
            }
            _ => {
                frame.push(0x80 | 127);
                frame.extend(length.to_be_bytes());
            }
        }
        frame.resize(frame.len() + 4 + length as usize, 0x55);
        frame
    }

    /// Returns how many bytes pass, given in pieces of this size.
    fn passes(bytes: &[u8], piece: usize) -> usize {
        let mut guard = LengthGuard::new(100_000);
        let mut passed = 0;
        for piece in bytes.chunks(piece) {
            let allowed = guard.scan(piece);
            passed += allowed;
            if allowed < piece.len() {
                break;
            }
        }
        passed
    }

    #[test]
    fn messages_up_to_the_limit_pass_however_they_arrive() {
        let good = [
            wire(0x82, 100_000),
            wire(0x81, 0),
            wire(0x02, 60_000),
            wire(0x89, 125),
            wire(0x00, 300),
            wire(0x80, 39_700),
            wire(0x81, 126),
        ]
        .concat();
        for piece in [1, 2, 7, 1_000, good.len()] {
            assert_eq!(passes(&good, piece), good.len());
        }
    }

    #[test]
    fn what_announces_too_much_stops_before_its_payload() {
        let before = wire(0x81, 5);
        for (bad, header_bytes) in [
            (wire(0x82, 100_001), 14),
            ([wire(0x02, 60_000), wire(0x00, 40_001)].concat(), 8 + 6 + 60_000 + 8),
            ([&[0x82, 0xFF][..], &[0xFF; 8], &[0; 50]].concat(), 14),
        ] {
            let bytes = [before.clone(), bad].concat();
            for piece in [1, 5, bytes.len()] {
                let passed = passes(&bytes, piece);
                assert!(passed < bytes.len() && passed <= before.len() + header_bytes, "{passed}");
                assert!(passed >= before.len());
            }
        }
    }

    #[test]
    fn bytes_and_fragments_are_bounded() {
        let mut assembler = Assembler::new(3);
        assembler.push(Item::FirstBinary(part("12"))).unwrap();
        assert_eq!(assembler.push(Item::Continue(part("34"))), Err(close_code::TOO_BIG));

        let mut assembler = Assembler::new(3);
        assembler.push(Item::FirstBinary(part(""))).unwrap();
        let refused = (0..2000).find_map(|_| assembler.push(Item::Continue(part(""))).err());
        assert_eq!(refused, Some(close_code::TOO_BIG));
    }
}
