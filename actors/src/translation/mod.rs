//! What translation needs besides a model, all pure: which models lead from one language to another, where sentences end,
//! what an uploaded text is, and how a document's translation is kept beside its segments.

mod captions;
mod route;
mod sentences;
mod text;

pub use route::{Route, primary};
pub use sentences::sentences;
pub use text::{LOOK_BYTES, Looks, TextError, TextInput, looks, read};

/// The name of the engine in documents of translated text.
pub const ENGINE: &str = "fxtranslate";
