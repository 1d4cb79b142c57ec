//! Sottovoce, the server: adapters for the ports, HTTP, WebSockets and the command line.

pub mod app;
pub mod auth;
pub mod bus;
pub mod callbacks;
pub mod cli;
pub mod config;
pub mod files;
pub mod http;
pub mod lifecycle;
pub mod mail;
pub mod models;
pub mod speech;
pub mod storage;
pub mod system;
pub mod telemetry;
pub mod ws;
