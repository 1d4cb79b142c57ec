//! The integration tests: the binary, the sockets and the house rules, seen from outside.

mod real_models;
mod tidy;
