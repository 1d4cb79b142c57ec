//! Adapters of the ear and media ports over the media crate. The engine crate implements its port itself.

mod ears;
mod media;

pub use ears::EngineEars;
pub use media::FileDecoder;
