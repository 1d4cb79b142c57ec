//! What ended, what was written down, and what is forgotten.

use super::keys::key;
use super::sessions::{ABSOLUTE_MS, log_in, new_session, presenting, rotate};
use super::{IdentityFixture, at, hash, job_id};
use crate::system::SystemIds;
use sottovoce_actors::ports::clock::Ids;
use sottovoce_actors::ports::identity::{
    AuditEntry, Credential, Ended, LinkPurpose, LoginState, NewLink, NewSession, NewTicket, PasswordHash,
    RevokeReason, Rotate, Rotation,
};
use sottovoce_actors::ports::store::EpochMs;
use sottovoce_protocol::auth::TicketPurpose;
use sottovoce_protocol::ids::{AccountId, AuditId, RequestId};
use std::collections::HashSet;

fn entry(ms: i64, account: Option<AccountId>, event: &'static str) -> AuditEntry {
    AuditEntry {
        id: AuditId::from_uuid(SystemIds.uuid()),
        at: at(ms),
        account,
        event,
        address: Some([192, 0, 2, 7].into()),
        request: Some(RequestId::from_uuid(job_id().as_uuid())),
        detail: "some words".into(),
    }
}

pub async fn what_ended_is_told(fixture: &mut impl IdentityFixture) {
    let store = fixture.identity();
    let (ada, eve, bob) = (
        fixture.account("ada@example.org").await,
        fixture.account("eve@example.org").await,
        fixture.account("bob@example.org").await,
    );
    let (old, kept) = (key(ada, "k1"), key(ada, "k2"));
    let (old_id, bobs) = (old.id, key(bob, "k3"));
    let bobs_id = bobs.id;
    for new in [old, kept, bobs] {
        store.add_api_key(new).await.expect("add");
    }
    let (login, stolen) = (log_in(&*store, ada, "r1").await, log_in(&*store, ada, "s1").await);
    let bobs_login = log_in(&*store, bob, "b1").await;
    log_in(&*store, eve, "e1").await;

    store.revoke_api_key(ada, old_id, at(10)).await.expect("revoke");
    store.revoke_session(login, RevokeReason::Logout, at(20)).await.expect("log out");
    store.set_suspended(eve, true, at(30)).await.expect("suspend");
    rotate(&*store, "s1", "s2", 1).await;
    rotate(&*store, "s2", "s3", 2).await;
    let reused = rotate(&*store, "s1", "s4", 40).await;
    assert!(matches!(reused, Rotation::Reused { .. }), "{reused:?}");
    store.delete_account(bob, at(50)).await.expect("delete");

    let told = async |ms| store.ended_since(at(ms)).await.expect("asked").into_iter().collect::<HashSet<_>>();
    let all = [
        Ended::Credential(Credential::Key(old_id)),
        Ended::Credential(Credential::Session(login)),
        Ended::Account(eve),
        Ended::Credential(Credential::Session(stolen)),
        Ended::Credential(Credential::Key(bobs_id)),
        Ended::Credential(Credential::Session(bobs_login)),
        Ended::Account(bob),
    ];
    assert_eq!(told(10).await, HashSet::from(all), "what has not ended is not told");
    assert_eq!(told(21).await, all[2..].iter().copied().collect());
    assert_eq!(told(51).await, HashSet::new());
    store.set_suspended(eve, false, at(60)).await.expect("resume");
    assert!(!told(10).await.contains(&Ended::Account(eve)), "it goes on");
    let changed = PasswordHash("phc".into());
    let again = log_in(&*store, ada, "n1").await;
    store.set_password(ada, None, changed, None, at(70)).await.expect("change");
    assert_eq!(told(70).await, HashSet::from([Ended::Credential(Credential::Session(again))]));
}

pub async fn the_log_is_kept_in_order(fixture: &mut impl IdentityFixture) {
    let store = fixture.identity();
    let ada = fixture.account("ada@example.org").await;
    let eve = fixture.account("eve@example.org").await;
    for new in [
        entry(1, Some(ada), "registered"),
        entry(3, None, "login_failed"),
        entry(2, Some(eve), "logged_in"),
        entry(3, Some(ada), "logged_in"),
        AuditEntry {
            address: None,
            request: None,
            detail: String::new(),
            ..entry(4, Some(ada), "suspended")
        },
    ] {
        store.audit(new).await.expect("write");
    }
    let lines = store.audit_log(None, 10).await.expect("read");
    let shown: Vec<_> = lines.iter().map(|line| (line.at, line.account, line.event.as_str())).collect();
    assert_eq!(
        shown,
        [
            (at(4), Some(ada), "suspended"),
            (at(3), Some(ada), "logged_in"),
            (at(3), None, "login_failed"),
            (at(2), Some(eve), "logged_in"),
            (at(1), Some(ada), "registered"),
        ],
        "the newest first, of one moment the last written"
    );
    assert_eq!((lines[0].address.as_deref(), lines[0].detail.as_str()), (None, ""));
    assert_eq!((lines[1].address.as_deref(), lines[1].detail.as_str()), (Some("192.0.2.7"), "some words"));
    let hers = store.audit_log(Some(ada), 2).await.expect("read");
    assert_eq!(hers, [lines[0].clone(), lines[1].clone()]);
}

fn link(secret: &str, account: AccountId, expires_at: EpochMs) -> NewLink {
    NewLink {
        hash: hash(secret),
        purpose: LinkPurpose::Password,
        account: Some(account),
        email: None,
        expires_at,
    }
}

pub async fn what_has_expired_is_forgotten(fixture: &mut impl IdentityFixture) {
    let store = fixture.identity();
    let (ada, eve) = (fixture.account("ada@example.org").await, fixture.account("eve@example.org").await);
    let (login, later) = (log_in(&*store, ada, "r1").await, at(ABSOLUTE_MS + 100));
    for n in 1..4 {
        rotate(&*store, &format!("r{n}"), &format!("r{}", n + 1), 10).await;
    }
    // A login that was used again and again and lives on.
    let much_later = 10 * ABSOLUTE_MS;
    let living = NewSession { absolute_expires_at: at(much_later), ..new_session(ada, "l1") };
    let living_id = living.id;
    store.open_session(living).await.expect("log in");
    let refreshed = Rotate { idle_ms: much_later, ..presenting("l1", "l2", 10) };
    store.rotate(refreshed).await.expect("refresh");
    let ticket = |secret: &str, session, expires_at| NewTicket {
        hash: hash(secret),
        account: ada,
        credential: Credential::Session(session),
        purpose: TicketPurpose::Status,
        job: None,
        origin: None,
        expires_at,
    };
    let state = |secret: &str, expires_at| LoginState {
        state: hash(secret),
        browser: hash("browser"),
        nonce: String::new(),
        pkce_verifier: String::new(),
        return_to: "/".into(),
        expires_at,
    };
    store.add_ticket(ticket("old", login, at(30))).await.expect("add");
    // A ticket that would outlive its login goes with it.
    store.add_ticket(ticket("odd", login, later)).await.expect("add");
    store.add_ticket(ticket("good", living_id, later)).await.expect("add");
    store.add_link(link("old", ada, at(30))).await.expect("add");
    store.add_link(link("good", eve, later)).await.expect("add");
    store.add_login_state(state("old", at(30))).await.expect("add");
    store.add_login_state(state("good", later)).await.expect("add");
    for ms in [1, 20, 40] {
        store.audit(entry(ms, Some(ada), "logged_in")).await.expect("write");
    }

    // A ticket, a link and a login on its way; of the log what is older than 20.
    let gone = store.forget_expired(at(30), at(0), at(20), 100).await.expect("forget");
    assert_eq!(gone, 4);
    assert_eq!(store.forget_expired(at(30), at(0), at(20), 100).await.expect("forget"), 0);
    let events: Vec<_> = store.audit_log(None, 9).await.expect("read").iter().map(|line| line.at).collect();
    assert_eq!(events, [at(40), at(20)]);
    assert!(store.session_of_refresh(&hash("r1")).await.expect("asked").is_some(), "a thief is still known");

    // The ended login with its four tokens and its ticket.
    let gone = store.forget_expired(at(ABSOLUTE_MS), at(ABSOLUTE_MS), at(20), 100).await.expect("forget");
    assert_eq!(gone, 6);
    assert_eq!(store.session_of_refresh(&hash("r1")).await.expect("asked"), None);
    assert_eq!(fixture.active_tokens(living_id).await, ["l2"]);
    assert!(
        store.session_of_refresh(&hash("l1")).await.expect("asked").is_some(),
        "of the living one nothing"
    );
    store.session(living_id, at(ABSOLUTE_MS)).await.expect("it holds");
    let now = at(ABSOLUTE_MS);
    let taken = store.take_ticket(&hash("good"), TicketPurpose::Status, "", now).await.expect("asked");
    assert!(taken.is_some());
    let set =
        store.set_password_by_link(&hash("good"), PasswordHash("phc".into()), now).await.expect("asked");
    assert_eq!(set, Some(eve));
    assert!(store.take_login_state(&hash("good"), &hash("browser"), now).await.expect("asked").is_some());
}

pub async fn forgetting_goes_in_batches(fixture: &mut impl IdentityFixture) {
    let store = fixture.identity();
    let ada = fixture.account("ada@example.org").await;
    for n in 0..5 {
        // All end in one moment: every batch must still take whole logins.
        log_in(&*store, ada, &format!("{n}.1")).await;
        rotate(&*store, &format!("{n}.1"), &format!("{n}.2"), 1).await;
        store.audit(entry(n, None, "logged_in")).await.expect("write");
    }
    let mut rounds = Vec::new();
    loop {
        let gone = store.forget_expired(at(0), at(ABSOLUTE_MS), at(100), 2).await.expect("forget");
        rounds.push(gone);
        if gone < 2 {
            break;
        }
    }
    // Two lines, two logins with two tokens each; then the rest.
    assert_eq!(rounds, [8, 8, 4, 0]);
}
