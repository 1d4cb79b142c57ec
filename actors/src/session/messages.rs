//! Messages between a socket's pump and its session.

use actix::Message;
use bytes::Bytes;
use sottovoce_protocol::close_code::Close;
use sottovoce_protocol::live::ClientFrame;

/// The pump is ready: this is how to reach it.
#[derive(Message)]
#[rtype(result = "()")]
pub struct Attach(pub crate::mailbox::Tell<ToPump>);

/// What the socket brought. Each is answered by one `ToPump::Taken`.
#[derive(Message)]
#[rtype(result = "()")]
pub enum FromPump {
    /// Raw audio; `wire_bytes` of it are given back to the gate once it is heard.
    Audio {
        /// The audio.
        audio: Bytes,
        /// What it took on the wire.
        wire_bytes: u64,
    },
    /// A text frame, understood.
    Frame(ClientFrame),
}

/// Small events of the socket that need no answer.
#[derive(Message)]
#[rtype(result = "()")]
pub enum SocketEvent {
    /// The client answered a ping.
    Pong,
    /// So many frames were handed to the connection.
    Sent(u32),
    /// The socket is gone, or the peer closed it.
    Gone,
    /// The peer broke the protocol; the pump has been told nothing yet.
    Broke(Close),
}

/// What the session tells the pump.
#[derive(Message)]
#[rtype(result = "()")]
pub enum ToPump {
    /// Send this text; answered by `SocketEvent::Sent`.
    Text(String),
    /// Send a ping.
    Ping,
    /// One `FromPump` was taken.
    Taken,
    /// Send a close frame and end.
    Close(Close),
}

/// Ends the stream in order: what was heard is settled, the client is told to come back.
#[derive(Message)]
#[rtype(result = "()")]
pub struct Drain;
