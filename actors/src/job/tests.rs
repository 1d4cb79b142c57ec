//! One running lease in virtual time: scripted files and engine, everything on one arbiter.

use crate::job::{JobActor, JobConfig, JobOrder, JobPorts};
use crate::mailbox::Tell;
use crate::ports::bus::Topic;
use crate::ports::clock::Ids;
use crate::ports::store::{EpochMs, Job, Lease, NewJob, StorageRef, Store, Submitted};
use crate::supervise::{Backoff, Exit, ExitGuard};
use crate::testkit::{
    Fault, LoudnessDetector, MemoryBus, MemoryFiles, MemoryStore, ScriptedEngine, ScriptedMedia,
    ScriptedRecogniser, ScriptedTranslator, SeededIds, VirtualClock,
};
use actix::prelude::*;
use sottovoce_protocol::error_code::ErrorCode;
use sottovoce_protocol::ids::{AccountId, JobId, ModelId, NodeId};
use sottovoce_protocol::jobs::{ArtifactKind, JobParams, JobStatus, JobType};
use sottovoce_protocol::status::JobState;
use sottovoce_protocol::transcript::Transcript;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::oneshot;

mod translation;

pub(crate) const LEASE: Duration = Duration::from_secs(60);
pub(crate) const HEARTBEAT: Duration = Duration::from_secs(15);

/// Everything around the actors, shared by the dispatcher's tests.
pub(crate) struct World {
    pub store: MemoryStore,
    pub files: MemoryFiles,
    pub bus: MemoryBus,
    pub recogniser: ScriptedRecogniser,
    pub ports: JobPorts,
    pub config: JobConfig,
    pub account: AccountId,
    pub node: NodeId,
}

impl World {
    pub fn new(engine: ScriptedEngine) -> Self {
        tokio::time::pause();
        let (store, files, bus) = (MemoryStore::new(), MemoryFiles::new(), MemoryBus::new());
        let recogniser = ScriptedRecogniser::new(engine);
        let ids = Arc::new(SeededIds::new(1));
        let ports = JobPorts {
            store: Arc::new(store.clone()),
            files: Arc::new(files.clone()),
            bus: Arc::new(bus.clone()),
            recogniser: Arc::new(recogniser.clone()),
            translator: Arc::new(ScriptedTranslator::new(&[("en", "pt"), ("pt", "en"), ("en", "de")])),
            voice: Arc::new(|| Box::new(LoudnessDetector)),
            media: Arc::new(ScriptedMedia),
            clock: Arc::new(VirtualClock::at(EpochMs(1_767_225_600_000))),
            ids: ids.clone(),
        };
        let config = JobConfig {
            lease: LEASE,
            heartbeat_every: HEARTBEAT,
            stall_after: Duration::from_secs(600),
            max_audio_s: 36_000,
            max_text_bytes: 10_000,
            lanes: 2,
            unit_within: Duration::from_secs(600),
            retry: Backoff { first: Duration::from_secs(10), most: Duration::from_secs(600) },
            settle: Backoff { first: Duration::from_secs(1), most: Duration::from_secs(8) },
            settle_tries: 5,
            segment: JobConfig::SEGMENT,
            default_model: ModelId::new("moonshine"),
            default_language: "en".into(),
            engine: "embedded".into(),
        };
        let account = AccountId::from_uuid(ids.uuid());
        store.add_account(account);
        let node = NodeId::from_uuid(ids.uuid());
        Self { store, files, bus, recogniser, ports, config, account, node }
    }

    /// Queues a job whose file is this script.
    pub async fn submit(&self, script: &str) -> JobId {
        self.submit_for(self.account, script).await
    }

    /// Queues one of another account.
    pub async fn submit_for(&self, account: AccountId, script: &str) -> JobId {
        self.submit_as(account, script.as_bytes(), JobParams::of(JobType::Transcription)).await
    }

    /// Queues a job on these bytes.
    pub async fn submit_with(&self, file: &[u8], params: &str) -> JobId {
        self.submit_as(self.account, file, serde_json::from_str(params).unwrap()).await
    }

    async fn submit_as(&self, account: AccountId, file: &[u8], params: JobParams) -> JobId {
        let id = JobId::from_uuid(self.ports.ids.uuid());
        let input = StorageRef(format!("uploads/{id}"));
        self.files.put(&input, file);
        let job = NewJob {
            id,
            account,
            params,
            input,
            file_name: Some("talk.wav".into()),
            max_attempts: 3,
            max_queued: 1_000,
            idempotency: None,
            now: self.now(),
        };
        match self.store.submit(job).await.unwrap() {
            Submitted::New(job) | Submitted::Replayed(job) => job.id,
        }
    }

    pub fn now(&self) -> EpochMs {
        self.ports.clock.now()
    }

    pub fn row(&self, id: JobId) -> Job {
        self.store.row(id).unwrap()
    }

    /// Returns the states that were published of a job, in order.
    pub fn states(&self, id: JobId) -> Vec<JobState> {
        let published = self.bus.published(Topic::Job(id));
        published.iter().map(|message| serde_json::from_slice(&message.body).unwrap()).collect()
    }

    pub fn transcript(&self, id: JobId) -> Transcript {
        serde_json::from_slice(&self.artifact(id, ArtifactKind::Json)).unwrap()
    }

    pub fn artifact(&self, id: JobId, kind: ArtifactKind) -> Vec<u8> {
        let row = self.row(id);
        let artifact =
            row.artifacts.iter().find(|artifact| artifact.kind == kind && artifact.lang.is_empty());
        let artifact = artifact.unwrap();
        self.files.content(&artifact.storage).unwrap()
    }

    fn translated(&self, id: JobId, kind: ArtifactKind) -> String {
        let row = self.row(id);
        let artifact =
            row.artifacts.iter().find(|artifact| artifact.kind == kind && !artifact.lang.is_empty());
        String::from_utf8(self.files.content(&artifact.unwrap().storage).unwrap()).unwrap()
    }

    async fn claim(&self) -> (Job, Lease) {
        let until = self.now().plus_ms(LEASE.as_millis() as i64);
        self.store.claim(self.node, until, self.now(), &[]).await.unwrap().unwrap()
    }

    fn start(&self, job: Job, lease: Lease) -> (Tell<JobOrder>, oneshot::Receiver<Exit>) {
        let (sender, exit) = oneshot::channel();
        let guard = ExitGuard::new(move |exit| sender.send(exit).unwrap());
        let actor = JobActor::new(self.ports.clone(), Arc::new(self.config.clone()), job, lease, guard);
        (Tell::to(actor.start()), exit)
    }

    /// Claims the next job and runs it to its end.
    async fn run(&self) -> Exit {
        let (job, lease) = self.claim().await;
        self.start(job, lease).1.await.unwrap()
    }
}

const TALK: &str = "announce 8\nsay 1 2 3\npause 3000\nsay 4 5\npause 4000";

#[actix::test]
async fn a_file_becomes_artifacts_with_times_of_the_whole_audio() {
    let world = World::new(ScriptedEngine::new());
    let id = world.submit(TALK).await;
    assert_eq!(world.run().await, Exit::Done);

    let row = world.row(id);
    assert_eq!((row.status, row.progress.0, row.error_code), (JobStatus::Done, 1000, None));
    assert_eq!(row.duration_ms, Some(7_500));
    let transcript = world.transcript(id);
    let texts: Vec<&str> = transcript.segments.iter().map(|segment| segment.text.as_str()).collect();
    assert_eq!(texts, ["w1 w2 w3", "w4 w5"]);
    let second = &transcript.segments[1];
    assert!((second.start - 3.3).abs() < 0.05, "{second:?}");
    assert_eq!(transcript.model, "moonshine");
    assert_eq!(world.artifact(id, ArtifactKind::Transcript), b"w1 w2 w3\n\nw4 w5\n");
    assert!(world.artifact(id, ArtifactKind::Srt).starts_with(b"1\n00:00:00,0"));
    assert!(world.artifact(id, ArtifactKind::Vtt).starts_with(b"WEBVTT\n\n00:00:00.0"));

    let states = world.states(id);
    assert_eq!(states.last().map(|state| (state.status, state.progress)), Some((JobStatus::Done, 100)));
    assert_eq!(world.store.all_garbage(), [StorageRef(format!("uploads/{id}"))]);
}

#[actix::test]
async fn channels_are_heard_each_by_itself() {
    let world = World::new(ScriptedEngine::new());
    let id = world.submit_with(TALK.as_bytes(), r#"{"type":"transcription","multichannel":true}"#).await;
    assert_eq!(world.run().await, Exit::Done);
    let transcript = world.transcript(id);
    let heard: Vec<(u16, &str)> =
        transcript.segments.iter().map(|segment| (segment.channel, segment.text.as_str())).collect();
    assert_eq!(heard, [(0, "w1 w2 w3"), (1, "w2 w3 w4"), (0, "w4 w5"), (1, "w5 w6")]);
    assert_eq!(transcript.segments[2].start, transcript.segments[3].start);
    assert_eq!(world.row(id).duration_ms, Some(7_500));
}

#[actix::test]
async fn silence_is_done_with_an_empty_transcript() {
    let world = World::new(ScriptedEngine::new());
    let id = world.submit("pause 40000").await;
    assert_eq!(world.run().await, Exit::Done);
    assert_eq!(world.row(id).status, JobStatus::Done);
    assert_eq!(world.artifact(id, ArtifactKind::Transcript), b"");
    assert_eq!(world.transcript(id).segments, []);
    assert_eq!(world.recogniser.counted().batch, 0);
}

#[actix::test]
async fn a_bad_file_fails_at_once_with_its_code() {
    let mut world = World::new(ScriptedEngine::new());
    world.config.max_audio_s = 60;
    for (script, code) in [
        ("unknown", ErrorCode::MediaUnsupported),
        ("say 1 2 3\npause 2000\ncorrupt", ErrorCode::MediaCorrupt),
        ("pause 61000", ErrorCode::MediaTooLong),
    ] {
        let id = world.submit(script).await;
        assert_eq!(world.run().await, Exit::Done);
        let row = world.row(id);
        assert_eq!((row.status, row.error_code, row.attempt), (JobStatus::Failed, Some(code), 1), "{script}");
        assert_eq!(row.artifacts, []);
    }
}

#[actix::test]
async fn our_faults_are_retried_later_until_the_attempts_are_spent() {
    let engine = ScriptedEngine::new().with_fault(0, Fault::Fail);
    let world = World::new(engine);
    let id = world.submit(TALK).await;
    assert_eq!(world.run().await, Exit::Done);
    assert_eq!((world.row(id).status, world.row(id).attempt), (JobStatus::Queued, 1));
    assert_eq!(
        world.store.claim(world.node, world.now(), world.now(), &[]).await.unwrap(),
        None,
        "not due yet"
    );

    tokio::time::advance(Duration::from_secs(13)).await;
    world.files.set_broken(true);
    assert_eq!(world.run().await, Exit::Done);
    assert_eq!((world.row(id).status, world.row(id).attempt), (JobStatus::Queued, 2));

    tokio::time::advance(Duration::from_secs(25)).await;
    assert_eq!(world.run().await, Exit::Done);
    let row = world.row(id);
    assert_eq!((row.status, row.error_code), (JobStatus::Failed, Some(ErrorCode::StorageUnavailable)));
}

#[actix::test]
async fn a_decoder_that_panics_costs_an_attempt_not_the_process() {
    let world = World::new(ScriptedEngine::new());
    let id = world.submit("say 1\npause 2000\npanic").await;
    assert_eq!(world.run().await, Exit::Done);
    assert_eq!((world.row(id).status, world.row(id).attempt), (JobStatus::Queued, 1));
}

/// A minute of speech whose units take 20 s each at the engine.
async fn slow_world() -> (World, JobId) {
    let world = World::new(ScriptedEngine::new());
    world.recogniser.set_delay(Duration::from_secs(20));
    let talk: String = (0..12).map(|word| format!("say {word} {word}\npause 4800\n")).collect();
    let id = world.submit(&format!("announce 60\n{talk}")).await;
    (world, id)
}

#[actix::test]
async fn heartbeats_hold_the_lease_and_progress_only_grows() {
    let (world, id) = slow_world().await;
    let (job, lease) = world.claim().await;
    let (_orders, mut exit) = world.start(job, lease);
    let began = world.now();
    loop {
        tokio::select! {
            ended = &mut exit => {
                assert_eq!(ended.unwrap(), Exit::Done);
                break;
            }
            () = tokio::time::sleep(Duration::from_secs(30)) => {
                let other = NodeId::from_uuid(world.ports.ids.uuid());
                let taken = world.store.take_over(other, false, world.now(), world.now(), 10).await.unwrap();
                assert_eq!(taken, [], "the lease is alive");
            }
        }
    }
    assert!(world.now().0 - began.0 > 2 * LEASE.as_millis() as i64, "longer than two leases");
    let states = world.states(id);
    assert!(states.len() > 6, "{states:?}");
    assert!(states.windows(2).all(|pair| pair[0].progress <= pair[1].progress && pair[0].seq <= pair[1].seq));
    assert!(states.iter().any(|state| (20..90).contains(&state.progress)), "{states:?}");
    assert_eq!(world.transcript(id).segments.len(), 12);
}

#[actix::test]
async fn a_cancelled_job_stops_within_a_heartbeat() {
    let (world, id) = slow_world().await;
    let (job, lease) = world.claim().await;
    let (_orders, exit) = world.start(job, lease);
    tokio::time::sleep(Duration::from_secs(5)).await;
    let asked = world.now();
    world.store.delete(world.account, id, asked).await.unwrap();
    assert_eq!(exit.await.unwrap(), Exit::Done);
    assert!(world.now().0 - asked.0 <= HEARTBEAT.as_millis() as i64);
    assert_eq!(world.row(id).error_code, Some(ErrorCode::Canceled));
    assert_eq!(world.files.names(), [StorageRef(format!("uploads/{id}"))], "no artifact");
}

#[actix::test]
async fn a_zombie_writes_nothing() {
    let (world, id) = slow_world().await;
    let (job, lease) = world.claim().await;
    let (_orders, exit) = world.start(job, lease);
    tokio::time::sleep(Duration::from_secs(5)).await;
    let other = NodeId::from_uuid(world.ports.ids.uuid());
    let far = world.now().plus_ms(600_000);
    assert_eq!(world.store.take_over(other, true, far, world.now(), 1).await.unwrap().len(), 1);
    let before = world.row(id);
    assert_eq!(exit.await.unwrap(), Exit::Failed);
    assert_eq!(world.row(id), before);
}

#[actix::test]
async fn a_release_gives_the_job_back_without_counting_the_attempt() {
    let (world, id) = slow_world().await;
    let (job, lease) = world.claim().await;
    let (orders, exit) = world.start(job, lease);
    tokio::time::sleep(Duration::from_secs(5)).await;
    orders.tell(JobOrder::Release).unwrap();
    assert_eq!(exit.await.unwrap(), Exit::Drained);
    assert_eq!((world.row(id).status, world.row(id).attempt), (JobStatus::Queued, 0));
}

#[actix::test]
async fn an_index_that_fails_for_a_while_does_not_lose_the_result() {
    let world = World::new(ScriptedEngine::new());
    let id = world.submit(TALK).await;
    let (job, lease) = world.claim().await;
    world.store.fail_next(3);
    let (_orders, exit) = world.start(job, lease);
    assert_eq!(exit.await.unwrap(), Exit::Done);
    assert_eq!(world.row(id).status, JobStatus::Done);
    assert!(world.artifact(id, ArtifactKind::Transcript).starts_with(b"w1"));
}

#[actix::test]
async fn an_engine_that_never_answers_is_a_fault() {
    let world = World::new(ScriptedEngine::new());
    world.recogniser.set_delay(Duration::from_secs(86_400));
    let id = world.submit(TALK).await;
    assert_eq!(world.run().await, Exit::Done);
    assert_eq!((world.row(id).status, world.row(id).attempt), (JobStatus::Queued, 1));
}
