//! The index in memory: the semantics of the `Store` port without a database. Held to it by the databases' own suite.

use crate::ports::store::{
    Artifact, Changed, Deleted, EpochMs, Failure, Finish, Heartbeat, Idempotency, Job, JobQuery, Lease,
    LeaseEpoch, NewJob, NewStream, Permille, StatusSeq, StorageRef, Store, StoreError, Submitted,
};
use async_trait::async_trait;
use sottovoce_protocol::error_code::ErrorCode;
use sottovoce_protocol::ids::{AccountId, JobId, NodeId};
use sottovoce_protocol::jobs::JobStatus;
use std::cmp::Reverse;
use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// How long a sweeper has to delete what it took before it is offered again.
const OFFERED_AGAIN_AFTER_MS: i64 = 60_000;

/// Keeps rows in maps. Clones share all.
#[derive(Clone, Default)]
pub struct MemoryStore(Arc<Mutex<Index>>);

#[derive(Default)]
struct Index {
    accounts: HashSet<AccountId>,
    rows: BTreeMap<JobId, Row>,
    idempotency: HashMap<(AccountId, String), (Idempotency, JobId)>,
    garbage: BTreeMap<StorageRef, EpochMs>,
    /// When each account was served last, in claims.
    turns: HashMap<AccountId, u64>,
    failing: u32,
}

struct Row {
    job: Job,
    deleted: bool,
    run_at: EpochMs,
    lease: Option<(NodeId, EpochMs)>,
    /// How many are kept; that they have an age of their own matters to no test.
    events: u64,
}

impl Row {
    fn changed(&mut self) -> Changed {
        self.job.seq.0 += 1;
        self.events += 1;
        Changed { job: self.job.id, account: self.job.account, seq: self.job.seq }
    }

    fn lease_to(&mut self, node: NodeId, until: EpochMs) -> (Job, Lease) {
        self.job.status = JobStatus::Processing;
        self.job.epoch.0 += 1;
        self.job.seq.0 += 1;
        self.events += 1;
        self.lease = Some((node, until));
        (self.job.clone(), Lease { job: self.job.id, epoch: self.job.epoch })
    }
}

impl Index {
    fn check_account(&self, account: AccountId) -> Result<(), StoreError> {
        if self.accounts.contains(&account) { Ok(()) } else { Err(StoreError::NotFound) }
    }

    fn leased(&mut self, lease: Lease) -> Result<&mut Row, StoreError> {
        let held = |row: &&mut Row| row.job.status == JobStatus::Processing && row.job.epoch == lease.epoch;
        self.rows.get_mut(&lease.job).filter(held).ok_or(StoreError::LeaseLost)
    }

    fn end(
        &mut self,
        lease: Lease,
        code: Option<ErrorCode>,
        mut artifacts: Vec<Artifact>,
        duration_ms: Option<u64>,
        now: EpochMs,
    ) -> Result<Changed, StoreError> {
        let row = self.leased(lease)?;
        artifacts.sort_by(|a, b| (a.kind.as_str(), &a.lang).cmp(&(b.kind.as_str(), &b.lang)));
        if artifacts.windows(2).any(|pair| (pair[0].kind, &pair[0].lang) == (pair[1].kind, &pair[1].lang)) {
            return Err(StoreError::Broken("two artifacts of one kind".into()));
        }
        row.job.status = if code.is_some() { JobStatus::Failed } else { JobStatus::Done };
        if code.is_none() {
            row.job.progress = Permille(1000);
        }
        row.job.error_code = code;
        row.job.duration_ms = duration_ms.or(row.job.duration_ms);
        row.job.completed_at = Some(now);
        row.lease = None;
        let input = row.job.input.take();
        let changed = row.changed();
        let named: Vec<StorageRef> = artifacts.iter().map(|artifact| artifact.storage.clone()).collect();
        row.job.artifacts = artifacts;
        for object in &named {
            self.garbage.remove(object);
        }
        self.throw(input, now);
        Ok(changed)
    }

    fn requeue(
        &mut self,
        lease: Lease,
        run_at: EpochMs,
        counted: bool,
        now: EpochMs,
    ) -> Result<Changed, StoreError> {
        let row = self.leased(lease)?;
        if row.job.cancel_requested {
            return self.end(lease, Some(ErrorCode::Canceled), Vec::new(), None, now);
        }
        row.job.status = JobStatus::Queued;
        row.job.attempt -= u32::from(!counted);
        row.job.started_at = None;
        row.run_at = run_at;
        row.lease = None;
        Ok(row.changed())
    }

    fn is_named(&self, object: &StorageRef) -> bool {
        self.rows.values().any(|row| {
            row.job.input.as_ref() == Some(object)
                || row.job.artifacts.iter().any(|artifact| artifact.storage == *object)
        })
    }

    fn throw(&mut self, objects: impl IntoIterator<Item = StorageRef>, due_at: EpochMs) {
        for object in objects {
            if !self.is_named(&object) {
                let due = self.garbage.entry(object).or_insert(due_at);
                *due = due_at.min(*due);
            }
        }
    }
}

impl MemoryStore {
    /// Makes an empty index.
    pub fn new() -> Self {
        Self::default()
    }

    /// Makes an account of this id.
    pub fn add_account(&self, id: AccountId) {
        self.lock().accounts.insert(id);
    }

    /// Makes the next `calls` calls answer `Unavailable`.
    pub fn fail_next(&self, calls: u32) {
        self.lock().failing = calls;
    }

    /// Returns a job whatever its owner, deleted ones too.
    pub fn row(&self, id: JobId) -> Option<Job> {
        self.lock().rows.get(&id).map(|row| row.job.clone())
    }

    /// Returns all objects that are garbage, due or not.
    pub fn all_garbage(&self) -> Vec<StorageRef> {
        self.lock().garbage.keys().cloned().collect()
    }

    fn lock(&self) -> MutexGuard<'_, Index> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn index(&self) -> Result<MutexGuard<'_, Index>, StoreError> {
        let mut index = self.lock();
        if index.failing > 0 {
            index.failing -= 1;
            return Err(StoreError::Unavailable("planned fault".into()));
        }
        Ok(index)
    }
}

#[async_trait]
impl Store for MemoryStore {
    async fn submit(&self, new: NewJob) -> Result<Submitted, StoreError> {
        let mut index = self.index()?;
        index.check_account(new.account)?;
        if let Some(asked) = &new.idempotency
            && let Some((known, job)) = index.idempotency.get(&(new.account, asked.key.clone()))
            && new.now < known.expires_at
        {
            if known.request_hash != asked.request_hash {
                return Err(StoreError::IdempotencyMismatch);
            }
            return index
                .rows
                .get(job)
                .map(|row| Submitted::Replayed(row.job.clone()))
                .ok_or(StoreError::NotFound);
        }
        let queued = |row: &&Row| row.job.account == new.account && row.job.status == JobStatus::Queued;
        if index.rows.values().filter(queued).count() as u64 >= new.max_queued {
            return Err(StoreError::TooManyJobs);
        }
        index.garbage.remove(&new.input);
        if let Some(asked) = new.idempotency {
            index.idempotency.insert((new.account, asked.key.clone()), (asked, new.id));
        }
        let job = Job {
            id: new.id,
            account: new.account,
            job_type: new.params.job_type,
            status: JobStatus::Queued,
            seq: StatusSeq(1),
            progress: Permille(0),
            error_code: None,
            params: new.params,
            input: Some(new.input),
            file_name: new.file_name,
            duration_ms: None,
            attempt: 0,
            max_attempts: new.max_attempts,
            epoch: LeaseEpoch(0),
            cancel_requested: false,
            created_at: new.now,
            started_at: None,
            completed_at: None,
            callback: None,
            artifacts: Vec::new(),
        };
        let row = Row { job: job.clone(), deleted: false, run_at: new.now, lease: None, events: 1 };
        index.rows.insert(new.id, row);
        Ok(Submitted::New(job))
    }

    async fn open_stream(&self, stream: NewStream) -> Result<(Job, Lease), StoreError> {
        let mut index = self.index()?;
        index.check_account(stream.account)?;
        index.garbage.remove(&stream.log);
        let job = Job {
            id: stream.id,
            account: stream.account,
            job_type: stream.params.job_type,
            status: JobStatus::Processing,
            seq: StatusSeq(0),
            progress: Permille(0),
            error_code: None,
            params: stream.params,
            input: Some(stream.log),
            file_name: None,
            duration_ms: None,
            attempt: 1,
            max_attempts: 1,
            epoch: LeaseEpoch(0),
            cancel_requested: false,
            created_at: stream.now,
            started_at: Some(stream.now),
            completed_at: None,
            callback: None,
            artifacts: Vec::new(),
        };
        let mut row = Row { job, deleted: false, run_at: stream.now, lease: None, events: 0 };
        let leased = row.lease_to(stream.node, stream.lease_until);
        index.rows.insert(stream.id, row);
        Ok(leased)
    }

    async fn claim(
        &self,
        node: NodeId,
        lease_until: EpochMs,
        now: EpochMs,
        except: &[AccountId],
    ) -> Result<Option<(Job, Lease)>, StoreError> {
        let mut index = self.index()?;
        let Index { rows, turns, .. } = &mut *index;
        let is_due = |row: &&mut Row| {
            row.job.status == JobStatus::Queued && row.run_at <= now && !except.contains(&row.job.account)
        };
        let turn = |account: AccountId| turns.get(&account).copied().unwrap_or_default();
        let first = rows.values_mut().filter(is_due).min_by_key(|row| {
            let Job { account, ref params, id, .. } = row.job;
            (turn(account), account, Reverse(params.priority.unwrap_or(0)), row.run_at, id)
        });
        let Some(row) = first else { return Ok(None) };
        row.job.attempt += 1;
        row.job.started_at = Some(now);
        let next = turns.values().max().copied().unwrap_or_default() + 1;
        turns.insert(row.job.account, next);
        Ok(Some(row.lease_to(node, lease_until)))
    }

    async fn heartbeat(
        &self,
        lease: Lease,
        lease_until: EpochMs,
        progress: Permille,
        duration_ms: Option<u64>,
    ) -> Result<(Heartbeat, StatusSeq), StoreError> {
        let mut index = self.index()?;
        let row = index.leased(lease)?;
        if let Some((_, until)) = &mut row.lease {
            *until = lease_until;
        }
        let progress = progress.min(Permille(1000));
        let known = (row.job.progress.max(progress), duration_ms.or(row.job.duration_ms));
        if known != (row.job.progress, row.job.duration_ms) {
            (row.job.progress, row.job.duration_ms) = known;
            // No event: progress is read from the row.
            row.job.seq.0 += 1;
        }
        let asked = if row.job.cancel_requested { Heartbeat::CancelRequested } else { Heartbeat::Held };
        Ok((asked, row.job.seq))
    }

    async fn finish(&self, lease: Lease, finish: Finish) -> Result<Changed, StoreError> {
        self.index()?.end(lease, None, finish.artifacts, Some(finish.duration_ms), finish.now)
    }

    async fn fail(&self, lease: Lease, failure: Failure) -> Result<Changed, StoreError> {
        let Failure { code, artifacts, duration_ms, now } = failure;
        self.index()?.end(lease, Some(code), artifacts, duration_ms, now)
    }

    async fn retry(&self, lease: Lease, run_at: EpochMs, now: EpochMs) -> Result<Changed, StoreError> {
        self.index()?.requeue(lease, run_at, true, now)
    }

    async fn release(&self, lease: Lease, now: EpochMs) -> Result<Changed, StoreError> {
        self.index()?.requeue(lease, now, false, now)
    }

    async fn take_over(
        &self,
        node: NodeId,
        lone_node: bool,
        lease_until: EpochMs,
        now: EpochMs,
        limit: u32,
    ) -> Result<Vec<(Job, Lease)>, StoreError> {
        let mut index = self.index()?;
        let is_lost = |row: &&mut Row| {
            row.lease.is_some_and(|(owner, until)| until < now || (lone_node && owner != node))
        };
        let mut lost: Vec<&mut Row> = index.rows.values_mut().filter(is_lost).collect();
        lost.sort_by_key(|row| (row.lease.map(|(_, until)| until), row.job.id));
        lost.truncate(limit as usize);
        Ok(lost.into_iter().map(|row| row.lease_to(node, lease_until)).collect())
    }

    async fn job(&self, account: AccountId, id: JobId) -> Result<Job, StoreError> {
        let index = self.index()?;
        let row = index.rows.get(&id).filter(|row| row.job.account == account && !row.deleted);
        row.map(|row| row.job.clone()).ok_or(StoreError::NotFound)
    }

    async fn jobs(&self, query: JobQuery) -> Result<Vec<Job>, StoreError> {
        let index = self.index()?;
        let wanted = |row: &&Row| {
            let job = &row.job;
            job.account == query.account
                && !row.deleted
                && query.status.is_none_or(|status| status == job.status)
                && query.job_type.is_none_or(|job_type| job_type == job.job_type)
                && query.before.is_none_or(|before| (job.created_at, job.id) < before)
        };
        let mut jobs: Vec<Job> = index.rows.values().filter(wanted).map(|row| row.job.clone()).collect();
        jobs.sort_by_key(|job| Reverse((job.created_at, job.id)));
        jobs.truncate(query.limit as usize);
        Ok(jobs)
    }

    async fn delete(
        &self,
        account: AccountId,
        id: JobId,
        now: EpochMs,
    ) -> Result<(Deleted, Changed), StoreError> {
        let mut index = self.index()?;
        let row =
            index.rows.get_mut(&id).filter(|row| row.job.account == account).ok_or(StoreError::NotFound)?;
        match row.job.status {
            JobStatus::Processing => {
                if !row.job.cancel_requested {
                    row.job.cancel_requested = true;
                    row.changed();
                }
                Ok((Deleted::Stopping, Changed { job: id, account, seq: row.job.seq }))
            }
            JobStatus::Queued | JobStatus::Done | JobStatus::Failed => {
                if row.job.status == JobStatus::Queued {
                    row.job.status = JobStatus::Failed;
                    row.job.error_code = Some(ErrorCode::Canceled);
                    row.job.completed_at = Some(now);
                }
                if !row.deleted {
                    row.deleted = true;
                    row.changed();
                }
                let artifacts = std::mem::take(&mut row.job.artifacts);
                let objects =
                    artifacts.into_iter().map(|artifact| artifact.storage).chain(row.job.input.take());
                let objects: Vec<StorageRef> = objects.collect();
                let changed = Changed { job: id, account, seq: row.job.seq };
                index.throw(objects, now);
                Ok((Deleted::Gone, changed))
            }
        }
    }

    async fn queued(&self) -> Result<u64, StoreError> {
        Ok(self.index()?.rows.values().filter(|row| row.job.status == JobStatus::Queued).count() as u64)
    }

    async fn add_garbage(&self, objects: Vec<StorageRef>, due_at: EpochMs) -> Result<(), StoreError> {
        self.index()?.throw(objects, due_at);
        Ok(())
    }

    async fn garbage(&self, now: EpochMs, limit: u32) -> Result<Vec<StorageRef>, StoreError> {
        let mut index = self.index()?;
        let mut due: Vec<(EpochMs, StorageRef)> = index
            .garbage
            .iter()
            .filter(|(_, at)| **at <= now)
            .map(|(name, at)| (*at, name.clone()))
            .collect();
        due.sort();
        due.truncate(limit as usize);
        for (_, object) in &due {
            index.garbage.insert(object.clone(), now.plus_ms(OFFERED_AGAIN_AFTER_MS));
        }
        Ok(due.into_iter().map(|(_, object)| object).collect())
    }

    async fn garbage_deleted(&self, object: &StorageRef) -> Result<(), StoreError> {
        self.index()?.garbage.remove(object);
        Ok(())
    }

    async fn unreferenced(&self, objects: Vec<StorageRef>) -> Result<Vec<StorageRef>, StoreError> {
        let index = self.index()?;
        let orphan = |object: &StorageRef| !index.is_named(object) && !index.garbage.contains_key(object);
        Ok(objects.into_iter().filter(orphan).collect())
    }

    async fn forget_events(&self, before: EpochMs, limit: u32) -> Result<u64, StoreError> {
        let mut left = u64::from(limit);
        let mut index = self.index()?;
        for row in index.rows.values_mut().filter(|row| row.job.completed_at.is_some_and(|at| at < before)) {
            let forgotten = left.min(row.events);
            row.events -= forgotten;
            left -= forgotten;
        }
        Ok(u64::from(limit) - left)
    }

    async fn expire_jobs(
        &self,
        before: EpochMs,
        now: EpochMs,
        limit: u32,
    ) -> Result<Vec<Changed>, StoreError> {
        let mut index = self.index()?;
        let is_old = |row: &&mut Row| !row.deleted && row.job.completed_at.is_some_and(|at| at < before);
        let mut old: Vec<&mut Row> = index.rows.values_mut().filter(is_old).collect();
        old.sort_by_key(|row| row.job.completed_at);
        let mut dropped = Vec::new();
        let gone = old.into_iter().take(limit as usize).map(|row| {
            row.deleted = true;
            row.job.file_name = None;
            dropped
                .extend(std::mem::take(&mut row.job.artifacts).into_iter().map(|artifact| artifact.storage));
            row.changed()
        });
        let gone = gone.collect();
        index.throw(dropped, now);
        Ok(gone)
    }

    async fn ping(&self) -> Result<(), StoreError> {
        self.index().map(|_| ())
    }
}
