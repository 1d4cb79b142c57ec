//! Messages between a socket's pump and the actor that owns the socket's state.

use crate::mailbox::Tell;
use actix::Message;
use bytes::Bytes;
use sottovoce_protocol::close_code::Close;

/// The pump is ready: this is how to reach it.
#[derive(Message)]
#[rtype(result = "()")]
pub struct Attach(pub Tell<ToPump>);

/// What the socket brought. Each is answered by one [`ToPump::Taken`]; `wire_bytes` are given back to the gate once the
/// message needs no more room.
#[derive(Message, Debug, PartialEq)]
#[rtype(result = "()")]
pub enum FromPump {
    /// Binary messages, possibly several in a row joined.
    Binary {
        /// Payload.
        data: Bytes,
        /// What it took on the wire.
        wire_bytes: u64,
    },
    /// One text message.
    Text {
        /// Payload, valid UTF-8.
        text: String,
        /// What it took on the wire.
        wire_bytes: u64,
    },
    /// One binary message without payload.
    Empty,
}

impl FromPump {
    /// Returns what the message took on the wire and gives back to the gate.
    pub const fn wire_bytes(&self) -> u64 {
        match self {
            Self::Binary { wire_bytes, .. } | Self::Text { wire_bytes, .. } => *wire_bytes,
            Self::Empty => 0,
        }
    }
}

/// Small events of the socket that need no answer.
#[derive(Message, Clone, Copy, PartialEq, Eq, Debug)]
#[rtype(result = "()")]
pub enum SocketEvent {
    /// The client answered a ping.
    Pong,
    /// So many texts were handed to the connection.
    Sent(u32),
    /// The socket is gone, or the peer closed it.
    Gone,
}

/// What the actor tells the pump.
#[derive(Message, PartialEq, Eq, Debug)]
#[rtype(result = "()")]
pub enum ToPump {
    /// Send this text; answered by [`SocketEvent::Sent`].
    Text(String),
    /// Send a ping.
    Ping,
    /// One [`FromPump`] was taken.
    Taken,
    /// Send a close frame and end.
    Close(Close),
}

/// The socket must end, in order and soon, with this close: the server stops, or what opened the socket was revoked.
#[derive(Message, Clone, Copy, PartialEq, Eq, Debug)]
#[rtype(result = "()")]
pub struct Leave(pub Close);
