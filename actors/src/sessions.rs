//! The register of open sockets: how many each account has, what each was opened with, and how to tell them to end. Owns no
//! session. A short lock instead of an actor: it is touched once when a socket opens and once when it ends.

use crate::mailbox::Tell;
use crate::ports::identity::{Credential, Ended};
use crate::ports::store::EpochMs;
use crate::socket::messages::Leave;
use sottovoce_protocol::close_code::{self, Close};
use sottovoce_protocol::ids::AccountId;
use std::collections::{HashMap, HashSet};
use std::sync::{Arc, Mutex, PoisonError};
use tokio::sync::Notify;

/// The account has as many sockets open as it may.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
#[error("too many sockets are open for this account")]
pub struct TooManySockets;

/// Who holds a socket, and what ends it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Holder {
    /// The account.
    pub account: AccountId,
    /// What it was opened with.
    pub credential: Credential,
    /// When that ends by itself.
    pub expires_at: Option<EpochMs>,
}

struct Held {
    holder: Holder,
    leave: Option<Tell<Leave>>,
    /// Why it must end, if that was said already.
    told: Option<Close>,
}

impl Held {
    /// Tells the socket to end. One that has just ended needs no telling; a full mailbox is told again.
    fn tell(&mut self, close: Close) {
        self.told = Some(close);
        if let Some(leave) = &self.leave {
            let _ = leave.tell(Leave(close));
        }
    }
}

#[derive(Default)]
struct Open {
    next: u64,
    draining: bool,
    per_account: HashMap<AccountId, u64>,
    held: HashMap<u64, Held>,
}

#[derive(Default)]
struct Shared {
    open: Mutex<Open>,
    left: Notify,
}

impl Shared {
    fn lock(&self) -> std::sync::MutexGuard<'_, Open> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The register; clones share it.
#[derive(Clone, Default)]
pub struct Sessions {
    shared: Arc<Shared>,
}

/// A place in the register, given back when dropped.
pub struct Place {
    id: u64,
    account: AccountId,
    shared: Arc<Shared>,
}

impl Sessions {
    /// Takes a place for a socket about to open.
    pub fn enter(&self, holder: Holder, limit_per_account: u64) -> Result<Place, TooManySockets> {
        let mut open = self.shared.lock();
        let count = open.per_account.entry(holder.account).or_default();
        if *count >= limit_per_account {
            return Err(TooManySockets);
        }
        *count += 1;
        open.next += 1;
        let id = open.next;
        open.held.insert(id, Held { holder, leave: None, told: None });
        Ok(Place { id, account: holder.account, shared: self.shared.clone() })
    }

    /// Returns how many sockets are open.
    pub fn count(&self) -> u64 {
        self.shared.lock().held.len() as u64
    }

    /// Tells every socket whose credential or account has ended, or has expired by now, that its session is over. Called
    /// again and again, so that one whose mailbox was full hears of it the next time.
    pub fn close_ended(&self, ended: &HashSet<Ended>, now: EpochMs) {
        let is_over = |holder: &Holder| {
            holder.expires_at.is_some_and(|at| at <= now)
                || ended.contains(&Ended::Credential(holder.credential))
                || ended.contains(&Ended::Account(holder.account))
        };
        for held in self.shared.lock().held.values_mut() {
            if held.told.is_some_and(|close| close == close_code::SESSION_OVER) || is_over(&held.holder) {
                held.tell(close_code::SESSION_OVER);
            }
        }
    }

    /// Tells every socket, and each that still comes, to end; waits until all have ended. Cancel safe.
    pub async fn drain(&self) {
        {
            let mut open = self.shared.lock();
            open.draining = true;
            for held in open.held.values_mut() {
                held.tell(close_code::GOING_AWAY);
            }
        }
        loop {
            let left = self.shared.left.notified();
            if self.count() == 0 {
                return;
            }
            left.await;
        }
    }
}

impl Place {
    /// Notes how to tell the socket's actor to end; at once, if that was to be told meanwhile.
    pub fn on_leave(&self, leave: Tell<Leave>) {
        let mut open = self.shared.lock();
        let draining = open.draining;
        let Some(held) = open.held.get_mut(&self.id) else { return };
        held.leave = Some(leave);
        if draining {
            held.tell(close_code::GOING_AWAY);
        } else if let Some(close) = held.told {
            held.tell(close);
        }
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut open = self.shared.lock();
        open.held.remove(&self.id);
        if let Some(count) = open.per_account.get_mut(&self.account) {
            *count -= 1;
            if *count == 0 {
                open.per_account.remove(&self.account);
            }
        }
        drop(open);
        self.shared.left.notify_waiters();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use futures_util::FutureExt;
    use sottovoce_protocol::ids::ApiKeyId;
    use uuid::Uuid;

    fn account(number: u128) -> Holder {
        Holder {
            account: AccountId::from_uuid(Uuid::from_u128(number)),
            credential: Credential::Key(ApiKeyId::from_uuid(Uuid::from_u128(number))),
            expires_at: None,
        }
    }

    #[test]
    fn limits_each_account_by_itself_and_gives_places_back() {
        let sessions = Sessions::default();
        let first = sessions.enter(account(1), 1).unwrap();
        assert!(sessions.enter(account(1), 1).is_err());
        let _other = sessions.enter(account(2), 1).unwrap();
        drop(first);
        let _again = sessions.enter(account(1), 1).unwrap();
        assert_eq!(sessions.count(), 2);
    }

    #[tokio::test]
    async fn drain_waits_for_the_last_place() {
        let sessions = Sessions::default();
        let place = sessions.enter(account(1), 9).unwrap();
        let drained = sessions.drain();
        tokio::pin!(drained);
        assert!(drained.as_mut().now_or_never().is_none());
        drop(place);
        drained.await;
    }
}
