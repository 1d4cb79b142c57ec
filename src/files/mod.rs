//! Adapters of the object port.

mod layout;
mod local;
mod writer;

#[cfg(test)]
mod suite;

pub use local::LocalFiles;
