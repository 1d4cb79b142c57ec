//! The queue in virtual time.

use crate::dispatcher::{Dispatcher, DispatcherConfig, Drain, JobHint, Snapshot, Status};
use crate::job::tests::{LEASE, World};
use crate::mailbox::Tell;
use crate::ports::ear::Ear;
use crate::ports::engine::{EngineError, Outcome, Refused, StreamKey, Unit};
use crate::ports::recogniser::{Admission, Computation, Listened, Recogniser};
use crate::ports::store::{EpochMs, Lease, LeaseEpoch, NewStream, Store};
use crate::supervise::ExitGuard;
use crate::testkit::{ScriptedEngine, ScriptedRecogniser};
use crate::transcript::{artifact_refs, log_line, log_ref};
use actix::prelude::*;
use bytes::Bytes;
use sottovoce_protocol::error_code::ErrorCode;
use sottovoce_protocol::ids::{AccountId, JobId, ModelId, NodeId};
use sottovoce_protocol::jobs::{ArtifactKind, JobParams, JobStatus, JobType};
use sottovoce_protocol::transcript::Segment;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;
use tokio::sync::oneshot;

const TALK: &str = "announce 8\nsay 1 2 3\npause 3000\nsay 4 5\npause 4000";

fn start(world: &World, concurrency: usize) -> Addr<Dispatcher> {
    let config = DispatcherConfig {
        node: world.node,
        lone_node: true,
        concurrency,
        guests: 1,
        poll_every: Duration::from_secs(1),
        sweep_every: Duration::from_secs(10),
        sweep_limit: 2,
    };
    Dispatcher::new(world.ports.clone(), config, world.config.clone(), ExitGuard::new(|_| {})).start()
}

async fn status(dispatcher: &Addr<Dispatcher>) -> Status {
    let (reply, status) = oneshot::channel();
    dispatcher.send(Snapshot { reply }).await.unwrap();
    status.await.unwrap()
}

async fn until(what: &str, mut holds: impl FnMut() -> bool) {
    for _ in 0..100_000 {
        if holds() {
            return;
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    panic!("never: {what}");
}

#[actix::test]
async fn all_queued_jobs_end_and_no_more_than_allowed_run_at_once() {
    let world = World::new(ScriptedEngine::new());
    world.recogniser.set_delay(Duration::from_secs(3));
    let mut jobs = Vec::new();
    for _ in 0..7 {
        jobs.push(world.submit(TALK).await);
    }
    let dispatcher = start(&world, 2);
    let mut most = 0;
    while jobs.iter().any(|id| !world.row(*id).status.is_terminal()) {
        most = most.max(status(&dispatcher).await.running.len());
        tokio::time::sleep(Duration::from_millis(500)).await;
    }
    assert_eq!(most, 2);
    for id in jobs {
        assert_eq!((world.row(id).status, world.row(id).attempt), (JobStatus::Done, 1));
        let first = world.states(id)[0].clone();
        assert_eq!(first.status, JobStatus::Processing, "announced when it was claimed");
    }
}

#[actix::test]
async fn nobody_waits_for_anothers_thousand_files() {
    let world = World::new(ScriptedEngine::new());
    world.recogniser.set_delay(Duration::from_secs(30));
    let mut crowd = Vec::new();
    for _ in 0..1_000 {
        crowd.push(world.submit(TALK).await);
    }
    let dispatcher = start(&world, 2);
    until("all places are taken", || world.row(crowd[1]).status == JobStatus::Processing).await;
    let guest = AccountId::from_uuid(world.ports.ids.uuid());
    world.store.add_account(guest);
    let (one, other) = (world.submit_for(guest, TALK).await, world.submit_for(guest, TALK).await);
    let began = world.now();
    until("the guest's job runs", || world.row(one).status == JobStatus::Processing).await;
    assert!(world.now().0 - began.0 <= 1_100, "at the next poll");
    assert_eq!(status(&dispatcher).await.running.len(), 3, "one beyond the places");
    assert_eq!(world.row(other).status, JobStatus::Queued, "a guest has one");
    until("both are done", || [one, other].iter().all(|id| world.row(*id).status == JobStatus::Done)).await;
    let waiting = crowd.iter().filter(|id| world.row(**id).status == JobStatus::Queued).count();
    assert!(waiting > 980, "{waiting} of the crowd still wait");
}

#[actix::test]
async fn a_hint_is_quicker_than_the_poll_and_a_lost_one_costs_a_poll() {
    let world = World::new(ScriptedEngine::new());
    let dispatcher = start(&world, 1);
    tokio::time::sleep(Duration::from_millis(1_100)).await;
    let hinted = world.submit(TALK).await;
    let began = world.now();
    Tell::to(dispatcher.clone()).tell(JobHint::Enqueued).unwrap();
    until("the hinted job ends", || world.row(hinted).status == JobStatus::Done).await;
    assert!(world.now().0 - began.0 < 900, "before the next poll");
    let unhinted = world.submit(TALK).await;
    until("the poll finds the other", || world.row(unhinted).status == JobStatus::Done).await;
}

#[actix::test]
async fn draining_releases_what_runs_and_takes_nothing_new() {
    let world = World::new(ScriptedEngine::new());
    world.recogniser.set_delay(Duration::from_secs(30));
    let running = world.submit(TALK).await;
    let waiting = world.submit(TALK).await;
    let dispatcher = start(&world, 1);
    until("the first runs", || world.row(running).status == JobStatus::Processing).await;
    let (reply, drained) = oneshot::channel();
    Tell::to(dispatcher.clone()).tell(Drain { within: Duration::from_secs(5), reply }).unwrap();
    assert_eq!(drained.await.unwrap().cut, 0);
    for id in [running, waiting] {
        assert_eq!((world.row(id).status, world.row(id).attempt), (JobStatus::Queued, 0));
    }
    assert!(!dispatcher.connected());
}

#[actix::test]
async fn an_idle_queue_drains_at_once_even_while_it_is_asked() {
    let world = World::new(ScriptedEngine::new());
    let dispatcher = start(&world, 1);
    let began = world.now();
    let (reply, drained) = oneshot::channel();
    Tell::to(dispatcher.clone()).tell(JobHint::Enqueued).unwrap();
    Tell::to(dispatcher).tell(Drain { within: Duration::from_secs(60), reply }).unwrap();
    assert_eq!(drained.await.unwrap().cut, 0);
    assert_eq!(world.now(), began);
}

#[actix::test]
async fn a_drain_is_bounded_by_its_time() {
    let world = World::new(ScriptedEngine::new());
    world.recogniser.set_delay(Duration::from_secs(30));
    let id = world.submit(TALK).await;
    let dispatcher = start(&world, 1);
    until("it runs", || world.row(id).status == JobStatus::Processing).await;
    // The index answers nothing, so the job cannot be given back.
    world.store.fail_next(1_000);
    let began = world.now();
    let (reply, drained) = oneshot::channel();
    Tell::to(dispatcher).tell(Drain { within: Duration::from_secs(2), reply }).unwrap();
    assert_eq!(drained.await.unwrap().cut, 1);
    assert!(world.now().0 - began.0 <= 2_100);
}

/// Leaves a claim behind as a node that died would.
async fn die_with(world: &World) -> JobId {
    let id = world.submit(TALK).await;
    let dead = NodeId::from_uuid(world.ports.ids.uuid());
    let until = world.now().plus_ms(LEASE.as_millis() as i64);
    world.store.claim(dead, until, world.now(), &[]).await.unwrap().unwrap();
    id
}

#[actix::test]
async fn a_dead_nodes_jobs_run_again_at_once() {
    let world = World::new(ScriptedEngine::new());
    let mut jobs = Vec::new();
    for _ in 0..5 {
        jobs.push(die_with(&world).await);
    }
    // One had written all and named nothing.
    let written = artifact_refs(Lease { job: jobs[0], epoch: LeaseEpoch(1) });
    written.iter().for_each(|object| world.files.put(object, "half a job"));
    let began = world.now();
    start(&world, 2);
    for id in &jobs {
        until("it ends", || world.row(*id).status == JobStatus::Done).await;
        assert_eq!(world.row(*id).attempt, 2);
    }
    assert!(world.now().0 - began.0 < LEASE.as_millis() as i64, "without waiting for the leases");
    let garbage = world.store.all_garbage();
    assert!(written.iter().all(|object| garbage.contains(object)), "{garbage:?}");
}

#[actix::test]
async fn a_job_that_killed_its_node_too_often_fails() {
    let world = World::new(ScriptedEngine::new());
    let id = die_with(&world).await;
    for _ in 0..2 {
        let node = NodeId::from_uuid(world.ports.ids.uuid());
        let far = EpochMs(i64::MAX);
        let (job, lease) = world.store.take_over(node, true, far, world.now(), 1).await.unwrap().remove(0);
        assert_eq!(job.id, id);
        world.store.retry(lease, world.now(), world.now()).await.unwrap();
        world.store.claim(node, far, world.now(), &[]).await.unwrap().unwrap();
    }
    start(&world, 1);
    until("it fails", || world.row(id).status == JobStatus::Failed).await;
    assert_eq!(world.row(id).error_code, Some(ErrorCode::LeaseExpired));
}

#[actix::test]
async fn a_dead_streams_finals_become_its_artifacts() {
    let world = World::new(ScriptedEngine::new());
    let id = JobId::from_uuid(world.ports.ids.uuid());
    let params = JobParams {
        job_type: JobType::Stream,
        language: Some("en".into()),
        detect_language: None,
        target_language: None,
        model: Some("moonshine".into()),
        multichannel: None,
        callback_url: None,
        priority: None,
    };
    let stream = NewStream {
        id,
        account: world.account,
        params,
        log: log_ref(id),
        node: NodeId::from_uuid(world.ports.ids.uuid()),
        lease_until: world.now().plus_ms(60_000),
        now: world.now(),
    };
    world.store.open_stream(stream).await.unwrap();
    let segment = |id, start: f64, text: &str| Segment {
        id,
        start,
        end: start + 1.5,
        text: text.into(),
        confidence: 0.9,
        channel: 0,
        words: Vec::new(),
    };
    let mut log = log_line(&segment(0, 0.5, "said and sent"));
    log.extend(log_line(&segment(1, 4.5, "sent too")));
    log.extend_from_slice(b"{\"id\":2,\"sta");
    world.files.put(&log_ref(id), log);

    start(&world, 1);
    until("it fails", || world.row(id).status == JobStatus::Failed).await;
    let row = world.row(id);
    assert_eq!((row.error_code, row.duration_ms), (Some(ErrorCode::LeaseExpired), Some(6_000)));
    assert_eq!(world.transcript(id).text, "said and sent sent too");
    assert_eq!(world.artifact(id, ArtifactKind::Transcript), b"said and sent\n\nsent too\n");
    assert!(world.store.all_garbage().contains(&log_ref(id)), "the log is garbage now");
}

#[actix::test]
async fn a_cancel_hint_stops_a_job_before_its_heartbeat() {
    let world = World::new(ScriptedEngine::new());
    world.recogniser.set_delay(Duration::from_secs(300));
    let id = world.submit(TALK).await;
    let dispatcher = start(&world, 1);
    until("it runs", || world.row(id).status == JobStatus::Processing).await;
    tokio::time::sleep(Duration::from_secs(1)).await;
    let asked = world.now();
    world.store.delete(world.account, id, asked).await.unwrap();
    Tell::to(dispatcher).tell(JobHint::CancelRequested(id)).unwrap();
    until("it ends", || world.row(id).status == JobStatus::Failed).await;
    assert!(world.now().0 - asked.0 < 1_000);
    assert_eq!(world.row(id).error_code, Some(ErrorCode::Canceled));
}

/// Panics once where a job actor begins to listen.
struct PanicsOnce {
    inner: ScriptedRecogniser,
    done: AtomicBool,
}

impl Recogniser for PanicsOnce {
    fn admit(&self, model: &ModelId, channels: u16) -> Result<Admission, Refused> {
        self.inner.admit(model, channels)
    }

    fn batch_key(&self) -> StreamKey {
        if !self.done.swap(true, Ordering::Relaxed) {
            std::panic::panic_any("planned panic");
        }
        self.inner.batch_key()
    }

    fn submit(
        &self,
        key: StreamKey,
        channel: u16,
        unit: Unit,
        within: Duration,
    ) -> oneshot::Receiver<Outcome> {
        self.inner.submit(key, channel, unit, within)
    }

    fn compute(
        &self,
        key: StreamKey,
        computation: Computation,
    ) -> oneshot::Receiver<Result<String, EngineError>> {
        self.inner.compute(key, computation)
    }

    fn listen(&self, ear: Box<dyn Ear>, audio: Bytes, flush: bool) -> oneshot::Receiver<Listened> {
        self.inner.listen(ear, audio, flush)
    }

    fn interim_stretch(&self) -> f32 {
        self.inner.interim_stretch()
    }
}

#[actix::test]
async fn a_job_actor_that_panics_is_retried_and_the_queue_goes_on() {
    let mut world = World::new(ScriptedEngine::new());
    let inner = world.recogniser.clone();
    world.ports.recogniser = Arc::new(PanicsOnce { inner, done: AtomicBool::new(false) });
    let id = world.submit(TALK).await;
    let next = world.submit(TALK).await;
    let dispatcher = start(&world, 1);
    until("the next ends", || world.row(next).status == JobStatus::Done).await;
    assert_eq!((world.row(id).status, world.row(id).attempt), (JobStatus::Queued, 1));
    until("it ends after its pause", || world.row(id).status == JobStatus::Done).await;
    assert_eq!(world.row(id).attempt, 2);
    assert_eq!(status(&dispatcher).await.running, []);
}
