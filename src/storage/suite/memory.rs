//! The suite on the test kit's index in memory, so that actor tests rest on the semantics of a database.

use super::{Fixture, every_test};
use crate::system::SystemIds;
use async_trait::async_trait;
use sottovoce_actors::ports::clock::Ids;
use sottovoce_actors::ports::store::Store;
use sottovoce_actors::testkit::MemoryStore;
use sottovoce_protocol::ids::AccountId;
use std::collections::HashMap;
use std::sync::Arc;

#[derive(Default)]
pub struct MemoryFixture {
    store: MemoryStore,
    accounts: tokio::sync::Mutex<HashMap<String, AccountId>>,
}

impl MemoryFixture {
    pub async fn new() -> Self {
        Self::default()
    }
}

#[async_trait]
impl Fixture for MemoryFixture {
    fn store(&self) -> Arc<dyn Store> {
        Arc::new(self.store.clone())
    }

    async fn account(&self, email: &str) -> AccountId {
        *self.accounts.lock().await.entry(email.to_owned()).or_insert_with(|| {
            let id = AccountId::from_uuid(SystemIds.uuid());
            self.store.add_account(id);
            id
        })
    }

    async fn another(&self) -> Arc<dyn Store> {
        self.store()
    }

    async fn reopen(&mut self) {}
}

every_test!(crate::storage::suite::memory::MemoryFixture);
