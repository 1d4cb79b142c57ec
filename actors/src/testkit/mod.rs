//! Ports for tests: deterministic, in memory, with planned faults. Never in the server.

pub mod ears;
pub mod engine;
pub mod files;
pub mod media;
pub mod random;
pub mod recogniser;
pub mod store;
pub mod tone;
pub mod world;

pub use ears::ScriptedEars;
pub use engine::{Fault, Hold, ScriptedEngine};
pub use files::MemoryFiles;
pub use media::ScriptedMedia;
pub use random::Random;
pub use recogniser::ScriptedRecogniser;
pub use store::MemoryStore;
pub use world::{CountingIds, RecordingBus, TokioClock};
