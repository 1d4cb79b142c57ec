//! Deletes what nobody needs: jobs older than the operator keeps them, objects the index gave to the garbage, orphans of a
//! crash, events of jobs that ended long ago. Never deletes an object that a row names.

use crate::ports::clock::Clock;
use crate::ports::files::{FileError, FileStore};
use crate::ports::store::{EpochMs, StorageRef, Store, StoreError};
use crate::supervise::{Exit, ExitGuard};
use actix::prelude::*;
use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

/// Objects looked at in one go.
const PAGE: u32 = 200;
/// Orphans remembered between two sweeps; more are found by the next ones.
const MAX_SUSPECTS: usize = 10_000;

/// When the janitor works.
#[derive(Clone, Copy, Debug)]
pub struct JanitorConfig {
    /// How often garbage is deleted.
    pub garbage_every: Duration,
    /// How often orphans are looked for.
    pub orphans_every: Duration,
    /// How long an object must be without a row before it counts as an orphan: longer than any upload or attempt needs
    /// between writing an object and naming it.
    pub orphan_grace: Duration,
    /// How often old events are forgotten.
    pub events_every: Duration,
    /// How long the events of a job are kept after its end.
    pub events_kept: Duration,
    /// How often old jobs are looked for.
    pub jobs_every: Duration,
    /// How long a job is kept after its end; `None`: until its owner deletes it.
    pub jobs_kept: Option<Duration>,
}

/// Why a sweep stopped.
#[derive(Debug, thiserror::Error)]
pub enum SweepError {
    /// The index failed.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The object storage failed.
    #[error(transparent)]
    Files(#[from] FileError),
}

/// Sweeps once before anything else runs, when no other process shares the folder: every object without a row is an
/// orphan of a crash then. Returns how many were deleted.
pub async fn sweep_at_start(
    store: &dyn Store,
    files: &dyn FileStore,
    clock: &dyn Clock,
) -> Result<u64, SweepError> {
    let mut deleted = delete_garbage(store, files, clock).await?;
    let mut after = None;
    loop {
        let objects = files.list(after.as_ref(), PAGE, 0).await?;
        let Some(last) = objects.last().cloned() else { return Ok(deleted) };
        for orphan in store.unreferenced(objects).await? {
            files.delete(&orphan).await?;
            deleted += 1;
        }
        after = Some(last);
    }
}

/// Deletes the garbage that is due; returns how many objects went.
pub async fn delete_garbage(
    store: &dyn Store,
    files: &dyn FileStore,
    clock: &dyn Clock,
) -> Result<u64, SweepError> {
    let mut deleted = 0;
    loop {
        let due = store.garbage(clock.now(), PAGE).await?;
        let last_page = due.len() < PAGE as usize;
        for object in due {
            files.delete(&object).await?;
            store.garbage_deleted(&object).await?;
            deleted += 1;
        }
        if last_page {
            return Ok(deleted);
        }
    }
}

/// Forgets the events of jobs that ended before, a page at a time so that no transaction is long; returns how many.
pub async fn forget_events(store: &dyn Store, before: EpochMs) -> Result<u64, SweepError> {
    let mut forgotten = 0;
    loop {
        let page = store.forget_events(before, PAGE).await?;
        forgotten += page;
        if page < u64::from(PAGE) {
            return Ok(forgotten);
        }
    }
}

/// Deletes jobs that ended before `before`, a page at a time so that no transaction is long; returns how many.
pub async fn expire_jobs(store: &dyn Store, before: EpochMs, now: EpochMs) -> Result<u64, SweepError> {
    let mut expired = 0;
    loop {
        let page = store.expire_jobs(before, now, PAGE).await?.len();
        expired += page as u64;
        if page < PAGE as usize {
            return Ok(expired);
        }
    }
}

/// Objects seen without a row, and when first; an object is deleted only if it still has none after the grace.
#[derive(Default, Debug)]
struct Suspects {
    since: HashMap<StorageRef, EpochMs>,
}

impl Suspects {
    async fn sweep(
        mut self,
        store: &dyn Store,
        files: &dyn FileStore,
        clock: &dyn Clock,
        grace: Duration,
    ) -> Result<(Self, u64), SweepError> {
        let grace_ms = i64::try_from(grace.as_millis()).unwrap_or(i64::MAX);
        let mut seen = HashMap::new();
        let mut deleted = 0;
        let mut after = None;
        loop {
            let objects = files.list(after.as_ref(), PAGE, grace.as_secs()).await?;
            let Some(last) = objects.last().cloned() else {
                self.since = seen;
                return Ok((self, deleted));
            };
            for object in store.unreferenced(objects).await? {
                let now = clock.now();
                let since = self.since.get(&object).copied().unwrap_or(now);
                if now >= since.plus_ms(grace_ms) {
                    files.delete(&object).await?;
                    deleted += 1;
                } else if seen.len() < MAX_SUSPECTS {
                    seen.insert(object, since);
                }
            }
            after = Some(last);
        }
    }
}

/// Works in the background for the life of the process.
pub struct Janitor {
    store: Arc<dyn Store>,
    files: Arc<dyn FileStore>,
    clock: Arc<dyn Clock>,
    config: JanitorConfig,
    suspects: Suspects,
    guard: ExitGuard,
}

/// Stop; what is left waits for the next start.
#[derive(Clone, Copy, Debug, Message)]
#[rtype(result = "()")]
pub struct StopCleaning;

impl Janitor {
    /// Prepares the actor; `guard` reports its end to the root.
    pub fn new(
        store: Arc<dyn Store>,
        files: Arc<dyn FileStore>,
        clock: Arc<dyn Clock>,
        config: JanitorConfig,
        guard: ExitGuard,
    ) -> Self {
        Self { store, files, clock, config, suspects: Suspects::default(), guard }
    }

    fn garbage(&mut self, ctx: &mut Context<Self>) {
        let (store, files, clock) = (self.store.clone(), self.files.clone(), self.clock.clone());
        let deleting = async move { delete_garbage(&*store, &*files, &*clock).await };
        ctx.spawn(deleting.into_actor(self).map(|deleted, actor, ctx| {
            log("garbage", deleted);
            ctx.run_later(actor.config.garbage_every, Self::garbage);
        }));
    }

    fn events(&mut self, ctx: &mut Context<Self>) {
        let (store, before) = (self.store.clone(), self.ago(self.config.events_kept));
        let forgetting = async move { forget_events(&*store, before).await };
        ctx.spawn(forgetting.into_actor(self).map(|forgotten, actor, ctx| {
            log("events", forgotten);
            ctx.run_later(actor.config.events_every, Self::events);
        }));
    }

    fn jobs(&mut self, ctx: &mut Context<Self>) {
        let Some(kept) = self.config.jobs_kept else { return };
        let (store, before, now) = (self.store.clone(), self.ago(kept), self.clock.now());
        let expiring = async move { expire_jobs(&*store, before, now).await };
        ctx.spawn(expiring.into_actor(self).map(|expired, actor, ctx| {
            log("jobs", expired);
            ctx.run_later(actor.config.jobs_every, Self::jobs);
        }));
    }

    fn ago(&self, age: Duration) -> EpochMs {
        EpochMs(self.clock.now().0.saturating_sub(i64::try_from(age.as_millis()).unwrap_or(i64::MAX)))
    }

    fn orphans(&mut self, ctx: &mut Context<Self>) {
        let (store, files, clock) = (self.store.clone(), self.files.clone(), self.clock.clone());
        let (suspects, grace) = (std::mem::take(&mut self.suspects), self.config.orphan_grace);
        let sweeping = async move { suspects.sweep(&*store, &*files, &*clock, grace).await };
        ctx.spawn(sweeping.into_actor(self).map(|swept, actor, ctx| {
            let deleted = swept.map(|(suspects, deleted)| {
                actor.suspects = suspects;
                deleted
            });
            log("orphans", deleted);
            ctx.run_later(actor.config.orphans_every, Self::orphans);
        }));
    }
}

fn log(what: &'static str, deleted: Result<u64, SweepError>) {
    match deleted {
        Ok(0) => {}
        Ok(deleted) => tracing::info!(what, deleted, "deleted"),
        Err(error) => tracing::warn!(what, %error, "clean-up failed, tried again later"),
    }
}

impl Actor for Janitor {
    type Context = Context<Self>;

    fn started(&mut self, ctx: &mut Self::Context) {
        self.jobs(ctx);
        self.garbage(ctx);
        self.orphans(ctx);
        self.events(ctx);
    }
}

impl Handler<StopCleaning> for Janitor {
    type Result = ();

    fn handle(&mut self, _stop: StopCleaning, ctx: &mut Self::Context) {
        self.guard.set(Exit::Drained);
        ctx.stop();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ports::clock::Ids;
    use crate::ports::store::EpochMs;
    use crate::ports::store::{Finish, NewStream};
    use crate::testkit::{ManualClock, MemoryFiles, MemoryStore, SeededIds};
    use sottovoce_protocol::ids::{AccountId, JobId, NodeId};
    use sottovoce_protocol::jobs::{JobParams, JobType};

    const GRACE: Duration = Duration::from_secs(3_600);

    fn object(name: &str) -> StorageRef {
        StorageRef(name.into())
    }

    fn world(names: &[&str]) -> (MemoryStore, MemoryFiles, ManualClock) {
        let files = MemoryFiles::new();
        for name in names {
            files.put(&object(name), *name);
        }
        (MemoryStore::new(), files, ManualClock::at(EpochMs(1_000_000)))
    }

    #[actix::test]
    async fn garbage_goes_when_it_is_due() {
        let (store, files, clock) = world(&["a", "b"]);
        store.add_garbage(vec![object("a")], clock.now()).await.unwrap();
        store.add_garbage(vec![object("b")], clock.now().plus_ms(10)).await.unwrap();
        assert_eq!(delete_garbage(&store, &files, &clock).await.unwrap(), 1);
        assert_eq!(files.names(), [object("b")]);
        clock.advance_ms(10);
        assert_eq!(delete_garbage(&store, &files, &clock).await.unwrap(), 1);
        assert_eq!((files.names(), store.all_garbage()), (vec![], vec![]));
    }

    #[actix::test]
    async fn old_jobs_go_and_younger_ones_stay() {
        let (store, _, clock) = world(&[]);
        let ids = SeededIds::new(7);
        let account = AccountId::from_uuid(ids.uuid());
        store.add_account(account);
        let mut ended = Vec::new();
        for _ in 0..PAGE + 5 {
            let id = JobId::from_uuid(ids.uuid());
            let (log, params) = (object(&id.to_string()), JobParams::of(JobType::Stream));
            let (node, now) = (NodeId::from_uuid(ids.uuid()), clock.now());
            let stream = NewStream { id, account, params, log, node, lease_until: now.plus_ms(9), now };
            let (job, lease) = store.open_stream(stream).await.unwrap();
            store.finish(lease, Finish { artifacts: vec![], duration_ms: 1, now }).await.unwrap();
            ended.push(job.id);
            clock.advance_ms(1);
        }
        let expired = expire_jobs(&store, clock.now().plus_ms(-1), clock.now()).await.unwrap();
        assert_eq!(expired, u64::from(PAGE) + 4);
        let newest = ended.pop().unwrap();
        store.job(account, newest).await.unwrap();
        for gone in ended {
            assert!(matches!(store.job(account, gone).await, Err(StoreError::NotFound)));
        }
    }

    #[actix::test]
    async fn orphans_are_gone_after_a_start_and_garbage_waits_its_time() {
        let names: Vec<String> = (0..500).map(|number| format!("orphan/{number}")).collect();
        let (store, files, clock) = world(&names.iter().map(String::as_str).collect::<Vec<_>>());
        files.put(&object("kept"), "kept");
        store.add_garbage(vec![object("kept")], clock.now().plus_ms(1)).await.unwrap();
        assert_eq!(sweep_at_start(&store, &files, &clock).await.unwrap(), 500);
        assert_eq!(files.names(), [object("kept")]);
    }

    #[actix::test]
    async fn a_running_server_gives_an_object_time_to_be_named() {
        let (store, files, clock) = world(&["new"]);
        let sweep = |suspects: Suspects| suspects.sweep(&store, &files, &clock, GRACE);
        let (suspects, deleted) = sweep(Suspects::default()).await.unwrap();
        assert_eq!(deleted, 0);
        clock.advance_ms(GRACE.as_millis() as i64 - 1);
        let (suspects, deleted) = sweep(suspects).await.unwrap();
        assert_eq!(deleted, 0);
        clock.advance_ms(1);
        let (suspects, deleted) = sweep(suspects).await.unwrap();
        assert_eq!((deleted, files.names(), suspects.since.len()), (1, vec![], 0));
    }
}
