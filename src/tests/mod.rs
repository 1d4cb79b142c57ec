//! The integration tests: the binary, the sockets and the house rules, seen from outside.

mod app;
mod client;
mod contract;
mod hostile;
mod live;
mod postgres;
mod real_models;
mod shutdown;
mod sound;
mod status;
mod tidy;
