//! `migrate`: brings the database up to date without serving.

use super::Failure;
use crate::config::Config;
use crate::storage;

/// Applies the migrations that are missing.
pub(super) async fn migrate(config: Config) -> Result<(), Failure> {
    let index = storage::connect(&config.storage).await.map_err(Failure::of)?;
    index.close().await;
    println!("the database is up to date");
    Ok(())
}
