//! One live client: what it says (`channel`), whether it is there (`liveness`), and the actor
//! that ties them to time and mailbox.

mod actor;
pub mod channel;
#[cfg(test)]
mod channel_tests;
mod conclude;
mod fingerprint;
pub mod liveness;
pub mod params;
pub mod render;
#[cfg(test)]
mod tests;

pub use actor::{SessionActor, SessionPorts, SessionStart};
