//! The index in memory: the port's contract without a database, with planned outages.

use crate::ports::store::*;
use async_trait::async_trait;
use sottovoce_protocol::error_code::ErrorCode;
use sottovoce_protocol::ids::{AccountId, ApiKeyId, JobId, NodeId};
use sottovoce_protocol::jobs::{JobParams, JobStatus};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Mutex, MutexGuard, PoisonError};

/// Default scopes of keys made here.
const SCOPES: &str = "listen jobs:read jobs:write usage:read";

#[derive(Clone, Debug)]
struct Row {
    job: Job,
    deleted: bool,
    run_at: EpochMs,
    owner: Option<NodeId>,
    lease_until: EpochMs,
}

#[derive(Debug, Default)]
struct Inner {
    accounts: BTreeMap<String, AccountId>,
    keys: BTreeMap<String, KeyOwner>,
    rows: BTreeMap<JobId, Row>,
    idempotency: BTreeMap<(AccountId, String), (String, JobId, EpochMs)>,
    garbage: BTreeMap<StorageRef, EpochMs>,
    outage: u32,
}

/// The index.
#[derive(Debug, Default)]
pub struct MemoryStore {
    inner: Mutex<Inner>,
}

impl MemoryStore {
    /// Makes the next calls answer `Unavailable`.
    pub fn fail_next(&self, calls: u32) {
        self.lock().outage = calls;
    }

    /// Adds a key with these scopes.
    pub fn add_key(&self, id: ApiKeyId, account: AccountId, hash: SecretHash, scopes: &str) {
        self.lock().keys.insert(hash.0, KeyOwner { key: id, account, scopes: scopes.to_owned() });
    }

    /// Returns a row whoever owns it, deleted or not.
    pub fn row(&self, id: JobId) -> Option<Job> {
        self.lock().rows.get(&id).map(|row| row.job.clone())
    }

    /// Gives the lease of a running job to nobody, as a sweeper elsewhere would.
    pub fn steal_lease(&self, id: JobId) {
        if let Some(row) = self.lock().rows.get_mut(&id) {
            row.job.epoch.0 += 1;
        }
    }

    /// Returns the objects that are garbage.
    pub fn thrown(&self) -> BTreeSet<StorageRef> {
        self.lock().garbage.keys().cloned().collect()
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn open(&self) -> Result<MutexGuard<'_, Inner>, StoreError> {
        let mut inner = self.lock();
        if inner.outage > 0 {
            inner.outage -= 1;
            return Err(StoreError::Unavailable("planned outage".into()));
        }
        Ok(inner)
    }
}

impl Inner {
    fn held(&mut self, lease: Lease) -> Result<&mut Row, StoreError> {
        self.rows
            .get_mut(&lease.job)
            .filter(|row| row.job.epoch == lease.epoch && row.job.status == JobStatus::Processing)
            .ok_or(StoreError::LeaseLost)
    }

    fn names(&self, object: &StorageRef) -> bool {
        self.rows.values().any(|row| {
            row.job.input.as_ref() == Some(object)
                || row.job.artifacts.iter().any(|artifact| artifact.storage == *object)
        })
    }

    fn throw(&mut self, object: StorageRef, due_at: EpochMs) {
        if !self.names(&object) {
            let due = self.garbage.entry(object).or_insert(due_at);
            *due = (*due).min(due_at);
        }
    }

    fn end(
        &mut self,
        lease: Lease,
        code: Option<ErrorCode>,
        artifacts: Vec<Artifact>,
        duration_ms: Option<u64>,
        now: EpochMs,
    ) -> Result<Changed, StoreError> {
        let row = self.held(lease)?;
        row.job.status = if code.is_some() { JobStatus::Failed } else { JobStatus::Done };
        row.job.error_code = code;
        row.job.completed_at = Some(now);
        row.job.duration_ms = duration_ms.or(row.job.duration_ms);
        if code.is_none() {
            row.job.progress = Permille(1000);
        }
        row.job.artifacts = artifacts;
        row.owner = None;
        let input = row.job.input.take();
        let changed = bump(row);
        for artifact in self.rows[&lease.job].job.artifacts.clone() {
            self.garbage.remove(&artifact.storage);
        }
        if let Some(input) = input {
            self.throw(input, now);
        }
        Ok(changed)
    }

    fn requeue(&mut self, lease: Lease, run_at: EpochMs, back: u32) -> Result<Changed, StoreError> {
        let row = self.held(lease)?;
        if row.job.cancel_requested {
            return self.end(lease, Some(ErrorCode::Canceled), Vec::new(), None, run_at);
        }
        row.job.status = JobStatus::Queued;
        row.job.attempt -= back;
        row.run_at = run_at;
        row.owner = None;
        Ok(bump(row))
    }
}

fn bump(row: &mut Row) -> Changed {
    row.job.seq.0 += 1;
    Changed { job: row.job.id, account: row.job.account, seq: row.job.seq }
}

fn lease(row: &mut Row, node: NodeId, until: EpochMs) -> (Job, Lease) {
    row.owner = Some(node);
    row.lease_until = until;
    row.job.epoch.0 += 1;
    bump(row);
    (row.job.clone(), Lease { job: row.job.id, epoch: row.job.epoch })
}

fn new_job(id: JobId, account: AccountId, params: JobParams, now: EpochMs) -> Job {
    Job {
        id,
        account,
        job_type: params.job_type,
        status: JobStatus::Queued,
        seq: StatusSeq(1),
        progress: Permille(0),
        error_code: None,
        params,
        input: None,
        file_name: None,
        duration_ms: None,
        attempt: 0,
        max_attempts: 1,
        epoch: LeaseEpoch(0),
        cancel_requested: false,
        created_at: now,
        completed_at: None,
        artifacts: Vec::new(),
    }
}

#[async_trait]
impl Store for MemoryStore {
    async fn ensure_account(
        &self,
        email: &str,
        new_id: AccountId,
        _now: EpochMs,
    ) -> Result<AccountId, StoreError> {
        Ok(*self.open()?.accounts.entry(email.to_owned()).or_insert(new_id))
    }

    async fn add_api_key(&self, key: NewApiKey) -> Result<(), StoreError> {
        let owner = KeyOwner { key: key.id, account: key.account, scopes: SCOPES.to_owned() };
        self.open()?.keys.insert(key.secret_hash.0, owner);
        Ok(())
    }

    async fn has_api_keys(&self) -> Result<bool, StoreError> {
        Ok(!self.open()?.keys.is_empty())
    }

    async fn revoke_api_key(&self, id: ApiKeyId, _now: EpochMs) -> Result<(), StoreError> {
        self.open()?.keys.retain(|_, owner| owner.key != id);
        Ok(())
    }

    async fn use_api_key(&self, hash: &SecretHash, _now: EpochMs) -> Result<KeyOwner, StoreError> {
        self.open()?.keys.get(&hash.0).cloned().ok_or(StoreError::NotFound)
    }

    async fn submit(&self, new: NewJob) -> Result<Submitted, StoreError> {
        let mut inner = self.open()?;
        if let Some(key) = &new.idempotency {
            let place = (new.account, key.key.clone());
            if let Some((hash, job, _)) = inner.idempotency.get(&place).filter(|held| held.2 > new.now) {
                if *hash != key.request_hash {
                    return Err(StoreError::IdempotencyMismatch);
                }
                return Ok(Submitted::Replayed(inner.rows[job].job.clone()));
            }
            inner.idempotency.insert(place, (key.request_hash.clone(), new.id, key.expires_at));
        }
        let queued = inner
            .rows
            .values()
            .filter(|row| row.job.account == new.account && row.job.status == JobStatus::Queued)
            .count() as u64;
        if queued >= new.max_queued {
            return Err(StoreError::TooManyJobs);
        }
        let mut job = new_job(new.id, new.account, new.params, new.now);
        job.input = Some(new.input);
        job.file_name = new.file_name;
        job.max_attempts = new.max_attempts;
        let row =
            Row { job: job.clone(), deleted: false, run_at: new.now, owner: None, lease_until: EpochMs(0) };
        inner.rows.insert(job.id, row);
        Ok(Submitted::New(job))
    }

    async fn open_stream(&self, stream: NewStream) -> Result<(Job, Lease), StoreError> {
        let mut job = new_job(stream.id, stream.account, stream.params, stream.now);
        job.status = JobStatus::Processing;
        job.attempt = 1;
        job.input = Some(stream.log);
        let mut row =
            Row { job, deleted: false, run_at: stream.now, owner: None, lease_until: EpochMs(0) };
        let leased = lease(&mut row, stream.node, stream.lease_until);
        self.open()?.rows.insert(stream.id, row);
        Ok(leased)
    }

    async fn claim(
        &self,
        node: NodeId,
        lease_until: EpochMs,
        now: EpochMs,
    ) -> Result<Option<(Job, Lease)>, StoreError> {
        let mut inner = self.open()?;
        let due = inner
            .rows
            .values_mut()
            .filter(|row| row.job.status == JobStatus::Queued && row.run_at <= now)
            .min_by_key(|row| (row.run_at, row.job.id));
        Ok(due.map(|row| {
            row.job.status = JobStatus::Processing;
            row.job.attempt += 1;
            lease(row, node, lease_until)
        }))
    }

    async fn heartbeat(
        &self,
        lease: Lease,
        lease_until: EpochMs,
        progress: Permille,
        duration_ms: Option<u64>,
    ) -> Result<(Heartbeat, StatusSeq), StoreError> {
        let mut inner = self.open()?;
        let row = inner.held(lease)?;
        row.lease_until = lease_until;
        if progress > row.job.progress || duration_ms.is_some_and(|known| row.job.duration_ms != Some(known)) {
            row.job.progress = row.job.progress.max(progress);
            row.job.duration_ms = duration_ms.or(row.job.duration_ms);
            bump(row);
        }
        let answer =
            if row.job.cancel_requested { Heartbeat::CancelRequested } else { Heartbeat::Held };
        Ok((answer, row.job.seq))
    }

    async fn finish(&self, lease: Lease, finish: Finish) -> Result<Changed, StoreError> {
        self.open()?.end(lease, None, finish.artifacts, Some(finish.duration_ms), finish.now)
    }

    async fn fail(&self, lease: Lease, failure: Failure) -> Result<Changed, StoreError> {
        let Failure { code, artifacts, duration_ms, now } = failure;
        self.open()?.end(lease, Some(code), artifacts, duration_ms, now)
    }

    async fn retry(&self, lease: Lease, run_at: EpochMs) -> Result<Changed, StoreError> {
        self.open()?.requeue(lease, run_at, 0)
    }

    async fn release(&self, lease: Lease, now: EpochMs) -> Result<Changed, StoreError> {
        self.open()?.requeue(lease, now, 1)
    }

    async fn take_over(
        &self,
        node: NodeId,
        lone_node: bool,
        lease_until: EpochMs,
        now: EpochMs,
        limit: u32,
    ) -> Result<Vec<(Job, Lease)>, StoreError> {
        let mut inner = self.open()?;
        let dead = inner.rows.values_mut().filter(|row| {
            row.job.status == JobStatus::Processing
                && (row.lease_until < now || (lone_node && row.owner != Some(node)))
        });
        Ok(dead.take(limit as usize).map(|row| lease(row, node, lease_until)).collect())
    }

    async fn job(&self, account: AccountId, id: JobId) -> Result<Job, StoreError> {
        let inner = self.open()?;
        let row = inner.rows.get(&id).filter(|row| row.job.account == account && !row.deleted);
        row.map(|row| row.job.clone()).ok_or(StoreError::NotFound)
    }

    async fn jobs(&self, query: JobQuery) -> Result<Vec<Job>, StoreError> {
        let inner = self.open()?;
        let wanted = |job: &Job| {
            job.account == query.account
                && query.status.is_none_or(|status| job.status == status)
                && query.job_type.is_none_or(|job_type| job.job_type == job_type)
                && query.before.is_none_or(|before| (job.created_at, job.id) < before)
        };
        let mut jobs: Vec<Job> = inner
            .rows
            .values()
            .filter(|row| !row.deleted && wanted(&row.job))
            .map(|row| row.job.clone())
            .collect();
        jobs.sort_by_key(|job| std::cmp::Reverse((job.created_at, job.id)));
        jobs.truncate(query.limit as usize);
        Ok(jobs)
    }

    async fn delete(
        &self,
        account: AccountId,
        id: JobId,
        now: EpochMs,
    ) -> Result<(Deleted, Changed), StoreError> {
        let mut inner = self.open()?;
        let row = inner
            .rows
            .get_mut(&id)
            .filter(|row| row.job.account == account)
            .ok_or(StoreError::NotFound)?;
        if row.job.status == JobStatus::Processing {
            row.job.cancel_requested = true;
            return Ok((Deleted::Stopping, bump(row)));
        }
        if row.job.status == JobStatus::Queued {
            row.job.status = JobStatus::Failed;
            row.job.error_code = Some(ErrorCode::Canceled);
            row.job.completed_at = Some(now);
        }
        row.deleted = true;
        let objects: Vec<StorageRef> = row
            .job
            .input
            .take()
            .into_iter()
            .chain(std::mem::take(&mut row.job.artifacts).into_iter().map(|artifact| artifact.storage))
            .collect();
        let changed = bump(row);
        for object in objects {
            inner.throw(object, now);
        }
        Ok((Deleted::Gone, changed))
    }

    async fn queued(&self) -> Result<u64, StoreError> {
        let inner = self.open()?;
        Ok(inner.rows.values().filter(|row| row.job.status == JobStatus::Queued).count() as u64)
    }

    async fn add_garbage(&self, objects: Vec<StorageRef>, due_at: EpochMs) -> Result<(), StoreError> {
        let mut inner = self.open()?;
        for object in objects {
            inner.throw(object, due_at);
        }
        Ok(())
    }

    async fn garbage(&self, now: EpochMs, limit: u32) -> Result<Vec<StorageRef>, StoreError> {
        let inner = self.open()?;
        let due = inner.garbage.iter().filter(|(_, due_at)| **due_at <= now);
        Ok(due.take(limit as usize).map(|(object, _)| object.clone()).collect())
    }

    async fn garbage_deleted(&self, object: &StorageRef) -> Result<(), StoreError> {
        self.open()?.garbage.remove(object);
        Ok(())
    }

    async fn unreferenced(&self, objects: Vec<StorageRef>) -> Result<Vec<StorageRef>, StoreError> {
        let inner = self.open()?;
        let orphan = |object: &StorageRef| !inner.names(object) && !inner.garbage.contains_key(object);
        Ok(objects.into_iter().filter(orphan).collect())
    }

    async fn ping(&self) -> Result<(), StoreError> {
        self.open().map(|_| ())
    }
}
