//! What a caller makes to prove itself with later: API keys, one-time tickets for sockets, short Deepgram-style tokens.

pub mod api_keys;
pub mod grants;
pub mod tickets;

use crate::http::error::ApiError;
use sottovoce_protocol::error_code::ErrorCode;

/// The system has no random numbers: nothing can be made.
fn no_random(error: &std::io::Error) -> ApiError {
    tracing::error!(%error, "the system gives no random numbers");
    ApiError::new(ErrorCode::Internal, "the server failed; try again later")
}
