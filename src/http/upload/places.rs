//! Places for uploads: so many at once of all accounts, and of each. A place is given back when dropped.

use sottovoce_protocol::ids::AccountId;
use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// The places; clones share them.
#[derive(Clone)]
pub struct UploadPlaces {
    all: Arc<Semaphore>,
    per_account: u64,
    open: Arc<Mutex<HashMap<AccountId, u64>>>,
}

/// A place, until it is dropped.
pub struct UploadPlace {
    account: AccountId,
    open: Arc<Mutex<HashMap<AccountId, u64>>>,
    _permit: OwnedSemaphorePermit,
}

impl UploadPlaces {
    /// Offers so many places in all, and to one account.
    pub fn new(all: usize, per_account: u64) -> Self {
        Self { all: Arc::new(Semaphore::new(all)), per_account, open: Arc::default() }
    }

    /// Takes a place; `None` if there is none for this account.
    pub fn take(&self, account: AccountId) -> Option<UploadPlace> {
        let permit = self.all.clone().try_acquire_owned().ok()?;
        let mut open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        let count = open.entry(account).or_default();
        if *count >= self.per_account {
            return None;
        }
        *count += 1;
        drop(open);
        Some(UploadPlace { account, open: self.open.clone(), _permit: permit })
    }
}

impl Drop for UploadPlace {
    fn drop(&mut self) {
        let mut open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(count) = open.get_mut(&self.account) {
            *count -= 1;
            if *count == 0 {
                open.remove(&self.account);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use uuid::Uuid;

    #[test]
    fn an_account_and_all_together_have_so_many() {
        let (ada, eve) = (AccountId::from_uuid(Uuid::from_u128(1)), AccountId::from_uuid(Uuid::from_u128(2)));
        let places = UploadPlaces::new(3, 2);
        let first = places.take(ada).expect("first");
        let _second = places.take(ada).expect("second");
        assert!(places.take(ada).is_none(), "the account has its two");
        let _hers = places.take(eve).expect("third in all");
        drop(first);
        let _again = places.take(ada).expect("given back");
        assert!(places.take(eve).is_none(), "three in all");
    }
}
