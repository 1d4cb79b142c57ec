//! Adapters of the object port.
