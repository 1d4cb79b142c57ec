//! What is used once: tickets, and logins on their way.

use super::keys::key;
use super::sessions::{IDLE_MS, log_in};
use super::{IdentityFixture, at, hash, job_id};
use futures_util::future::join_all;
use sottovoce_actors::ports::identity::{
    Credential, Identity, LoginState, NewApiKey, NewTicket, RevokeReason, TicketOwner,
};
use sottovoce_protocol::auth::TicketPurpose;
use sottovoce_protocol::ids::AccountId;

const ORIGIN: &str = "https://captions.example.org";

fn ticket(secret: &str, account: AccountId, credential: Credential) -> NewTicket {
    NewTicket {
        hash: hash(secret),
        account,
        credential,
        purpose: TicketPurpose::Status,
        job: None,
        origin: Some(ORIGIN.into()),
        expires_at: at(30_000),
    }
}

async fn take(store: &dyn Identity, secret: &str, ms: i64) -> Option<TicketOwner> {
    store.take_ticket(&hash(secret), TicketPurpose::Status, ORIGIN, at(ms)).await.expect("asked")
}

pub async fn a_ticket_opens_once(fixture: &mut impl IdentityFixture) {
    let store = fixture.identity();
    let ada = fixture.account("ada@example.org").await;
    let (login, job) = (log_in(&*store, ada, "r1").await, job_id());
    let passing = NewApiKey { expires_at: Some(at(60_000)), ..key(ada, "key") };
    let (by_login, by_key) = (Credential::Session(login), Credential::Key(passing.id));
    store.add_api_key(passing).await.expect("add");
    store.add_ticket(ticket("t1", ada, by_login)).await.expect("add");
    store.add_ticket(NewTicket { job: Some(job), ..ticket("t2", ada, by_key) }).await.expect("add");
    store.add_ticket(ticket("t3", ada, by_key)).await.expect("add");

    assert_eq!(take(&*store, "unknown", 1).await, None);
    let opened = TicketOwner { account: ada, credential: by_login, expires_at: Some(at(IDLE_MS)), job: None };
    assert_eq!(take(&*store, "t1", 1).await, Some(opened));
    assert_eq!(take(&*store, "t1", 2).await, None);
    let opened =
        TicketOwner { account: ada, credential: by_key, expires_at: Some(at(60_000)), job: Some(job) };
    assert_eq!(take(&*store, "t2", 29_999).await, Some(opened), "the key's own end, not the ticket's");
    assert_eq!(take(&*store, "t3", 30_000).await, None, "it has expired");
}

pub async fn a_ticket_is_for_one_purpose_and_origin(fixture: &mut impl IdentityFixture) {
    let store = fixture.identity();
    let ada = fixture.account("ada@example.org").await;
    let credential = Credential::Session(log_in(&*store, ada, "r1").await);
    store.add_ticket(ticket("t1", ada, credential)).await.expect("add");
    store.add_ticket(NewTicket { origin: None, ..ticket("any", ada, credential) }).await.expect("add");
    let wrong = [
        (TicketPurpose::Stream, ORIGIN),
        (TicketPurpose::Status, "https://captions.example.org.evil.example"),
        (TicketPurpose::Status, "http://captions.example.org"),
        (TicketPurpose::Status, ""),
    ];
    for (purpose, origin) in wrong {
        let taken = store.take_ticket(&hash("t1"), purpose, origin, at(1)).await.expect("asked");
        assert_eq!(taken, None, "{purpose:?} {origin}");
    }
    assert!(take(&*store, "t1", 1).await.is_some(), "a wrong try uses up nothing");
    let taken = store.take_ticket(&hash("any"), TicketPurpose::Stream, "x", at(1)).await.expect("asked");
    assert_eq!(taken, None);
    let taken = store.take_ticket(&hash("any"), TicketPurpose::Status, "x", at(1)).await.expect("asked");
    assert!(taken.is_some(), "the port leaves the origin to its caller");
}

pub async fn a_ticket_ends_with_what_it_was_made_with(fixture: &mut impl IdentityFixture) {
    let store = fixture.identity();
    let ada = fixture.account("ada@example.org").await;
    let login = log_in(&*store, ada, "r1").await;
    let (revoked, passing) = (key(ada, "k1"), NewApiKey { expires_at: Some(at(5)), ..key(ada, "k2") });
    let (revoked_id, passing_id) = (revoked.id, passing.id);
    store.add_api_key(revoked).await.expect("add");
    store.add_api_key(passing).await.expect("add");
    for (secret, credential) in [
        ("t1", Credential::Session(login)),
        ("t2", Credential::Key(revoked_id)),
        ("t3", Credential::Key(passing_id)),
    ] {
        store.add_ticket(ticket(secret, ada, credential)).await.expect("add");
    }
    store.revoke_session(login, RevokeReason::Logout, at(1)).await.expect("log out");
    store.revoke_api_key(ada, revoked_id, at(1)).await.expect("revoke");
    for secret in ["t1", "t2", "t3"] {
        assert_eq!(take(&*store, secret, 5).await, None, "{secret}");
    }

    let login = log_in(&*store, ada, "r2").await;
    store.add_ticket(ticket("t4", ada, Credential::Session(login))).await.expect("add");
    store.set_suspended(ada, true, at(6)).await.expect("suspend");
    assert_eq!(take(&*store, "t4", 7).await, None);
}

pub async fn of_many_with_one_ticket_one_gets_in(fixture: &mut impl IdentityFixture) {
    let store = fixture.identity();
    let ada = fixture.account("ada@example.org").await;
    let credential = Credential::Session(log_in(&*store, ada, "r1").await);
    for round in 0..10 {
        let secret = format!("t{round}");
        store.add_ticket(ticket(&secret, ada, credential)).await.expect("add");
        let callers = (0..8).map(|_| {
            let (store, secret) = (store.clone(), secret.clone());
            tokio::spawn(async move { take(&*store, &secret, 1).await.is_some() })
        });
        let answers = join_all(callers).await;
        assert_eq!(answers.into_iter().filter(|answer| *answer.as_ref().expect("caller")).count(), 1);
    }
}

pub async fn a_login_on_its_way_is_one_browsers(fixture: &mut impl IdentityFixture) {
    let store = fixture.identity();
    let begun = |state: &str| LoginState {
        state: hash(state),
        browser: hash("ada's browser"),
        nonce: "nonce".into(),
        pkce_verifier: "verifier".into(),
        return_to: "/jobs".into(),
        expires_at: at(1000),
    };
    for state in ["s1", "s2"] {
        store.add_login_state(begun(state)).await.expect("add");
    }
    let take = async |state: &str, browser: &str, ms| {
        store.take_login_state(&hash(state), &hash(browser), at(ms)).await.expect("asked")
    };
    assert!(take("s1", "eve's browser", 1).await.is_none());
    assert!(take("s3", "ada's browser", 1).await.is_none());
    assert!(take("s2", "ada's browser", 1000).await.is_none(), "it took too long");
    let ended = take("s1", "ada's browser", 1).await.expect("nobody else's try used it up");
    assert_eq!(
        (ended.nonce, ended.pkce_verifier, ended.return_to),
        ("nonce".into(), "verifier".into(), "/jobs".into())
    );
    assert!(take("s1", "ada's browser", 1).await.is_none(), "once");
}
