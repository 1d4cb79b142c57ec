//! The suite on the test kit's index in memory, so that actor tests rest on the semantics of a database.

use super::{Fixture, every_test};
use async_trait::async_trait;
use sottovoce_actors::ports::store::Store;
use sottovoce_actors::testkit::MemoryStore;
use std::sync::Arc;

pub struct MemoryFixture(MemoryStore);

impl MemoryFixture {
    pub async fn new() -> Self {
        Self(MemoryStore::new())
    }
}

#[async_trait]
impl Fixture for MemoryFixture {
    fn store(&self) -> Arc<dyn Store> {
        Arc::new(self.0.clone())
    }

    async fn another(&self) -> Arc<dyn Store> {
        self.store()
    }

    async fn reopen(&mut self) {}
}

every_test!(crate::storage::suite::memory::MemoryFixture);
