//! Adapters of the ear, media and engine ports.
