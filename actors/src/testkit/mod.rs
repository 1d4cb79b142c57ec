//! Ports for tests: deterministic, in memory, with planned faults. Never in the server.

pub mod ears;
pub mod engine;
pub mod random;
pub mod recogniser;
pub mod tone;

pub use ears::ScriptedEars;
pub use engine::{Fault, Hold, ScriptedEngine};
pub use random::Random;
pub use recogniser::ScriptedRecogniser;
