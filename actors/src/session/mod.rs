//! One live client.
