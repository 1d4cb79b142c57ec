//! The key that a new installation starts with. Made at random, shown once, stored hashed.

use super::keys::{KeyError, make_key};
use crate::auth::ApiKeySecret;
use sottovoce_actors::ports::clock::{Clock, Ids};
use sottovoce_actors::ports::store::Store;

/// The account that owns the first key.
const OWNER: &str = "owner@localhost";

/// A key that was made now, because there was none.
#[derive(Debug)]
pub struct FirstKey {
    /// The secret; nothing else holds it.
    pub secret: ApiKeySecret,
}

impl FirstKey {
    /// Shows the key on standard output, the only time.
    pub fn show(&self) {
        println!("Your first API key (account {OWNER}), shown only now and stored only as a hash:");
        println!("  {}", self.secret.expose());
        println!("More: sottovoce keys create --email {OWNER}");
    }
}

/// Makes the first key if no lasting key was ever made.
///
/// # Errors
/// The index or the system's random numbers failed.
pub async fn first_key(
    store: &dyn Store,
    ids: &dyn Ids,
    clock: &dyn Clock,
) -> Result<Option<FirstKey>, KeyError> {
    if store.has_api_keys().await? {
        return Ok(None);
    }
    let made = make_key(store, ids, clock.now(), OWNER, "first key", None).await?;
    Ok(Some(FirstKey { secret: made.secret }))
}
