//! Random histories on a database and on the reference: every answer and every job must agree, and some things may never
//! happen. A failure prints its seed; `SOTTOVOCE_TEST_SEED` runs it again.

use super::reference::{Reference, Submission};
use super::{
    Fixture, T0, artifact, assert_not_found, at, failure, idempotency, new_job, new_stream, node, seed,
};
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use sottovoce_actors::ports::store::{
    EpochMs, Failure, Finish, Job, Lease, LeaseEpoch, NewJob, Permille, StorageRef, Store, StoreError,
    Submitted,
};
use sottovoce_protocol::error_code::ErrorCode;
use sottovoce_protocol::ids::{AccountId, JobId, NodeId};
use sottovoce_protocol::jobs::ArtifactKind;
use std::collections::HashMap;

const STEPS: u32 = 400;

/// One history: what was done, what the reference says, every lease ever given (most are zombies').
struct History {
    rng: StdRng,
    reference: Reference,
    accounts: Vec<AccountId>,
    nodes: Vec<NodeId>,
    leases: Vec<Lease>,
    seen: HashMap<JobId, Job>,
    now: EpochMs,
}

/// Answers of the port with refusals as the reference gives them.
fn known<T>(answer: Result<T, StoreError>) -> Option<T> {
    match answer {
        Ok(answer) => Some(answer),
        Err(StoreError::LeaseLost | StoreError::NotFound) => None,
        Err(other) => panic!("{other}"),
    }
}

impl History {
    async fn new(fixture: &impl Fixture, seed: u64) -> Self {
        let accounts =
            vec![fixture.account("ada@example.org").await, fixture.account("eve@example.org").await];
        Self {
            rng: StdRng::seed_from_u64(seed),
            reference: Reference::default(),
            accounts,
            nodes: vec![node(), node(), node()],
            leases: Vec::new(),
            seen: HashMap::new(),
            now: T0,
        }
    }

    fn pick<T: Copy>(&mut self, of: &[T]) -> T {
        of[self.rng.random_range(0..of.len())]
    }

    /// A lease that was given once: mostly a late one, often still held.
    fn lease(&mut self) -> Lease {
        let nobody = Lease { job: super::job_id(), epoch: LeaseEpoch(1) };
        let recent = self.leases.len().saturating_sub(8);
        let from = if self.rng.random_bool(0.8) { recent } else { 0 };
        match self.leases.len() {
            0 => nobody,
            length => self.leases[self.rng.random_range(from..length)],
        }
    }

    async fn step(&mut self, store: &dyn Store) {
        self.now = self.now.plus_ms(self.rng.random_range(0..2_000));
        let now = self.now;
        let until = now.plus_ms(self.rng.random_range(1..20_000));
        match self.rng.random_range(0..100) {
            0..20 => self.submit(store).await,
            20..25 => {
                let owner = self.accounts[0];
                let new = new_stream(owner, self.nodes[0], now);
                let (job, lease) = store.open_stream(new.clone()).await.expect("open");
                assert_eq!((lease, job.seq.0), (self.reference.open_stream(new), 1));
                self.leases.push(lease);
            }
            25..45 => {
                let me = self.pick(&self.nodes.clone());
                let claimed = store.claim(me, until, now, &[]).await.expect("claim").map(|(_, lease)| lease);
                assert_eq!(claimed, self.reference.claim(me, until, now));
                self.leases.extend(claimed);
            }
            45..52 => {
                let (me, lone, limit) =
                    (self.pick(&self.nodes.clone()), self.rng.random_bool(0.1), self.rng.random_range(1..4));
                let taken = store.take_over(me, lone, until, now, limit).await.expect("take over");
                let mut taken: Vec<Lease> = taken.into_iter().map(|(_, lease)| lease).collect();
                let mut expected = self.reference.take_over(me, lone, until, now, limit);
                taken.sort_unstable_by_key(|lease| lease.job);
                expected.sort_unstable_by_key(|lease| lease.job);
                assert_eq!(taken, expected);
                self.leases.extend(taken);
            }
            52..68 => {
                let (lease, progress) = (self.lease(), Permille(self.rng.random_range(0..=1000)));
                let length = self.rng.random_bool(0.3).then(|| self.rng.random_range(0..9_000));
                let answer = known(store.heartbeat(lease, until, progress, length).await);
                assert_eq!(answer, self.reference.heartbeat(lease, until, progress, length));
            }
            68..90 => self.end(store, until).await,
            _ => {
                let ids: Vec<JobId> = self.reference.jobs.keys().copied().collect();
                let id = if ids.is_empty() { super::job_id() } else { self.pick(&ids) };
                let owner = self.pick(&self.accounts.clone());
                let deleted = known(store.delete(owner, id, now).await);
                let deleted = deleted.map(|(deleted, changed)| (deleted, changed.seq));
                assert_eq!(deleted, self.reference.delete(owner, id, now));
            }
        }
    }

    async fn submit(&mut self, store: &dyn Store) {
        let mut new = NewJob { max_queued: 6, ..new_job(self.pick(&self.accounts.clone()), self.now) };
        new.params.priority = Some(self.rng.random_range(-2..3));
        if self.rng.random_bool(0.5) {
            let expires = self.now.plus_ms(self.rng.random_range(1..30_000));
            new.idempotency = idempotency(self.pick(&["k1", "k2"]), self.pick(&["h1", "h2"]), expires);
        }
        let answer = match store.submit(new.clone()).await {
            Ok(Submitted::New(job)) => Submission::New(job.id),
            Ok(Submitted::Replayed(job)) => Submission::Replayed(job.id),
            Err(StoreError::IdempotencyMismatch) => Submission::Mismatch,
            Err(StoreError::TooManyJobs) => Submission::Full,
            Err(other) => panic!("{other}"),
        };
        assert_eq!(answer, self.reference.submit(new));
    }

    async fn end(&mut self, store: &dyn Store, later: EpochMs) {
        let (lease, now) = (self.lease(), self.now);
        let kinds = [ArtifactKind::Transcript, ArtifactKind::Srt, ArtifactKind::Json];
        let count = self.rng.random_range(0..=kinds.len());
        let artifacts: Vec<_> = kinds[..count].iter().map(|kind| artifact(lease, *kind, now)).collect();
        let (answer, expected) = match self.rng.random_range(0..4) {
            0 => {
                let finish = Finish { artifacts, duration_ms: self.rng.random_range(0..9_000), now };
                (store.finish(lease, finish.clone()).await, self.reference.finish(lease, finish))
            }
            1 => {
                let failure = Failure { artifacts, ..failure(ErrorCode::MediaCorrupt, now) };
                (store.fail(lease, failure.clone()).await, self.reference.fail(lease, failure))
            }
            2 => (store.retry(lease, later, now).await, self.reference.requeue(lease, later, 0, now)),
            _ => (store.release(lease, now).await, self.reference.requeue(lease, now, 1, now)),
        };
        assert_eq!(known(answer).map(|changed| changed.seq), expected);
    }

    /// Every job is as the reference has it, and moved as jobs may.
    async fn check(&mut self, store: &dyn Store) {
        for (id, kept) in &self.reference.jobs {
            let owner = kept.job.account;
            let other = if owner == self.accounts[0] { self.accounts[1] } else { self.accounts[0] };
            assert_not_found(store.job(other, *id).await);
            let shown = known(store.job(owner, *id).await);
            assert_eq!(shown.as_ref(), (!kept.is_deleted).then_some(&kept.job));
            let Some(shown) = shown else { continue };
            if let Some(before) = self.seen.insert(*id, shown.clone()) {
                assert!(shown.epoch >= before.epoch && shown.progress >= before.progress);
                if before != shown {
                    assert!(shown.seq > before.seq, "a change without a number: {before:?} {shown:?}");
                    assert!(!before.status.is_terminal(), "an ended job changed: {before:?} {shown:?}");
                }
            }
        }
        assert_eq!(store.queued().await.expect("queued"), self.reference.queued(None));
    }

    /// What nothing names is on the list of garbage, and only that.
    async fn check_garbage(&self, store: &dyn Store) {
        let named = self.reference.jobs.values().flat_map(|kept| {
            kept.job
                .input
                .iter()
                .cloned()
                .chain(kept.job.artifacts.iter().map(|artifact| artifact.storage.clone()))
        });
        let named: Vec<StorageRef> = named.collect();
        assert_eq!(store.unreferenced(named.clone()).await.expect("names"), []);
        let mut garbage = store.garbage(self.now, 10_000).await.expect("garbage");
        garbage.sort_unstable();
        assert_eq!(garbage, self.reference.garbage.keys().cloned().collect::<Vec<_>>());
        assert!(garbage.iter().all(|object| !named.contains(object)));
    }
}

pub async fn random_histories_agree_with_the_reference(fixture: &mut impl Fixture) {
    let store = fixture.store();
    let mut history = History::new(fixture, seed()).await;
    for step in 0..STEPS {
        history.step(&*store).await;
        if step % 4 == 0 {
            history.check(&*store).await;
        }
    }
    history.check(&*store).await;
    history.check_garbage(&*store).await;
}

pub async fn what_was_answered_survives_a_restart(fixture: &mut impl Fixture) {
    let mut history = History::new(fixture, seed()).await;
    for _ in 0..5 {
        let store = fixture.store();
        for _ in 0..STEPS / 8 {
            history.step(&*store).await;
        }
        drop(store);
        fixture.reopen().await;
        history.check(&*fixture.store()).await;
    }
    let store = fixture.store();
    let mut ids: Vec<JobId> = Vec::new();
    for owner in history.accounts.clone() {
        ids.extend(store.jobs(super::listing::all_of(owner)).await.expect("list").iter().map(|job| job.id));
    }
    ids.sort_unstable();
    let alive = history.reference.jobs.iter().filter(|(_, kept)| !kept.is_deleted).map(|(id, _)| *id);
    assert_eq!(ids, alive.collect::<Vec<_>>());
    history.check_garbage(&*store).await;
    let (later, me) = (at(100_000_000), history.nodes[1]);
    let dead = store.take_over(me, false, later, at(99_000_000), 1000).await.expect("sweep").len();
    let running = history.reference.jobs.values().filter(|kept| kept.lease.is_some()).count();
    assert_eq!(dead, running, "every lease can be taken over");
}
