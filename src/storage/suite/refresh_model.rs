//! Random histories of logins on a database and on the reference: after every step both agree, at most one token of a login
//! is active, and none after its end. A failure prints its seed; `SOTTOVOCE_TEST_SEED` runs it again.

use super::refresh_reference::{Expected, Family};
use super::sessions::{ABSOLUTE_MS, GRACE_MS, IDLE_MS, new_session, presenting};
use super::{IdentityFixture, assert_not_found, at, hash, seed};
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use sottovoce_actors::ports::identity::{Identity, NewSession, RevokeReason, Rotation};
use sottovoce_protocol::ids::{AccountId, SessionId};
use std::collections::BTreeSet;
use std::sync::Arc;

const STEPS: u32 = 300;
const RECENT: usize = 4;

struct Login {
    session: SessionId,
    account: AccountId,
    family: Family,
}

struct History {
    rng: StdRng,
    store: Arc<dyn Identity>,
    accounts: Vec<AccountId>,
    logins: Vec<Login>,
    now: i64,
    secrets: u32,
}

fn outcome(rotation: &Rotation) -> Expected {
    match rotation {
        Rotation::Rotated(_) => Expected::Rotated,
        Rotation::Reused { .. } => Expected::Reused,
        Rotation::Invalid => Expected::Invalid,
    }
}

impl History {
    fn secret(&mut self) -> String {
        self.secrets += 1;
        format!("secret {}", self.secrets)
    }

    async fn log_in(&mut self) {
        let account = self.accounts[self.rng.random_range(0..self.accounts.len())];
        let secret = self.secret();
        let new = NewSession {
            now: at(self.now),
            idle_expires_at: at(self.now + IDLE_MS),
            absolute_expires_at: at(self.now + ABSOLUTE_MS),
            ..new_session(account, &secret)
        };
        let session = self.store.open_session(new).await.expect("log in").session;
        let family = Family::new(secret, self.now + IDLE_MS, self.now + ABSOLUTE_MS);
        self.logins.push(Login { session, account, family });
    }

    /// Presents a token of a login, here and on the reference.
    async fn rotate(&mut self, login: usize, secret: &str) {
        let (successor, now) = (self.secret(), self.now);
        let answer = self.store.rotate(presenting(secret, &successor, now)).await.expect("rotate");
        let login = &mut self.logins[login];
        let expected = login.family.rotate(secret, &successor, now, GRACE_MS, IDLE_MS);
        assert_eq!(outcome(&answer), expected, "{secret} of {:#?} at {now}", login.family);
        match answer {
            Rotation::Rotated(owner) => {
                assert_eq!((owner.session, owner.account), (login.session, login.account));
                assert_eq!(owner.expires_at, at(login.family.expires_at()));
            }
            Rotation::Reused { session, account } => {
                assert_eq!((session, account), (login.session, login.account));
            }
            Rotation::Invalid => {}
        }
    }

    /// The same token from two callers at once: one comes first, which one the database shows.
    async fn two_at_once(&mut self, fixture: &impl IdentityFixture, login: usize, secret: &str) {
        let (one, two, now) = (self.secret(), self.secret(), self.now);
        let (first, second) = tokio::join!(
            self.store.rotate(presenting(secret, &one, now)),
            self.store.rotate(presenting(secret, &two, now))
        );
        let answers = [outcome(&first.expect("rotate")), outcome(&second.expect("rotate"))];
        let login = &mut self.logins[login];
        let active = active(fixture, login.session).await;
        let in_order = |is_first_first: bool| {
            let mut family = login.family.clone();
            let mut present = |successor| family.rotate(secret, successor, now, GRACE_MS, IDLE_MS);
            let expected = if is_first_first {
                let first = present(&one);
                [first, present(&two)]
            } else {
                let second = present(&two);
                [present(&one), second]
            };
            (expected == answers && family.active() == active).then_some(family)
        };
        let agreed = in_order(true).or_else(|| in_order(false));
        login.family = agreed.unwrap_or_else(|| panic!("{answers:?} in no order of {:#?}", login.family));
    }

    /// A caller goes away in the middle (a crash between update and answer), and asks again.
    async fn abandoned(&mut self, login: usize, secret: &str) {
        let (lost, now, polls) = (self.secret(), self.now, self.rng.random_range(0..40));
        let mut call = self.store.rotate(presenting(secret, &lost, now));
        for _ in 0..polls {
            if futures_util::poll!(&mut call).is_ready() {
                break;
            }
            tokio::task::yield_now().await;
        }
        drop(call);
        let (successor, before) = (self.secret(), self.logins[login].family.clone());
        let answer = outcome(&self.store.rotate(presenting(secret, &successor, now)).await.expect("rotate"));
        let was_done = self.store.session_of_refresh(&hash(&lost)).await.expect("asked").is_some();
        let mut done = before.clone();
        let first = done.rotate(secret, &lost, now, GRACE_MS, IDLE_MS);
        // What gave no successor shows in the second answer alone: a login that has ended stays so.
        let mut family = if was_done || first != Expected::Rotated { done } else { before.clone() };
        if first == Expected::Reused && answer == Expected::Reused {
            family = before.clone();
        }
        let expected = family.rotate(secret, &successor, now, GRACE_MS, IDLE_MS);
        assert_eq!(answer, expected, "{secret} of {before:#?} at {now}, the first call done: {was_done}");
        self.logins[login].family = family;
    }

    async fn step(&mut self, fixture: &impl IdentityFixture) {
        self.now += match self.rng.random_range(0..100) {
            0..60 => self.rng.random_range(0..GRACE_MS / 4),
            60..95 => self.rng.random_range(0..2 * GRACE_MS),
            _ => self.rng.random_range(0..2 * IDLE_MS),
        };
        if self.logins.len() < 3 || self.rng.random_bool(0.1) {
            return self.log_in().await;
        }
        // Mostly a young one: the old ones are over.
        let from = if self.rng.random_bool(0.9) { self.logins.len().saturating_sub(RECENT) } else { 0 };
        let login = self.rng.random_range(from..self.logins.len());
        let family = &self.logins[login].family;
        let ancestor = |back| family.ancestor(back).to_owned();
        let (current, parent, grandparent) = (ancestor(0), ancestor(1), ancestor(2));
        match self.rng.random_range(0..100) {
            0..40 => self.rotate(login, &current).await,
            40..55 => self.rotate(login, &parent).await,
            55..60 => self.rotate(login, &grandparent).await,
            60..64 => {
                let secrets: Vec<String> = family.secrets().map(str::to_owned).collect();
                let any = self.rng.random_range(0..secrets.len());
                self.rotate(login, &secrets[any]).await;
            }
            64..76 => self.two_at_once(fixture, login, &current).await,
            76..80 => self.two_at_once(fixture, login, &parent).await,
            80..94 => self.abandoned(login, &current).await,
            94..97 => self.abandoned(login, &parent).await,
            97..99 => {
                let session = self.logins[login].session;
                self.store
                    .revoke_session(session, RevokeReason::Logout, at(self.now))
                    .await
                    .expect("log out");
                self.logins[login].family.revoke();
            }
            _ => {
                let account = self.logins[login].account;
                let everywhere = self.store.log_out_everywhere(account, RevokeReason::Admin, at(self.now));
                everywhere.await.expect("log out");
                for login in self.logins.iter_mut().filter(|login| login.account == account) {
                    login.family.revoke();
                }
            }
        }
    }

    /// The logins from this one on are as the reference has them.
    async fn check(&self, fixture: &impl IdentityFixture, from: usize) {
        for login in &self.logins[from..] {
            let active = active(fixture, login.session).await;
            assert!(active.len() <= 1, "{active:?}");
            assert_eq!(active, login.family.active(), "{:#?}", login.family);
            let held = self.store.session(login.session, at(self.now)).await;
            if login.family.is_live(self.now) {
                assert_eq!(held.expect("it holds").expires_at, at(login.family.expires_at()));
            } else {
                assert_not_found(held);
            }
        }
    }
}

async fn active(fixture: &impl IdentityFixture, session: SessionId) -> BTreeSet<String> {
    fixture.active_tokens(session).await.into_iter().collect()
}

pub async fn random_histories_agree_with_the_reference(fixture: &mut impl IdentityFixture) {
    let accounts = vec![fixture.account("ada@example.org").await, fixture.account("eve@example.org").await];
    let (rng, store) = (StdRng::seed_from_u64(seed()), fixture.identity());
    let mut history = History { rng, store, accounts, logins: Vec::new(), now: 0, secrets: 0 };
    for step in 0..STEPS {
        history.step(fixture).await;
        // The old ones are over, or were left alone: they are looked at now and then.
        let recent = history.logins.len().saturating_sub(RECENT);
        history.check(fixture, if step % 25 == 0 { 0 } else { recent }).await;
    }
    // At the end no token of an ended login opens anything, whichever it is.
    for login in 0..history.logins.len() {
        let family = &history.logins[login].family;
        if family.is_live(history.now) {
            continue;
        }
        let secrets: Vec<String> = family.secrets().map(str::to_owned).collect();
        for secret in secrets {
            history.rotate(login, &secret).await;
        }
    }
    history.check(fixture, 0).await;
}
