//! One live client: what it says (`channel`), what is sent (`outbox`), whether it is there (`liveness`), and the actor
//! that ties them to time and mailbox.

mod actor;
pub mod channel;
mod conclude;
pub mod gate;
pub mod liveness;
pub mod messages;
pub mod outbox;
pub mod params;
pub mod render;
#[cfg(test)]
mod tests;

pub use actor::{PUMP_WINDOW, SESSION_MAILBOX, SessionActor, SessionPorts, SessionStart};
