//! Accounts and keys.

use super::{Fixture, T0, account, assert_not_found, at};
use crate::system::SystemIds;
use sottovoce_actors::ports::clock::Ids;
use sottovoce_actors::ports::store::{EpochMs, NewApiKey, SecretHash};
use sottovoce_protocol::ids::{AccountId, ApiKeyId};

fn key(account: AccountId, secret: &str) -> NewApiKey {
    NewApiKey {
        id: ApiKeyId::from_uuid(SystemIds.uuid()),
        account,
        name: "laptop".into(),
        prefix: "sk_saas_ab".into(),
        secret_hash: SecretHash(secret.into()),
        expires_at: None,
        now: T0,
    }
}

fn hash(secret: &str) -> SecretHash {
    SecretHash(secret.into())
}

pub async fn an_email_is_one_account(fixture: &mut impl Fixture) {
    let store = fixture.store();
    let first = account(&*store, "Ada@example.org").await;
    assert_eq!(account(&*store, " ada@EXAMPLE.org").await, first);
    assert_ne!(account(&*store, "eve@example.org").await, first);
}

pub async fn a_key_opens_its_account(fixture: &mut impl Fixture) {
    let store = fixture.store();
    let ada = account(&*store, "ada@example.org").await;
    assert!(!store.has_api_keys().await.expect("has keys"));
    let new = key(ada, "hash-1");
    let id = new.id;
    store.add_api_key(new).await.expect("add");
    assert!(store.has_api_keys().await.expect("has keys"));
    for ms in [0, 1, 61_000] {
        let owner = store.use_api_key(&hash("hash-1"), at(ms)).await.expect("valid");
        assert_eq!((owner.key, owner.account), (id, ada));
        assert_eq!(owner.scopes, "listen jobs:read jobs:write usage:read");
    }
    assert_not_found(store.use_api_key(&hash("hash-2"), T0).await);
}

pub async fn a_key_ends(fixture: &mut impl Fixture) {
    let store = fixture.store();
    let ada = account(&*store, "ada@example.org").await;
    let expiring = NewApiKey { expires_at: Some(at(1000)), ..key(ada, "expiring") };
    store.add_api_key(expiring).await.expect("add");
    assert!(!store.has_api_keys().await.expect("has keys"), "a passing key is none");
    store.use_api_key(&hash("expiring"), at(999)).await.expect("valid until then");
    assert_not_found(store.use_api_key(&hash("expiring"), at(1000)).await);

    let revoked = key(ada, "revoked");
    let id = revoked.id;
    store.add_api_key(revoked).await.expect("add");
    for ms in [10, 20] {
        store.revoke_api_key(id, at(ms)).await.expect("revoke");
        assert_not_found(store.use_api_key(&hash("revoked"), EpochMs(0)).await);
    }
    assert!(store.has_api_keys().await.expect("has keys"), "it was made");
}

pub async fn a_key_of_nobody_is_refused(fixture: &mut impl Fixture) {
    let nobody = AccountId::from_uuid(SystemIds.uuid());
    assert_not_found(fixture.store().add_api_key(key(nobody, "hash")).await);
}
