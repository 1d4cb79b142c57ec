//! Adapters of the status bus.
