//! Logins and their refresh tokens (`accounts.md` A1): each token once, the direct parent within the grace, a thief ends it
//! all.

use super::{IdentityFixture, T0, assert_not_found, at, hash};
use crate::system::SystemIds;
use futures_util::future::join_all;
use sottovoce_actors::ports::clock::Ids;
use sottovoce_actors::ports::identity::{
    Identity, NewRefresh, NewSession, PasswordHash, RevokeReason, Rotate, Rotation, TokenEpoch,
};
use sottovoce_protocol::ids::{AccountId, RefreshTokenId, SessionId};

pub const GRACE_MS: i64 = 10_000;
pub const IDLE_MS: i64 = 100_000;
pub const ABSOLUTE_MS: i64 = 1_000_000;

pub fn token(secret: &str) -> NewRefresh {
    NewRefresh { id: RefreshTokenId::from_uuid(SystemIds.uuid()), hash: hash(secret) }
}

pub fn new_session(account: AccountId, secret: &str) -> NewSession {
    NewSession {
        id: SessionId::from_uuid(SystemIds.uuid()),
        account,
        verified: None,
        refresh: token(secret),
        idle_expires_at: at(IDLE_MS),
        absolute_expires_at: at(ABSOLUTE_MS),
        now: T0,
    }
}

pub async fn log_in(store: &dyn Identity, account: AccountId, secret: &str) -> SessionId {
    store.open_session(new_session(account, secret)).await.expect("log in").session
}

pub fn presenting(secret: &str, successor: &str, ms: i64) -> Rotate {
    Rotate {
        presented: hash(secret),
        successor: token(successor),
        grace_ms: GRACE_MS,
        idle_ms: IDLE_MS,
        now: at(ms),
    }
}

pub async fn rotate(store: &dyn Identity, secret: &str, successor: &str, ms: i64) -> Rotation {
    store.rotate(presenting(secret, successor, ms)).await.expect("rotate")
}

fn is_rotated(rotation: &Rotation) -> bool {
    matches!(rotation, Rotation::Rotated(_))
}

async fn assert_over(fixture: &impl IdentityFixture, session: SessionId, secrets: &[&str], ms: i64) {
    let store = fixture.identity();
    assert_not_found(store.session(session, at(ms)).await);
    assert_eq!(fixture.active_tokens(session).await, Vec::<String>::new());
    for secret in secrets {
        assert_eq!(rotate(&*store, secret, "after the end", ms).await, Rotation::Invalid, "{secret}");
    }
}

pub async fn a_refresh_token_is_used_once(fixture: &mut impl IdentityFixture) {
    let store = fixture.identity();
    let ada = fixture.account("ada@example.org").await;
    let login = log_in(&*store, ada, "r1").await;
    assert_eq!(store.session_of_refresh(&hash("r1")).await.expect("asked"), Some((login, ada)));
    assert_eq!(store.session_of_refresh(&hash("r2")).await.expect("asked"), None);

    let Rotation::Rotated(owner) = rotate(&*store, "r1", "r2", 1).await else { panic!("it was good") };
    assert_eq!((owner.session, owner.account, owner.epoch), (login, ada, TokenEpoch(0)));
    assert_eq!((owner.auth_time, owner.expires_at), (T0, at(1 + IDLE_MS)));
    assert_eq!(fixture.active_tokens(login).await, ["r2"]);
    assert_eq!(rotate(&*store, "unknown", "r3", 1).await, Rotation::Invalid);
    store.session(login, at(2)).await.expect("a guess ends nothing");

    let reused = rotate(&*store, "r1", "r3", 1 + GRACE_MS).await;
    assert_eq!(reused, Rotation::Reused { session: login, account: ada });
    assert_over(fixture, login, &["r1", "r2", "r3"], 1 + GRACE_MS).await;
}

pub async fn the_direct_parent_is_answered_within_the_grace(fixture: &mut impl IdentityFixture) {
    let store = fixture.identity();
    let ada = fixture.account("ada@example.org").await;
    let login = log_in(&*store, ada, "r1").await;
    assert!(is_rotated(&rotate(&*store, "r1", "lost", 1).await));
    assert!(is_rotated(&rotate(&*store, "r1", "lost too", GRACE_MS - 1).await));
    assert!(is_rotated(&rotate(&*store, "r1", "r2", GRACE_MS).await), "the answer was lost");
    assert_eq!(fixture.active_tokens(login).await, ["r2"], "the lost ones open nothing");
    // The grace is counted from the first use, not from the last.
    let late = rotate(&*store, "r1", "r3", 1 + GRACE_MS).await;
    assert_eq!(late, Rotation::Reused { session: login, account: ada });

    let login = log_in(&*store, ada, "s1").await;
    rotate(&*store, "s1", "s2", 1).await;
    rotate(&*store, "s2", "s3", 2).await;
    let used = rotate(&*store, "s1", "s4", 3).await;
    assert_eq!(
        used,
        Rotation::Reused { session: login, account: ada },
        "its child was used: no answer was lost"
    );
}

pub async fn a_grandparent_ends_the_login(fixture: &mut impl IdentityFixture) {
    let store = fixture.identity();
    let ada = fixture.account("ada@example.org").await;
    let (login, other) = (log_in(&*store, ada, "r1").await, log_in(&*store, ada, "o1").await);
    rotate(&*store, "r1", "r2", 1).await;
    rotate(&*store, "r2", "r3", 2).await;
    let reused = rotate(&*store, "r1", "r4", 3).await;
    assert_eq!(reused, Rotation::Reused { session: login, account: ada });
    assert_over(fixture, login, &["r1", "r2", "r3", "r4"], 4).await;
    assert!(is_rotated(&rotate(&*store, "o1", "o2", 5).await), "another login goes on");
    assert_eq!(fixture.active_tokens(other).await, ["o2"]);
}

pub async fn a_replaced_child_ends_the_login(fixture: &mut impl IdentityFixture) {
    let store = fixture.identity();
    let ada = fixture.account("ada@example.org").await;
    let login = log_in(&*store, ada, "r1").await;
    rotate(&*store, "r1", "first", 1).await;
    rotate(&*store, "r1", "second", 2).await;
    let reused = rotate(&*store, "first", "third", 3).await;
    assert_eq!(reused, Rotation::Reused { session: login, account: ada }, "two hold what one was given");
    assert_over(fixture, login, &["r1", "first", "second"], 4).await;
}

pub async fn a_login_expires(fixture: &mut impl IdentityFixture) {
    let store = fixture.identity();
    let ada = fixture.account("ada@example.org").await;
    let idle = log_in(&*store, ada, "r1").await;
    store.session(idle, at(IDLE_MS - 1)).await.expect("holds until then");
    assert_not_found(store.session(idle, at(IDLE_MS)).await);
    assert_eq!(rotate(&*store, "r1", "r2", IDLE_MS).await, Rotation::Invalid);

    let busy = log_in(&*store, ada, "0").await;
    let (step, mut ms, mut n) = (IDLE_MS - 1, 0, 0);
    while ms + step < ABSOLUTE_MS {
        ms += step;
        let Rotation::Rotated(owner) = rotate(&*store, &n.to_string(), &(n + 1).to_string(), ms).await else {
            panic!("refreshed in time, at {ms}")
        };
        assert_eq!(owner.expires_at, at((ms + IDLE_MS).min(ABSOLUTE_MS)), "never longer than at first");
        n += 1;
    }
    assert_not_found(store.session(busy, at(ABSOLUTE_MS)).await);
    assert_eq!(rotate(&*store, &n.to_string(), "late", ABSOLUTE_MS).await, Rotation::Invalid);
}

pub async fn logging_out_ends_one_login(fixture: &mut impl IdentityFixture) {
    let store = fixture.identity();
    let ada = fixture.account("ada@example.org").await;
    let (login, other) = (log_in(&*store, ada, "r1").await, log_in(&*store, ada, "o1").await);
    for ms in [1, 2] {
        store.revoke_session(login, RevokeReason::Logout, at(ms)).await.expect("twice is no error");
    }
    let nobody = new_session(ada, "none").id;
    store.revoke_session(nobody, RevokeReason::Logout, at(2)).await.expect("none is no error");
    assert_over(fixture, login, &["r1"], 3).await;
    store.session(other, at(3)).await.expect("another login goes on");
}

pub async fn logging_out_everywhere_ends_all(fixture: &mut impl IdentityFixture) {
    let store = fixture.identity();
    let (ada, eve) = (fixture.account("ada@example.org").await, fixture.account("eve@example.org").await);
    let (one, two) = (log_in(&*store, ada, "r1").await, log_in(&*store, ada, "o1").await);
    let eves = log_in(&*store, eve, "e1").await;
    store.log_out_everywhere(ada, RevokeReason::Admin, at(1)).await.expect("log out");
    assert_over(fixture, one, &["r1"], 2).await;
    assert_over(fixture, two, &["o1"], 2).await;
    assert_eq!(store.account(ada).await.expect("there").epoch, TokenEpoch(1), "access tokens end with it");
    let new = store.open_session(new_session(ada, "n1")).await.expect("logs in again");
    assert_eq!(new.epoch, TokenEpoch(1));
    assert_eq!(store.session(eves, at(2)).await.expect("goes on").epoch, TokenEpoch(0));
    let nobody = AccountId::from_uuid(SystemIds.uuid());
    assert_not_found(store.log_out_everywhere(nobody, RevokeReason::Admin, at(3)).await);
}

pub async fn changing_a_password_ends_the_other_logins(fixture: &mut impl IdentityFixture) {
    let store = fixture.identity();
    let ada = fixture.account("ada@example.org").await;
    let (mine, other) = (log_in(&*store, ada, "r1").await, log_in(&*store, ada, "o1").await);
    let password = || PasswordHash("phc".into());
    store.set_password(ada, None, password(), Some(mine), at(1)).await.expect("change");
    assert_over(fixture, other, &["o1"], 2).await;
    assert!(is_rotated(&rotate(&*store, "r1", "r2", 2).await), "who changed it stays");
    store.set_password(ada, None, password(), None, at(3)).await.expect("change");
    assert_over(fixture, mine, &["r1", "r2"], 4).await;
}

/// A client that asks while its account is suspended is no thief afterwards.
pub async fn a_suspension_uses_up_no_token(fixture: &mut impl IdentityFixture) {
    let store = fixture.identity();
    let ada = fixture.account("ada@example.org").await;
    let login = log_in(&*store, ada, "r1").await;
    store.set_suspended(ada, true, at(1)).await.expect("suspend");
    assert_eq!(rotate(&*store, "r1", "r2", 2).await, Rotation::Invalid);
    store.set_suspended(ada, false, at(3)).await.expect("resume");
    assert!(is_rotated(&rotate(&*store, "r1", "r3", 2 * GRACE_MS).await));
    assert_eq!(fixture.active_tokens(login).await, ["r3"]);
}

async fn eight_callers(fixture: &impl IdentityFixture, grace_ms: i64) -> (SessionId, Vec<Rotation>) {
    let store = fixture.identity();
    let ada = fixture.account("ada@example.org").await;
    let login = log_in(&*store, ada, "r1").await;
    let callers = (0..8).map(|n| {
        let store = store.clone();
        let asked = Rotate { grace_ms, ..presenting("r1", &format!("r1.{n}"), 1) };
        tokio::spawn(async move { store.rotate(asked).await.expect("rotate") })
    });
    (login, join_all(callers).await.into_iter().map(|answer| answer.expect("caller")).collect())
}

pub async fn eight_callers_rotate_one_token(fixture: &mut impl IdentityFixture) {
    let (login, answers) = eight_callers(fixture, GRACE_MS).await;
    assert!(answers.iter().all(is_rotated), "each is answered, and replaces the one before: {answers:?}");
    assert_eq!(fixture.active_tokens(login).await.len(), 1);
    fixture.identity().session(login, at(2)).await.expect("it goes on");
}

pub async fn eight_callers_without_grace_end_the_login(fixture: &mut impl IdentityFixture) {
    let (login, answers) = eight_callers(fixture, 0).await;
    let count = |is: fn(&Rotation) -> bool| answers.iter().filter(|answer| is(answer)).count();
    let reused = count(|answer| matches!(answer, Rotation::Reused { .. }));
    let invalid = count(|answer| *answer == Rotation::Invalid);
    assert_eq!((count(is_rotated), reused, invalid), (1, 1, 6), "{answers:?}");
    assert_over(fixture, login, &["r1", "r1.0", "r1.7"], 2).await;
}

pub async fn rotating_and_logging_out_at_once_leave_no_token(fixture: &mut impl IdentityFixture) {
    let store = fixture.identity();
    let ada = fixture.account("ada@example.org").await;
    for n in 0..20 {
        let login = log_in(&*store, ada, &format!("{n}")).await;
        let (parent, child) = (n.to_string(), format!("{n}.1"));
        let (rotated, ended) = tokio::join!(store.rotate(presenting(&parent, &child, 1)), async {
            match n % 2 {
                0 => store.revoke_session(login, RevokeReason::Logout, at(1)).await,
                _ => store.log_out_everywhere(ada, RevokeReason::Logout, at(1)).await,
            }
        });
        rotated.expect("rotate");
        ended.expect("log out");
        assert_over(fixture, login, &[&parent, &child], 2).await;
    }
}
