//! The register of open sockets: how many each account has, and how to tell all of them that the server stops. Owns no
//! session. A short lock instead of an actor: it is touched once when a socket opens and once when it ends.

use crate::mailbox::Tell;
use crate::socket::messages::Drain;
use sottovoce_protocol::ids::AccountId;
use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use tokio::sync::Notify;

/// The account has as many sockets open as it may.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
#[error("too many sockets are open for this account")]
pub struct TooManySockets;

#[derive(Default)]
struct Open {
    next: u64,
    draining: bool,
    per_account: HashMap<AccountId, u64>,
    drains: HashMap<u64, Tell<Drain>>,
    places: u64,
}

#[derive(Default)]
struct Shared {
    open: Mutex<Open>,
    left: Notify,
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
    pub fn enter(&self, account: AccountId, limit_per_account: u64) -> Result<Place, TooManySockets> {
        let mut open = self.lock();
        let count = open.per_account.entry(account).or_default();
        if *count >= limit_per_account {
            return Err(TooManySockets);
        }
        *count += 1;
        open.places += 1;
        open.next += 1;
        Ok(Place { id: open.next, account, shared: self.shared.clone() })
    }

    /// Returns how many sockets are open.
    pub fn count(&self) -> u64 {
        self.lock().places
    }

    /// Tells every socket, and each that still comes, to end; waits until all have ended. Cancel safe.
    pub async fn drain(&self) {
        let drains: Vec<Tell<Drain>> = {
            let mut open = self.lock();
            open.draining = true;
            open.drains.drain().map(|(_, drain)| drain).collect()
        };
        for drain in drains {
            // One that has just ended needs no telling; a full mailbox is told by its own timers at the latest.
            let _ = drain.tell(Drain);
        }
        loop {
            let left = self.shared.left.notified();
            if self.count() == 0 {
                return;
            }
            left.await;
        }
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Open> {
        self.shared.open.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Place {
    /// Notes how to tell the socket's actor to end; at once, if the server already stops.
    pub fn on_drain(&self, drain: Tell<Drain>) {
        let mut open = self.shared.open.lock().unwrap_or_else(PoisonError::into_inner);
        if open.draining {
            let _ = drain.tell(Drain);
        } else {
            open.drains.insert(self.id, drain);
        }
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut open = self.shared.open.lock().unwrap_or_else(PoisonError::into_inner);
        open.drains.remove(&self.id);
        open.places -= 1;
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
    use uuid::Uuid;

    fn account(number: u128) -> AccountId {
        AccountId::from_uuid(Uuid::from_u128(number))
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
