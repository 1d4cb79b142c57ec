//! What a caller makes to prove itself with later: API keys, one-time tickets for sockets, short Deepgram-style tokens.

pub mod api_keys;
pub mod grants;
pub mod tickets;
