//! Between a WebSocket's relay (the pump, in the server) and the actor that owns its state: messages, and the gate that
//! slows a fast sender. Used by live sessions and by status sockets; knows neither.

pub mod gate;
pub mod messages;
pub mod outbox;

/// Messages that may wait for a socket's actor: the pump keeps at most [`PUMP_WINDOW`] unanswered, the rest is small
/// events.
pub const ACTOR_MAILBOX: usize = 256;

/// `FromPump` messages that a pump may have unanswered; what comes meanwhile waits in the pump, bounded by the gate.
pub const PUMP_WINDOW: usize = 16;

/// Messages that may wait for a pump: the widest credit window, the answers to its own messages, a ping and a close.
pub const PUMP_MAILBOX: usize = 256;
