//! Ports for tests.
