//! What a new installation starts with: a key, and a link that sets its owner's password. Both made at random, shown once,
//! stored hashed.

use super::keys::{KeyError, KeyWish, make_key};
use crate::auth::{ApiKeySecret, LinkSecret, link_url};
use sottovoce_actors::ports::clock::{Clock, Ids};
use sottovoce_actors::ports::identity::{Identity, LinkPurpose, NewLink};

/// The account that owns the first key.
const OWNER: &str = "owner@localhost";

/// How long the first link is good.
const LINK_LIFE_MS: i64 = 24 * 3_600_000;

/// A key that was made now, because there was none.
#[derive(Debug)]
pub struct FirstKey {
    /// The secret; nothing else holds it.
    pub secret: ApiKeySecret,
    link: LinkSecret,
}

impl FirstKey {
    /// Shows key and link on standard output, the only time; `base_url` is where the server answers.
    pub fn show(&self, base_url: &str) {
        println!("Your first API key (account {OWNER}), shown only now and stored only as a hash:");
        println!("  {}", self.secret.expose());
        println!("More: sottovoce keys create --email {OWNER}");
        println!("To log in, set the password of {OWNER} first (good once, for a day):");
        println!("  {}", link_url(base_url, LinkPurpose::Password, &self.link));
        println!("then: curl -H 'content-type: application/json' {base_url}/auth/login \\");
        println!("  -d '{{\"email\":\"{OWNER}\",\"password\":\"…\",\"client\":\"native\"}}'");
    }
}

/// Makes the first key if no lasting key was ever made.
///
/// # Errors
/// The index or the system's random numbers failed.
pub async fn first_key(
    identity: &dyn Identity,
    ids: &dyn Ids,
    clock: &dyn Clock,
) -> Result<Option<FirstKey>, KeyError> {
    if identity.has_api_keys().await? {
        return Ok(None);
    }
    let now = clock.now();
    let made = make_key(identity, ids, now, OWNER, KeyWish::whole("first key", None)).await?;
    let link = LinkSecret::generate()?;
    identity
        .add_link(NewLink {
            hash: link.hash(),
            purpose: LinkPurpose::Password,
            account: Some(made.account),
            // Nobody reads mail at this address: it is not confirmed by the link.
            email: None,
            expires_at: now.plus_ms(LINK_LIFE_MS),
        })
        .await?;
    Ok(Some(FirstKey { secret: made.secret, link }))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Config;
    use crate::storage;
    use crate::system::{SystemClock, SystemIds};
    use sottovoce_actors::ports::store::StoreError;

    #[tokio::test]
    async fn there_is_one_first_key_and_a_passing_key_does_not_count() {
        let folder = tempfile::TempDir::new().expect("temporary folder");
        let config = Config::for_tests(folder.path().join("data"), folder.path().join("models"));
        let index = storage::connect(&config.storage).await.expect("index");
        let (store, now) = (index.identity(), SystemClock.now());

        let expires = Some(now.plus_ms(60_000));
        let passing = make_key(&*store, &SystemIds, now, "demo@localhost", KeyWish::whole("demo", expires))
            .await
            .expect("made");
        store.use_api_key(&passing.secret.hash(), now).await.expect("valid until it expires");
        let late = store.use_api_key(&passing.secret.hash(), now.plus_ms(60_001)).await;
        assert!(matches!(late, Err(StoreError::NotFound)), "{late:?}");

        let first =
            first_key(&*store, &SystemIds, &SystemClock).await.expect("made").expect("there was none");
        store.use_api_key(&first.secret.hash(), now).await.expect("valid");
        assert!(first_key(&*store, &SystemIds, &SystemClock).await.expect("asked").is_none());

        store.revoke_api_key(passing.account, passing.id, now).await.expect("revoked");
        let revoked = store.use_api_key(&passing.secret.hash(), now).await;
        assert!(matches!(revoked, Err(StoreError::NotFound)), "{revoked:?}");
        index.close().await;
    }
}
