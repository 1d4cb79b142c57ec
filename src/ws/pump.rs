//! The socket pump: relays between a WebSocket and the actor that owns its state. It is the HTTP response body, and is not
//! polled at all while the peer does not read: so it has no timers and no state but counters, and knows no business.

use crate::ws::frames::{Assembler, Whole};
use actix::prelude::*;
use actix_web_actors::ws;
use bytes::BytesMut;
use sottovoce_actors::mailbox::Tell;
use sottovoce_actors::socket::gate::{Gate, wire_bytes};
use sottovoce_actors::socket::messages::{Attach, FromPump, SocketEvent, ToPump};
use sottovoce_actors::socket::{PUMP_MAILBOX, PUMP_WINDOW};
use sottovoce_protocol::close_code::{self, Close};
use std::collections::VecDeque;
use std::sync::Arc;

/// Texts that may wait for the actor beyond its window; a peer that sends more at once is refused.
const MAX_WAITING: usize = 256;

/// How the pump reaches its actor: one handle per relationship.
pub struct Owner {
    /// Told once where the pump is.
    pub attach: Tell<Attach>,
    /// Messages of the peer.
    pub messages: Tell<FromPump>,
    /// Events of the socket.
    pub events: Tell<SocketEvent>,
}

enum Waiting {
    Binary(BytesMut, u64),
    Other(FromPump),
}

impl Waiting {
    fn into_message(self) -> FromPump {
        match self {
            Self::Binary(data, wire_bytes) => FromPump::Binary { data: data.freeze(), wire_bytes },
            Self::Other(message) => message,
        }
    }
}

/// The relay of one WebSocket.
pub struct Pump {
    owner: Owner,
    gate: Arc<Gate>,
    assembler: Assembler,
    unanswered: usize,
    waiting: VecDeque<Waiting>,
}

impl Pump {
    /// Makes the relay of a socket whose actor already runs.
    pub fn new(owner: Owner, gate: Arc<Gate>, max_message_bytes: usize) -> Self {
        let assembler = Assembler::new(max_message_bytes);
        Self { owner, gate, assembler, unanswered: 0, waiting: VecDeque::new() }
    }

    fn whole(&mut self, message: Whole, wire_bytes: u64, ctx: &mut ws::WebsocketContext<Self>) {
        let may_relay = self.unanswered < PUMP_WINDOW && self.waiting.is_empty();
        match message {
            Whole::Binary(data) if data.is_empty() => {
                self.gate.release(wire_bytes);
                self.waiting.push_back(Waiting::Other(FromPump::Empty));
            }
            Whole::Binary(data) => match self.waiting.back_mut() {
                Some(Waiting::Binary(joined, wire)) => {
                    joined.extend_from_slice(&data);
                    *wire += wire_bytes;
                }
                _ if may_relay => {
                    return self.relay(FromPump::Binary { data, wire_bytes });
                }
                _ => self.waiting.push_back(Waiting::Binary(BytesMut::from(&data[..]), wire_bytes)),
            },
            Whole::Text(text) => self.waiting.push_back(Waiting::Other(FromPump::Text { text, wire_bytes })),
        }
        if self.waiting.len() > MAX_WAITING {
            return self.close(close_code::TOO_MANY, ctx);
        }
        self.relay_waiting();
    }

    fn relay_waiting(&mut self) {
        while self.unanswered < PUMP_WINDOW {
            let Some(waiting) = self.waiting.pop_front() else { return };
            self.relay(waiting.into_message());
        }
    }

    fn relay(&mut self, message: FromPump) {
        let wire_bytes = message.wire_bytes();
        match self.owner.messages.tell(message) {
            Ok(()) => self.unanswered += 1,
            // The actor has ended (its mailbox is wider than the window). What it said last is in this mailbox, or it has
            // cut the connection: what comes until then is read over.
            Err(_) => self.gate.release(wire_bytes),
        }
    }

    fn close(&mut self, close: Close, ctx: &mut ws::WebsocketContext<Self>) {
        ctx.close(Some(ws::CloseReason {
            code: ws::CloseCode::from(close.code),
            description: (!close.reason.is_empty()).then(|| close.reason.to_owned()),
        }));
        ctx.stop();
    }
}

/// What a broken frame is answered with (RFC 6455 §7.4.1).
fn close_of(error: &ws::ProtocolError) -> Close {
    match error {
        ws::ProtocolError::Overflow => close_code::TOO_BIG,
        ws::ProtocolError::Io(error) if error.kind() == std::io::ErrorKind::InvalidData => {
            close_code::PROTOCOL
        }
        // actix reports text that is not UTF-8 as an I/O error; a lost connection is none (`GatedPayload`).
        ws::ProtocolError::Io(_) => close_code::NOT_UTF8,
        _ => close_code::PROTOCOL,
    }
}

impl Actor for Pump {
    type Context = ws::WebsocketContext<Self>;

    fn started(&mut self, ctx: &mut Self::Context) {
        ctx.set_mailbox_capacity(PUMP_MAILBOX);
        if self.owner.attach.tell(Attach(Tell::to(ctx.address()))).is_err() {
            self.close(close_code::INTERNAL, ctx);
        }
    }

    fn stopped(&mut self, _: &mut Self::Context) {
        // What came with the end of the connection is heard too: beyond the window, as far as the mailbox has room.
        while let Some(message) = self.waiting.pop_front().map(Waiting::into_message) {
            if self.owner.messages.tell(message).is_err() {
                break;
            }
        }
        self.gate.mark_gone();
        // If this is lost the gate's mark is seen at the actor's next tick.
        let _ = self.owner.events.tell(SocketEvent::Gone);
    }
}

impl StreamHandler<Result<ws::Message, ws::ProtocolError>> for Pump {
    fn handle(&mut self, item: Result<ws::Message, ws::ProtocolError>, ctx: &mut Self::Context) {
        let is_data = matches!(item, Ok(ws::Message::Text(_) | ws::Message::Binary(_)));
        if is_data && self.assembler.is_partial() {
            return self.close(close_code::PROTOCOL, ctx);
        }
        match item {
            Ok(ws::Message::Binary(data)) => {
                let wire_bytes = wire_bytes(data.len());
                self.whole(Whole::Binary(data), wire_bytes, ctx);
            }
            Ok(ws::Message::Text(text)) => {
                let wire_bytes = wire_bytes(text.len());
                self.whole(Whole::Text(text.into()), wire_bytes, ctx);
            }
            Ok(ws::Message::Continuation(item)) => match self.assembler.push(item) {
                Ok(Some((message, wire_bytes))) => self.whole(message, wire_bytes, ctx),
                Ok(None) => {}
                Err(close) => self.close(close, ctx),
            },
            Ok(ws::Message::Ping(data)) => {
                self.gate.release(wire_bytes(data.len()));
                ctx.pong(&data);
            }
            Ok(ws::Message::Pong(data)) => {
                self.gate.release(wire_bytes(data.len()));
                let _ = self.owner.events.tell(SocketEvent::Pong);
            }
            Ok(ws::Message::Close(reason)) => {
                ctx.close(reason);
                ctx.stop();
            }
            Ok(ws::Message::Nop) => {}
            Err(error) => self.close(close_of(&error), ctx),
        }
    }

    fn finished(&mut self, ctx: &mut Self::Context) {
        match self.gate.broken() {
            Some(close) => self.close(close, ctx),
            None => ctx.stop(),
        }
    }
}

impl Handler<ToPump> for Pump {
    type Result = ();

    fn handle(&mut self, message: ToPump, ctx: &mut Self::Context) {
        match message {
            ToPump::Text(text) => {
                ctx.text(text);
                let _ = self.owner.events.tell(SocketEvent::Sent(1));
            }
            ToPump::Ping => ctx.ping(b""),
            ToPump::Taken => {
                self.unanswered = self.unanswered.saturating_sub(1);
                self.relay_waiting();
            }
            ToPump::Close(close) => self.close(close, ctx),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_protocol_error_has_a_close() {
        assert_eq!(close_of(&ws::ProtocolError::Overflow), close_code::TOO_BIG);
        assert_eq!(close_of(&ws::ProtocolError::UnmaskedFrame), close_code::PROTOCOL);
        assert_eq!(close_of(&ws::ProtocolError::BadOpCode), close_code::PROTOCOL);
        assert_eq!(close_of(&ws::ProtocolError::Io(std::io::Error::other("utf-8"))), close_code::NOT_UTF8);
        let reserved = std::io::Error::from(std::io::ErrorKind::InvalidData);
        assert_eq!(close_of(&ws::ProtocolError::Io(reserved)), close_code::PROTOCOL);
    }
}
