//! `serve`.

use super::operator::base_url;
use super::{Failure, first_key};
use crate::config::{Config, Mode};
use crate::storage;
use crate::system::{SystemClock, SystemIds};

/// Makes and shows the first key of a new installation, then serves until a signal and drains.
///
/// Standard output gets the key, and `serving at URL` once requests are answered; logs go to standard error.
pub(super) async fn serve(config: Config) -> Result<(), Failure> {
    let index = storage::connect(&config.storage).await.map_err(Failure::of)?;
    if config.mode == Mode::Production {
        // Its standard output is a log: nothing secret goes there. `sottovoce users` and `keys` make what is needed.
        index.close().await;
        return crate::app::serve(config, |address| println!("serving at http://{address}"))
            .await
            .map_err(Failure::of);
    }
    let first = first_key(&*index.identity(), &SystemIds, &SystemClock).await.map_err(Failure::of);
    index.close().await;
    if let Some(first) = first? {
        first.show(&base_url(&config));
    }
    crate::app::serve(config, |address| println!("serving at http://{address}")).await.map_err(Failure::of)
}
