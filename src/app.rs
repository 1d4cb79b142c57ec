//! The composition root: the only file that names concrete adapters.

use crate::config::Config;
use std::net::SocketAddr;

/// Why the server did not start or did not end well.
#[derive(Debug, thiserror::Error)]
pub enum ServeError {
    /// Not built yet.
    #[error("this version cannot serve yet")]
    NotYet,
}

/// Serves until a signal, then drains; `on_ready` is called once, with the bound address, when `/readyz` is 200.
///
/// # Errors
/// The server could not start, or something was cut when it stopped.
pub async fn serve(config: Config, on_ready: impl FnOnce(SocketAddr) + 'static) -> Result<(), ServeError> {
    let _ = (config, on_ready);
    Err(ServeError::NotYet)
}
