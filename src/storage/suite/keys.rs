//! Accounts and keys.

use super::{IdentityFixture, T0, assert_not_found, at};
use crate::system::SystemIds;
use sottovoce_actors::ports::clock::Ids;
use sottovoce_actors::ports::identity::{NewApiKey, SecretHash};
use sottovoce_protocol::ids::{AccountId, ApiKeyId};
use sottovoce_protocol::scope::Scopes;

fn key(account: AccountId, secret: &str) -> NewApiKey {
    NewApiKey {
        id: ApiKeyId::from_uuid(SystemIds.uuid()),
        account,
        name: "laptop".into(),
        prefix: "sk_saas_ab".into(),
        secret_hash: SecretHash(secret.into()),
        scopes: Scopes::all(),
        expires_at: None,
        max_keys: 10,
        now: T0,
    }
}

fn hash(secret: &str) -> SecretHash {
    SecretHash(secret.into())
}

pub async fn an_email_is_one_account(fixture: &mut impl IdentityFixture) {
    let first = fixture.account("Ada@example.org").await;
    assert_eq!(fixture.account(" ada@EXAMPLE.org").await, first);
    assert_ne!(fixture.account("eve@example.org").await, first);
}

pub async fn a_key_opens_its_account(fixture: &mut impl IdentityFixture) {
    let store = fixture.identity();
    let ada = fixture.account("ada@example.org").await;
    assert!(!store.has_api_keys().await.expect("has keys"));
    let new = key(ada, "hash-1");
    let id = new.id;
    store.add_api_key(new).await.expect("add");
    assert!(store.has_api_keys().await.expect("has keys"));
    for ms in [0, 1, 61_000] {
        let owner = store.use_api_key(&hash("hash-1"), at(ms)).await.expect("valid");
        assert_eq!((owner.key, owner.account), (id, ada));
        assert_eq!(owner.scopes, Scopes::all());
    }
    assert_not_found(store.use_api_key(&hash("hash-2"), T0).await);
}

pub async fn a_key_ends(fixture: &mut impl IdentityFixture) {
    let store = fixture.identity();
    let ada = fixture.account("ada@example.org").await;
    let expiring = NewApiKey { expires_at: Some(at(1000)), ..key(ada, "expiring") };
    store.add_api_key(expiring).await.expect("add");
    assert!(!store.has_api_keys().await.expect("has keys"), "a passing key is none");
    store.use_api_key(&hash("expiring"), at(999)).await.expect("valid until then");
    assert_not_found(store.use_api_key(&hash("expiring"), at(1000)).await);

    let revoked = key(ada, "revoked");
    let id = revoked.id;
    store.add_api_key(revoked).await.expect("add");
    store.revoke_api_key(ada, id, at(10)).await.expect("revoke");
    assert_not_found(store.revoke_api_key(ada, id, at(20)).await);
    assert_not_found(store.use_api_key(&hash("revoked"), at(20)).await);
    assert!(store.has_api_keys().await.expect("has keys"), "it was made");
}

pub async fn a_key_of_nobody_is_refused(fixture: &mut impl IdentityFixture) {
    let nobody = AccountId::from_uuid(SystemIds.uuid());
    assert_not_found(fixture.identity().add_api_key(key(nobody, "hash")).await);
}
