//! `serve`.

use super::Failure;
use crate::config::Config;

/// Serves until a signal, then drains.
pub(super) async fn serve(config: Config) -> Result<(), Failure> {
    crate::app::serve(config, |_| ()).await.map_err(Failure::of)
}
