//! `serve`.

use super::{Failure, first_key};
use crate::config::{Config, Mode};
use crate::storage;
use crate::system::{SystemClock, SystemIds};

/// Makes and shows the first key of a new embedded installation, then serves until a signal and drains.
///
/// Standard output gets the key, and `serving at URL` once requests are answered; logs go to standard error.
pub(super) async fn serve(config: Config) -> Result<(), Failure> {
    // In production standard output is a log: nothing secret goes there, `sottovoce users` and `keys` make what is needed.
    if config.mode == Mode::Embedded {
        let index = storage::connect(&config.storage).await.map_err(Failure::of)?;
        let first = first_key(&*index.identity(), &SystemIds, &SystemClock).await.map_err(Failure::of);
        index.close().await;
        if let Some(first) = first? {
            first.show(&config.http.base_url(&config.http.bind));
        }
    }
    let served = crate::app::serve(config, |address| println!("serving at http://{address}")).await;
    served.map_err(|error| Failure::of_serving(&error))
}
