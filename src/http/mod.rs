//! Routes, errors, guards.
