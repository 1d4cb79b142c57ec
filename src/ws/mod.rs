//! WebSocket routes: what happens before the upgrade, the relay, and the bytes of frames. The only rooms that know
//! `actix_web_actors`; the state of a socket lives in actors of its own.

pub mod conn;
mod frames;
mod headers;
pub mod listen;
mod listen_query;
mod payload;
mod pump;
pub mod status;
mod upgrade;
