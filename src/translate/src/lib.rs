//! Embedded text translation on the CPU: Firefox Translations models on `fxtranslate`, behind the `Translator` port.
//!
//! Never opens a socket, never downloads, starts no threads. Its int8 kernel is C++ that cargo builds where there is a C++
//! compiler; without one a portable kernel, four times slower, takes its place.

mod embedded;
mod model;

pub use embedded::{EmbeddedTranslator, ModelFolder};
pub use model::LoadError;
