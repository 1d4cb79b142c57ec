//! WebSocket routes: upgrade, relay, frames.
