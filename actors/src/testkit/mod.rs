//! Ports for tests: deterministic, in memory, with planned faults. Never in the server.

pub mod bus;
pub mod clock;
pub mod ears;
pub mod engine;
pub mod files;
pub mod mail;
pub mod media;
pub mod random;
pub mod recogniser;
pub mod store;
pub mod tone;
pub mod translator;

pub use bus::MemoryBus;
pub use clock::{ManualClock, SeededIds, VirtualClock};
pub use ears::ScriptedEars;
pub use engine::{Fault, Hold, LoudnessDetector, ScriptedEngine};
pub use files::MemoryFiles;
pub use mail::MemoryMail;
pub use media::ScriptedMedia;
pub use random::Random;
pub use recogniser::ScriptedRecogniser;
pub use store::MemoryStore;
pub use translator::ScriptedTranslator;
