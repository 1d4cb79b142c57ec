//! One live client: what it says (`channel`), what is sent (`outbox`), whether it is there (`liveness`), and the actor
//! that ties them to time and mailbox.

mod actor;
pub mod channel;
mod conclude;
pub mod liveness;
pub mod outbox;
pub mod params;
pub mod render;
#[cfg(test)]
mod channel_tests;
#[cfg(test)]
mod tests;

pub use actor::{SessionActor, SessionPorts, SessionStart};
