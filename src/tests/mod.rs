//! The integration tests: the binary, the sockets and the house rules, seen from outside.

mod app;
mod client;
mod live;
mod real_models;
mod sound;
mod tidy;
