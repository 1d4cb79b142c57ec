//! Accounts and keys.

use super::{IdentityFixture, T0, assert_not_found, at, hash};
use crate::system::SystemIds;
use futures_util::future::join_all;
use sottovoce_actors::ports::clock::Ids;
use sottovoce_actors::ports::identity::{KeyAdded, NewApiKey};
use sottovoce_protocol::ids::{AccountId, ApiKeyId};
use sottovoce_protocol::scope::Scopes;

pub fn key(account: AccountId, secret: &str) -> NewApiKey {
    NewApiKey {
        id: ApiKeyId::from_uuid(SystemIds.uuid()),
        account,
        name: "laptop".into(),
        prefix: "sv_abcde".into(),
        secret_hash: hash(secret),
        scopes: Scopes::all(),
        expires_at: None,
        max_keys: 10,
        now: T0,
    }
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

pub async fn keys_are_counted(fixture: &mut impl IdentityFixture) {
    let store = fixture.identity();
    let (ada, eve) = (fixture.account("ada@example.org").await, fixture.account("eve@example.org").await);
    let limited = |account, secret: &str| NewApiKey { max_keys: 3, ..key(account, secret) };
    let passing = NewApiKey { expires_at: Some(at(1000)), ..limited(ada, "1") };
    let revoked = limited(ada, "2");
    let id = revoked.id;
    for new in [passing, revoked, limited(ada, "3")] {
        assert_eq!(store.add_api_key(new).await.expect("add"), KeyAdded::Added);
    }
    assert_eq!(store.add_api_key(limited(ada, "4")).await.expect("add"), KeyAdded::TooMany);
    assert_not_found(store.use_api_key(&hash("4"), T0).await);
    assert_eq!(store.add_api_key(limited(eve, "5")).await.expect("add"), KeyAdded::Added, "each for itself");

    store.revoke_api_key(ada, id, T0).await.expect("revoke");
    assert_eq!(store.add_api_key(limited(ada, "6")).await.expect("add"), KeyAdded::Added, "one was revoked");
    let later = NewApiKey { now: at(1000), ..limited(ada, "7") };
    assert_eq!(store.add_api_key(later.clone()).await.expect("add"), KeyAdded::Added, "one has expired");
    let later = NewApiKey { id: key(ada, "8").id, secret_hash: hash("8"), ..later };
    assert_eq!(store.add_api_key(later).await.expect("add"), KeyAdded::TooMany);
}

pub async fn keys_are_counted_among_many_callers(fixture: &mut impl IdentityFixture) {
    let store = fixture.identity();
    let ada = fixture.account("ada@example.org").await;
    let callers = (0..8).map(|n| {
        let (store, new) = (store.clone(), NewApiKey { max_keys: 3, ..key(ada, &n.to_string()) });
        tokio::spawn(async move { store.add_api_key(new).await.expect("add") })
    });
    let answers: Vec<_> = join_all(callers).await.into_iter().map(|answer| answer.expect("caller")).collect();
    assert_eq!(answers.iter().filter(|answer| **answer == KeyAdded::Added).count(), 3);
    assert_eq!(store.api_keys(ada, T0).await.expect("list").len(), 3);
}

pub async fn only_the_owner_revokes_a_key(fixture: &mut impl IdentityFixture) {
    let store = fixture.identity();
    let (ada, eve) = (fixture.account("ada@example.org").await, fixture.account("eve@example.org").await);
    let new = key(ada, "adas");
    let id = new.id;
    store.add_api_key(new).await.expect("add");
    assert_not_found(store.revoke_api_key(eve, id, at(1)).await);
    assert_not_found(store.revoke_api_key(ada, key(ada, "none").id, at(1)).await);
    store.use_api_key(&hash("adas"), at(2)).await.expect("still good");
    assert_eq!(store.api_keys(eve, at(2)).await.expect("list"), []);
    store.revoke_api_key(ada, id, at(3)).await.expect("her own");
    assert_not_found(store.api_key(id, at(3)).await);
}

pub async fn keys_are_listed_while_they_are_good(fixture: &mut impl IdentityFixture) {
    let store = fixture.identity();
    let ada = fixture.account("ada@example.org").await;
    let older = NewApiKey { name: "older".into(), expires_at: Some(at(120_000)), ..key(ada, "older") };
    let newer = NewApiKey { name: "newer".into(), now: at(1), ..key(ada, "newer") };
    for new in [older, newer] {
        store.add_api_key(new).await.expect("add");
    }
    // Noted once a minute, not at each use.
    for ms in [10, 20, 60_009] {
        store.use_api_key(&hash("older"), at(ms)).await.expect("valid");
    }
    let listed = store.api_keys(ada, at(60_009)).await.expect("list");
    let shown: Vec<_> = listed.iter().map(|key| (key.name.as_str(), key.last_used_at)).collect();
    assert_eq!(shown, [("newer", None), ("older", Some(at(10)))]);
    store.use_api_key(&hash("older"), at(60_010)).await.expect("valid");
    let listed = store.api_keys(ada, at(60_010)).await.expect("list");
    assert_eq!(listed[1].last_used_at, Some(at(60_010)));
    assert_eq!(store.api_keys(ada, at(120_000)).await.expect("list").len(), 1, "an ended key is not shown");
}
