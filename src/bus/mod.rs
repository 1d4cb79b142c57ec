//! Adapters of the status bus.

mod local;
mod recent;

#[cfg(test)]
mod suite;

pub use local::{LocalBus, LocalBusLimits};
