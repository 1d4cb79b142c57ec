//! The integration tests: the binary, the sockets and the house rules, seen from outside.

mod app;
mod browser;
mod bucket;
mod callbacks;
mod client;
mod contract;
mod document;
mod hostile;
mod live;
mod logs;
mod mail;
mod oidc;
mod operator;
mod postgres;
mod real_models;
mod refusals;
mod shutdown;
mod sockets;
mod sound;
mod status;
mod tidy;
