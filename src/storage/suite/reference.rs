//! The index as one would write it without a database, a second and a restart: what the random histories compare with.

use sottovoce_actors::ports::store::{
    Deleted, EpochMs, Failure, Finish, Heartbeat, Idempotency, Job, Lease, LeaseEpoch, NewJob, NewStream,
    Permille, StatusSeq, StorageRef,
};
use sottovoce_protocol::error_code::ErrorCode;
use sottovoce_protocol::ids::{AccountId, JobId, NodeId};
use sottovoce_protocol::jobs::{JobParams, JobStatus};
use std::collections::{BTreeMap, HashMap};

/// A job and what its view does not show.
#[derive(Clone, Debug)]
pub struct Kept {
    pub job: Job,
    pub run_at: EpochMs,
    pub lease: Option<(NodeId, EpochMs)>,
    pub is_deleted: bool,
}

/// Answers as the port does; `None` stands for `LeaseLost` or `NotFound`.
#[derive(Clone, Debug, Default)]
pub struct Reference {
    pub jobs: BTreeMap<JobId, Kept>,
    pub garbage: BTreeMap<StorageRef, EpochMs>,
    /// Accounts in the order in which they were served last.
    served: Vec<AccountId>,
    keys: HashMap<(AccountId, String), (Idempotency, JobId)>,
}

#[derive(Clone, PartialEq, Debug)]
pub enum Submission {
    New(JobId),
    Replayed(JobId),
    Mismatch,
    Full,
}

struct Start {
    id: JobId,
    account: AccountId,
    params: JobParams,
    input: StorageRef,
    max_attempts: u32,
    now: EpochMs,
}

impl Reference {
    fn add(&mut self, start: Start, lease: Option<(NodeId, EpochMs)>, file_name: Option<String>) {
        let begun = u32::from(lease.is_some());
        let job = Job {
            id: start.id,
            account: start.account,
            job_type: start.params.job_type,
            status: if lease.is_some() { JobStatus::Processing } else { JobStatus::Queued },
            seq: StatusSeq(1),
            progress: Permille(0),
            error_code: None,
            params: start.params,
            input: Some(start.input),
            file_name,
            duration_ms: None,
            attempt: begun,
            max_attempts: start.max_attempts,
            epoch: LeaseEpoch(i64::from(begun)),
            cancel_requested: false,
            created_at: start.now,
            started_at: lease.map(|_| start.now),
            completed_at: None,
            callback: None,
            artifacts: Vec::new(),
        };
        self.jobs.insert(start.id, Kept { job, run_at: start.now, lease, is_deleted: false });
    }

    pub fn queued(&self, account: Option<AccountId>) -> u64 {
        let is_counted = |kept: &&Kept| {
            kept.job.status == JobStatus::Queued && account.is_none_or(|account| kept.job.account == account)
        };
        self.jobs.values().filter(is_counted).count() as u64
    }

    pub fn submit(&mut self, new: NewJob) -> Submission {
        if let Some(idempotency) = &new.idempotency {
            self.keys.retain(|_, (known, _)| known.expires_at > new.now);
            if let Some((known, job)) = self.keys.get(&(new.account, idempotency.key.clone())) {
                let is_same = known.request_hash == idempotency.request_hash;
                return if is_same { Submission::Replayed(*job) } else { Submission::Mismatch };
            }
        }
        if self.queued(Some(new.account)) >= new.max_queued {
            return Submission::Full;
        }
        if let Some(idempotency) = new.idempotency {
            self.keys.insert((new.account, idempotency.key.clone()), (idempotency, new.id));
        }
        let NewJob { id, account, params, input, max_attempts, now, .. } = new;
        self.add(Start { id, account, params, input, max_attempts, now }, None, new.file_name);
        Submission::New(id)
    }

    pub fn open_stream(&mut self, new: NewStream) -> Lease {
        let NewStream { id, account, params, log, node, lease_until, now } = new;
        let start = Start { id, account, params, input: log, max_attempts: 1, now };
        self.add(start, Some((node, lease_until)), None);
        Lease { job: id, epoch: LeaseEpoch(1) }
    }

    pub fn claim(&mut self, node: NodeId, lease_until: EpochMs, now: EpochMs) -> Option<Lease> {
        let is_due = |kept: &&mut Kept| kept.job.status == JobStatus::Queued && kept.run_at <= now;
        let served = &self.served;
        let turn = |account| served.iter().position(|served| *served == account).map_or(0, |place| place + 1);
        let owners = self.jobs.values_mut().filter(is_due).map(|kept| kept.job.account);
        let owner = owners.min_by_key(|account| (turn(*account), *account))?;
        let kept =
            self.jobs.values_mut().filter(is_due).filter(|kept| kept.job.account == owner).min_by_key(
                |kept| (-i64::from(kept.job.params.priority.unwrap_or(0)), kept.run_at, kept.job.id),
            )?;
        kept.job.status = JobStatus::Processing;
        kept.job.attempt += 1;
        kept.job.started_at = Some(now);
        self.served.retain(|account| *account != owner);
        self.served.push(owner);
        Some(kept.lease_to(node, lease_until))
    }

    pub fn take_over(
        &mut self,
        node: NodeId,
        lone_node: bool,
        lease_until: EpochMs,
        now: EpochMs,
        limit: u32,
    ) -> Vec<Lease> {
        let mut dead: Vec<(EpochMs, JobId)> = self
            .jobs
            .values()
            .filter_map(|kept| kept.lease.map(|(owner, until)| (owner, until, kept.job.id)))
            .filter(|(owner, until, _)| *until < now || (lone_node && *owner != node))
            .map(|(_, until, id)| (until, id))
            .collect();
        dead.sort_unstable();
        dead.truncate(limit as usize);
        dead.iter().filter_map(|(_, id)| Some(self.jobs.get_mut(id)?.lease_to(node, lease_until))).collect()
    }

    fn held(&mut self, lease: Lease) -> Option<&mut Kept> {
        let kept = self.jobs.get_mut(&lease.job)?;
        (kept.lease.is_some() && kept.job.epoch == lease.epoch).then_some(kept)
    }

    pub fn heartbeat(
        &mut self,
        lease: Lease,
        lease_until: EpochMs,
        progress: Permille,
        duration_ms: Option<u64>,
    ) -> Option<(Heartbeat, StatusSeq)> {
        let kept = self.held(lease)?;
        kept.lease = kept.lease.map(|(owner, _)| (owner, lease_until));
        let before = (kept.job.progress, kept.job.duration_ms);
        kept.job.progress = before.0.max(progress);
        kept.job.duration_ms = duration_ms.or(before.1);
        if before != (kept.job.progress, kept.job.duration_ms) {
            kept.job.seq.0 += 1;
        }
        let state = if kept.job.cancel_requested { Heartbeat::CancelRequested } else { Heartbeat::Held };
        Some((state, kept.job.seq))
    }

    pub fn finish(&mut self, lease: Lease, finish: Finish) -> Option<StatusSeq> {
        let kept = self.held(lease)?;
        kept.job.progress = Permille(1000);
        kept.job.duration_ms = Some(finish.duration_ms);
        kept.job.artifacts = finish.artifacts;
        Some(self.end(lease.job, None, finish.now))
    }

    pub fn fail(&mut self, lease: Lease, failure: Failure) -> Option<StatusSeq> {
        let kept = self.held(lease)?;
        kept.job.duration_ms = failure.duration_ms.or(kept.job.duration_ms);
        kept.job.artifacts = failure.artifacts;
        Some(self.end(lease.job, Some(failure.code), failure.now))
    }

    fn end(&mut self, id: JobId, code: Option<ErrorCode>, now: EpochMs) -> StatusSeq {
        let kept = self.jobs.get_mut(&id).expect("held just now");
        kept.lease = None;
        kept.job.status = if code.is_some() { JobStatus::Failed } else { JobStatus::Done };
        kept.job.error_code = code;
        kept.job.completed_at = Some(now);
        kept.job.seq.0 += 1;
        kept.job.artifacts.sort_by_key(|artifact| (artifact.kind.as_str(), artifact.lang.clone()));
        self.garbage.extend(kept.job.input.take().map(|input| (input, now)));
        kept.job.seq
    }

    pub fn requeue(&mut self, lease: Lease, run_at: EpochMs, back: u32, now: EpochMs) -> Option<StatusSeq> {
        let kept = self.held(lease)?;
        if kept.job.cancel_requested {
            return Some(self.end(lease.job, Some(ErrorCode::Canceled), now));
        }
        kept.lease = None;
        kept.job.started_at = None;
        kept.run_at = run_at;
        kept.job.status = JobStatus::Queued;
        kept.job.attempt -= back;
        kept.job.seq.0 += 1;
        Some(kept.job.seq)
    }

    pub fn delete(&mut self, account: AccountId, id: JobId, now: EpochMs) -> Option<(Deleted, StatusSeq)> {
        let kept = self.jobs.get_mut(&id).filter(|kept| kept.job.account == account)?;
        match kept.job.status {
            JobStatus::Queued => {
                kept.is_deleted = true;
                let seq = self.end(id, Some(ErrorCode::Canceled), now);
                Some((Deleted::Gone, seq))
            }
            JobStatus::Processing => {
                kept.job.seq.0 += u64::from(!kept.job.cancel_requested);
                kept.job.cancel_requested = true;
                Some((Deleted::Stopping, kept.job.seq))
            }
            JobStatus::Done | JobStatus::Failed => {
                kept.job.seq.0 += u64::from(!kept.is_deleted);
                kept.is_deleted = true;
                let dropped = std::mem::take(&mut kept.job.artifacts);
                self.garbage.extend(dropped.into_iter().map(|artifact| (artifact.storage, now)));
                Some((Deleted::Gone, kept.job.seq))
            }
        }
    }
}

impl Kept {
    fn lease_to(&mut self, node: NodeId, until: EpochMs) -> Lease {
        self.lease = Some((node, until));
        self.job.epoch.0 += 1;
        self.job.seq.0 += 1;
        Lease { job: self.job.id, epoch: self.job.epoch }
    }
}
