//! The composition root: the only rooms that name concrete adapters. Builds everything once, hands it down by
//! constructor, and takes it down in order.

mod ports;
mod running;
mod secrets;
mod settings;

pub use ports::{Ports, PortsError, open_files};
pub use running::{Running, StartError};

use crate::config::Config;
use crate::{lifecycle, telemetry};
use sottovoce_actors::ports::engine::Engine;
use std::net::SocketAddr;
use std::sync::Arc;

/// Why the server ended other than by a signal.
#[derive(Debug, thiserror::Error)]
pub enum ServeError {
    /// It did not start.
    #[error(transparent)]
    Start(#[from] StartError),
    /// The models could not be loaded.
    #[error("the speech models cannot be loaded: {0}")]
    Models(String),
    /// The system failed.
    #[error("the system does not deliver signals: {0}")]
    Signals(#[from] std::io::Error),
    /// A second signal came while the server was stopping.
    #[error("stopped at once, at a second signal; streams and jobs were cut off")]
    Cut,
}

impl ServeError {
    /// Returns whether only another configuration can help.
    pub const fn is_refusal(&self) -> bool {
        matches!(self, Self::Start(StartError::Ports(PortsError::Bucket(error))) if error.is_refusal())
    }
}

/// Loads the models, serves until a signal, then drains. `on_ready` is told the bound address.
///
/// # Errors
/// See [`ServeError`].
pub async fn serve(config: Config, on_ready: impl FnOnce(SocketAddr)) -> Result<(), ServeError> {
    telemetry::init(&config.telemetry);
    // Before the models: a bucket that cannot be used is told of at once.
    let files = open_files(&config).await.map_err(StartError::from)?;
    let engine = load_engine(&config).await?;
    let ports = Ports::open_around(&config, engine, files).await.map_err(StartError::from)?;
    let running = Running::start_on(&config, ports).await?;
    running.warm_up(&config).await;
    on_ready(running.address());
    lifecycle::stop_asked().await?;
    tracing::info!("stopping, a second signal stops at once");
    tokio::select! {
        _ = running.stop() => Ok(()),
        asked = lifecycle::stop_asked() => {
            asked?;
            Err(ServeError::Cut)
        }
    }
}

async fn load_engine(config: &Config) -> Result<Arc<dyn Engine>, ServeError> {
    let (dir, options) = (config.models.dir.clone(), settings::engine_options(config)?);
    let loading = tokio::task::spawn_blocking(move || sottovoce_engine::EmbeddedEngine::load(&dir, &options));
    match loading.await {
        Ok(Ok(engine)) => Ok(Arc::new(engine)),
        Ok(Err(error)) => Err(ServeError::Models(error.to_string())),
        Err(panic) => Err(ServeError::Models(panic.to_string())),
    }
}
