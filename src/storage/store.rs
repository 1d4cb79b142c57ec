//! The index port over any [`Database`]: one verb, one transaction.

use crate::storage::database::Database;
use crate::storage::{endings, garbage, jobs, leases};
use async_trait::async_trait;
use sottovoce_actors::ports::store::{
    Changed, Deleted, EpochMs, Failure, Finish, Heartbeat, Job, JobQuery, Lease, NewJob, NewStream, Permille,
    StatusSeq, StorageRef, Store, StoreError, Submitted,
};
use sottovoce_protocol::ids::{AccountId, JobId, NodeId};

/// A store whose tables are in `D`.
pub struct SqlStore<D> {
    database: D,
}

impl<D: Database> SqlStore<D> {
    pub const fn new(database: D) -> Self {
        Self { database }
    }

    pub const fn database(&self) -> &D {
        &self.database
    }
}

/// Runs verbs in one writing transaction; an error rolls it back.
macro_rules! writing {
    ($store:ident, $tx:ident => $verb:expr) => {{
        let mut tx = $store.database().write().await?;
        let $tx = &mut *tx;
        let answer = $verb.await?;
        tx.commit().await?;
        Ok(answer)
    }};
}
pub(crate) use writing;

/// Runs a verb on one state of the index.
macro_rules! reading {
    ($store:ident, $tx:ident => $verb:expr) => {{
        let mut tx = $store.database().read().await?;
        let $tx = &mut *tx;
        let answer = $verb.await?;
        tx.commit().await?;
        Ok(answer)
    }};
}
pub(crate) use reading;

#[async_trait]
impl<D: Database> Store for SqlStore<D> {
    async fn submit(&self, job: NewJob) -> Result<Submitted, StoreError> {
        writing!(self, tx => jobs::submit(tx, job))
    }

    async fn open_stream(&self, stream: NewStream) -> Result<(Job, Lease), StoreError> {
        writing!(self, tx => jobs::open_stream(tx, stream))
    }

    async fn claim(
        &self,
        node: NodeId,
        lease_until: EpochMs,
        now: EpochMs,
        except: &[AccountId],
    ) -> Result<Option<(Job, Lease)>, StoreError> {
        writing!(self, tx => leases::claim(tx, node, lease_until, now, except))
    }

    async fn heartbeat(
        &self,
        lease: Lease,
        lease_until: EpochMs,
        progress: Permille,
        duration_ms: Option<u64>,
    ) -> Result<(Heartbeat, StatusSeq), StoreError> {
        writing!(self, tx => leases::heartbeat(tx, lease, lease_until, progress, duration_ms))
    }

    async fn finish(&self, lease: Lease, finish: Finish) -> Result<Changed, StoreError> {
        writing!(self, tx => endings::finish(tx, lease, finish))
    }

    async fn fail(&self, lease: Lease, failure: Failure) -> Result<Changed, StoreError> {
        writing!(self, tx => endings::fail(tx, lease, failure))
    }

    async fn retry(&self, lease: Lease, run_at: EpochMs, now: EpochMs) -> Result<Changed, StoreError> {
        writing!(self, tx => endings::retry(tx, lease, run_at, now))
    }

    async fn release(&self, lease: Lease, now: EpochMs) -> Result<Changed, StoreError> {
        writing!(self, tx => endings::release(tx, lease, now))
    }

    async fn take_over(
        &self,
        node: NodeId,
        lone_node: bool,
        lease_until: EpochMs,
        now: EpochMs,
        limit: u32,
    ) -> Result<Vec<(Job, Lease)>, StoreError> {
        writing!(self, tx => leases::take_over(tx, node, lone_node, lease_until, now, limit))
    }

    async fn job(&self, account: AccountId, id: JobId) -> Result<Job, StoreError> {
        reading!(self, tx => jobs::job(tx, account, id))
    }

    async fn jobs(&self, query: JobQuery) -> Result<Vec<Job>, StoreError> {
        reading!(self, tx => jobs::jobs(tx, query))
    }

    async fn delete(
        &self,
        account: AccountId,
        id: JobId,
        now: EpochMs,
    ) -> Result<(Deleted, Changed), StoreError> {
        writing!(self, tx => jobs::delete(tx, account, id, now))
    }

    async fn queued(&self) -> Result<u64, StoreError> {
        reading!(self, tx => jobs::queued(tx))
    }

    async fn add_garbage(&self, objects: Vec<StorageRef>, due_at: EpochMs) -> Result<(), StoreError> {
        writing!(self, tx => garbage::add(tx, objects, due_at))
    }

    async fn garbage(&self, now: EpochMs, limit: u32) -> Result<Vec<StorageRef>, StoreError> {
        writing!(self, tx => garbage::take(tx, now, limit))
    }

    async fn garbage_deleted(&self, object: &StorageRef) -> Result<(), StoreError> {
        writing!(self, tx => garbage::keep(tx, object))
    }

    async fn unreferenced(&self, objects: Vec<StorageRef>) -> Result<Vec<StorageRef>, StoreError> {
        reading!(self, tx => garbage::unreferenced(tx, objects))
    }

    async fn forget_events(&self, before: EpochMs, limit: u32) -> Result<u64, StoreError> {
        writing!(self, tx => leases::forget_events(tx, before, limit))
    }

    async fn expire_jobs(
        &self,
        before: EpochMs,
        now: EpochMs,
        limit: u32,
    ) -> Result<Vec<Changed>, StoreError> {
        writing!(self, tx => jobs::expire(tx, before, now, limit))
    }

    async fn ping(&self) -> Result<(), StoreError> {
        self.database.read().await?.commit().await?;
        self.database.write().await?.commit().await
    }
}
