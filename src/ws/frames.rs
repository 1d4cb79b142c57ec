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
