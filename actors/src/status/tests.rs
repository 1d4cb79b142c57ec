//! A status socket in virtual time: what a subscriber is sent, in what order, and when it is closed.

use crate::job::{announce, state_of};
use crate::mailbox::Tell;
use crate::ports::bus::{BusMessage, StatusBus, Topic};
use crate::ports::clock::Ids;
use crate::ports::store::{EpochMs, Finish, NewJob, Permille, StorageRef, Store, Submitted};
use crate::socket::PUMP_MAILBOX;
use crate::socket::gate::{Gate, wire_bytes};
use crate::socket::messages::{Attach, FromPump, Leave, SocketEvent, ToPump};
use crate::status::{StatusConfig, StatusPorts, StatusSocket, StatusStart};
use crate::supervise::{Exit, ExitGuard};
use crate::testkit::{MemoryBus, MemoryStore, Random, SeededIds};
use actix::prelude::*;
use sottovoce_protocol::close_code::{self, Close};
use sottovoce_protocol::error_code::ErrorCode;
use sottovoce_protocol::ids::{AccountId, JobId, NodeId};
use sottovoce_protocol::jobs::{JobParams, JobStatus, JobType};
use sottovoce_protocol::status::{Caption, JobState, ServerMessage};
use std::collections::{HashMap, HashSet};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio::sync::oneshot;

const NOW: EpochMs = EpochMs(1_767_225_600_000);

#[derive(Default)]
struct PumpState {
    said: Vec<ServerMessage>,
    close: Option<Close>,
    unread: u32,
    not_reading: bool,
    mute: bool,
}

struct Pump {
    state: Arc<Mutex<PumpState>>,
    events: Tell<SocketEvent>,
}

impl Actor for Pump {
    type Context = Context<Self>;
}

impl Handler<ToPump> for Pump {
    type Result = ();

    fn handle(&mut self, message: ToPump, _: &mut Self::Context) {
        let mut state = self.state.lock().unwrap();
        assert_eq!(state.close, None, "nothing after the close");
        match message {
            ToPump::Text(text) => {
                state.said.push(serde_json::from_str(&text).unwrap());
                if state.not_reading {
                    state.unread += 1;
                } else {
                    let _ = self.events.tell(SocketEvent::Sent(1));
                }
            }
            ToPump::Ping if state.mute => {}
            ToPump::Ping => drop(self.events.tell(SocketEvent::Pong)),
            ToPump::Close(close) => state.close = Some(close),
            ToPump::Taken => {}
        }
    }
}

/// Jobs of two accounts, and what changes them.
struct World {
    store: MemoryStore,
    bus: MemoryBus,
    ids: SeededIds,
    own: AccountId,
    other: AccountId,
}

impl World {
    async fn new() -> Self {
        tokio::time::pause();
        Self::on_stopped_clocks().await
    }

    async fn on_stopped_clocks() -> Self {
        let (store, ids) = (MemoryStore::new(), SeededIds::new(1));
        let accounts = [(); 2].map(|()| AccountId::from_uuid(ids.uuid()));
        accounts.into_iter().for_each(|account| store.add_account(account));
        Self { store, bus: MemoryBus::new(), ids, own: accounts[0], other: accounts[1] }
    }

    async fn submit(&self, account: AccountId) -> JobId {
        let id = JobId::from_uuid(self.ids.uuid());
        let params = JobParams {
            job_type: JobType::Transcription,
            language: None,
            detect_language: None,
            target_language: None,
            model: None,
            multichannel: None,
            callback_url: None,
            priority: None,
        };
        let job = NewJob {
            id,
            account,
            params,
            input: StorageRef(format!("uploads/{id}")),
            file_name: None,
            max_attempts: 3,
            max_queued: 1_000_000,
            idempotency: None,
            now: NOW,
        };
        match self.store.submit(job).await.unwrap() {
            Submitted::New(job) | Submitted::Replayed(job) => self.tell(job.account, job.id).await,
        }
        id
    }

    async fn tell(&self, account: AccountId, id: JobId) {
        announce(&self.bus, account, &state_of(&self.store.row(id).unwrap())).await;
    }

    /// Runs the next queued job to its end, in `steps` announced steps.
    async fn run_next(&self, steps: u16) -> JobId {
        let node = NodeId::from_uuid(self.ids.uuid());
        let (job, lease) = self.store.claim(node, NOW.plus_ms(1_000), NOW, &[]).await.unwrap().unwrap();
        self.tell(job.account, job.id).await;
        for step in 1..=steps {
            let progress = Permille(900 * step / steps);
            self.store.heartbeat(lease, NOW.plus_ms(1_000), progress, None).await.unwrap();
            self.tell(job.account, job.id).await;
        }
        let finish = Finish { artifacts: Vec::new(), duration_ms: 1_000, now: NOW };
        self.store.finish(lease, finish).await.unwrap();
        self.tell(job.account, job.id).await;
        job.id
    }

    async fn say(&self, job: JobId, seq: u64, is_final: bool) {
        let caption = Caption {
            job,
            seq,
            is_final,
            start: 0.0,
            end: 1.0,
            text: format!("caption {seq}"),
            lang: "en".into(),
            channel: 0,
        };
        let message = BusMessage { seq, body: serde_json::to_vec(&caption).unwrap().into() };
        self.bus.publish(Topic::Captions(job), message).await.unwrap();
    }

    fn open(&self) -> Socket {
        self.open_with(|_| ())
    }

    fn open_with(&self, change: impl FnOnce(&mut StatusConfig)) -> Socket {
        let mut config = StatusConfig {
            ping_interval: Duration::from_secs(25),
            pong_timeout: Duration::from_secs(10),
            first_message: Duration::from_secs(10),
            messages_per_second: 1_000,
            subscriptions: 100,
            credit_window: 64,
            outbox_bytes: 256 * 1024,
        };
        change(&mut config);
        let was_cut = Arc::new(AtomicBool::new(false));
        let (cuts, gate) = (was_cut.clone(), Arc::new(Gate::new(200_000)));
        let (exit, exited) = oneshot::channel();
        let socket = StatusSocket::run(StatusStart {
            account: self.own,
            only_job: None,
            config,
            ports: StatusPorts { store: Arc::new(self.store.clone()), bus: Arc::new(self.bus.clone()) },
            gate: gate.clone(),
            cut: Box::new(move || cuts.store(true, Ordering::Relaxed)),
            exit: ExitGuard::new(move |how| exit.send(how).unwrap()),
        });
        let state = Arc::new(Mutex::new(PumpState::default()));
        let pump = Pump { state: state.clone(), events: Tell::to(socket.clone()) };
        let pump = Pump::create(|ctx| {
            ctx.set_mailbox_capacity(PUMP_MAILBOX);
            pump
        });
        Tell::to(socket.clone()).tell(Attach(Tell::to(pump))).unwrap();
        Socket {
            messages: Tell::to(socket.clone()),
            events: Tell::to(socket.clone()),
            leave: Tell::to(socket),
            pump: state,
            was_cut,
            gate,
            exited,
        }
    }
}

struct Socket {
    messages: Tell<FromPump>,
    events: Tell<SocketEvent>,
    leave: Tell<Leave>,
    pump: Arc<Mutex<PumpState>>,
    was_cut: Arc<AtomicBool>,
    gate: Arc<Gate>,
    exited: oneshot::Receiver<Exit>,
}

async fn settle() {
    tokio::time::sleep(Duration::from_millis(1)).await;
}

impl Socket {
    async fn text(&self, text: &str) {
        let wire_bytes = wire_bytes(text.len());
        self.gate.take(wire_bytes as usize);
        // A socket that was closed takes nothing any more.
        let _ = self.messages.tell(FromPump::Text { text: text.into(), wire_bytes });
        settle().await;
    }

    async fn subscribe(&self, job: JobId) {
        self.text(&format!(r#"{{"op":"subscribe","job":"{job}"}}"#)).await;
    }

    async fn unsubscribe(&self, job: JobId) {
        self.text(&format!(r#"{{"op":"unsubscribe","job":"{job}"}}"#)).await;
    }

    /// Returns what was said since the last call.
    fn said(&self) -> Vec<ServerMessage> {
        std::mem::take(&mut self.pump.lock().unwrap().said)
    }

    fn close(&self) -> Option<Close> {
        self.pump.lock().unwrap().close
    }

    async fn ended(&mut self) -> Exit {
        let exit = tokio::time::timeout(Duration::from_secs(600), &mut self.exited);
        let exit = exit.await.expect("the socket ends").expect("its guard speaks");
        settle().await;
        exit
    }
}

fn state(message: &ServerMessage) -> &JobState {
    match message {
        ServerMessage::Snapshot(state) | ServerMessage::Status(state) => state,
        other => panic!("a state was waited for: {other:?}"),
    }
}

fn assert_growing(said: &[ServerMessage]) {
    let mut newest: HashMap<JobId, u64> = HashMap::new();
    for message in said {
        let state = state(message);
        let seen = newest.entry(state.job).or_default();
        let fresh = matches!(message, ServerMessage::Snapshot(_)) && state.seq >= *seen || state.seq > *seen;
        assert!(fresh, "{state:?} after {seen}");
        *seen = state.seq;
    }
}

#[actix::test]
async fn a_snapshot_comes_first_and_states_never_go_back() {
    let world = World::new().await;
    let job = world.submit(world.own).await;
    let socket = world.open();
    socket.subscribe(job).await;
    let said = socket.said();
    assert!(matches!(&said[..], [ServerMessage::Snapshot(state)] if state.status == JobStatus::Queued));

    // A message that the bus delivers late, or twice, is not shown.
    let old = state_of(&world.store.row(job).unwrap());
    world.run_next(5).await;
    announce(&world.bus, world.own, &old).await;
    settle().await;
    let said = socket.said();
    assert!(said.iter().all(|message| matches!(message, ServerMessage::Status(_))), "{said:?}");
    assert_growing(&said);
    let last = state(said.last().unwrap());
    assert_eq!((last.status, last.progress), (JobStatus::Done, 100));
}

#[actix::test]
async fn a_foreign_job_and_none_are_told_apart_by_nothing() {
    let world = World::new().await;
    let (foreign, absent) = (world.submit(world.other).await, JobId::from_uuid(world.ids.uuid()));
    let socket = world.open();
    for topic in ["job", "captions"] {
        let mut answers = Vec::new();
        for id in [foreign, absent] {
            socket.text(&format!(r#"{{"op":"subscribe","{topic}":"{id}"}}"#)).await;
            let said = socket.said();
            let [ServerMessage::Error { code, detail, job }] = &said[..] else { panic!("{said:?}") };
            assert_eq!((*code, *job), (ErrorCode::NotFound, Some(id)));
            answers.push(detail.clone());
        }
        assert_eq!(answers[0], answers[1]);
    }
    world.run_next(3).await;
    world.say(foreign, 0, true).await;
    settle().await;
    assert_eq!((socket.said(), socket.close()), (Vec::new(), None));
}

#[actix::test]
async fn all_jobs_are_those_of_the_account() {
    let world = World::new().await;
    let (before, foreign) = (world.submit(world.own).await, world.submit(world.other).await);
    let socket = world.open();
    socket.text(r#"{"op":"subscribe","jobs":"all"}"#).await;
    let said = socket.said();
    assert_eq!(said.iter().map(|message| state(message).job).collect::<Vec<_>>(), [before]);
    let after = world.submit(world.own).await;
    for _ in 0..3 {
        world.run_next(2).await;
    }
    settle().await;
    let said = socket.said();
    assert_growing(&said);
    let done = said.iter().map(state).filter(|state| state.status == JobStatus::Done);
    let mut done: Vec<JobId> = done.map(|state| state.job).collect();
    done.sort();
    assert_eq!(done, [before, after], "and not {foreign}");
}

/// More jobs than a socket remembers.
#[actix::test]
async fn a_job_of_long_ago_does_not_go_back_either() {
    let world = World::new().await;
    let first = world.submit(world.own).await;
    let queued = state_of(&world.store.row(first).unwrap());
    let socket = world.open();
    socket.text(r#"{"op":"subscribe","jobs":"all"}"#).await;
    let node = NodeId::from_uuid(world.ids.uuid());
    let (_, lease) = world.store.claim(node, NOW.plus_ms(1_000), NOW, &[]).await.unwrap().unwrap();
    world.tell(world.own, first).await;
    let mut others = HashSet::new();
    for _ in 0..2_100 {
        others.insert(world.submit(world.own).await);
        settle().await;
    }
    let said = socket.said();
    assert_growing(&said);
    others.retain(|job| said.iter().all(|message| state(message).job != *job));
    assert_eq!(others.len(), 0, "each new job was told");

    announce(&world.bus, world.own, &queued).await;
    settle().await;
    let said = socket.said();
    assert!(said.iter().map(state).all(|state| state.status == JobStatus::Processing), "{said:?}");
    let finish = Finish { artifacts: Vec::new(), duration_ms: 1_000, now: NOW };
    world.store.finish(lease, finish).await.unwrap();
    world.tell(world.own, first).await;
    announce(&world.bus, world.own, &queued).await;
    settle().await;
    let said = socket.said();
    assert!(
        matches!(&said[..], [ServerMessage::Status(state)] if state.status == JobStatus::Done),
        "{said:?}"
    );
}

#[actix::test]
async fn an_unsubscribed_job_is_silent() {
    let world = World::new().await;
    let job = world.submit(world.own).await;
    let socket = world.open();
    socket.subscribe(job).await;
    socket.unsubscribe(job).await;
    socket.said();
    world.run_next(3).await;
    settle().await;
    assert_eq!(socket.said(), []);
    socket.subscribe(job).await;
    assert!(
        matches!(&socket.said()[..], [ServerMessage::Snapshot(state)] if state.status == JobStatus::Done)
    );
}

#[actix::test]
async fn captions_are_followed_and_replayed_from_where_one_was() {
    let world = World::new().await;
    let job = world.submit(world.own).await;
    for seq in 0..5 {
        world.say(job, seq, true).await;
    }
    let socket = world.open();
    socket.text(&format!(r#"{{"op":"subscribe","captions":"{job}","since":2,"lang":"en"}}"#)).await;
    for seq in 5..9 {
        world.say(job, seq, seq % 2 == 0).await;
    }
    settle().await;
    let said = socket.said();
    assert!(matches!(said[0], ServerMessage::Snapshot(_)), "{said:?}");
    let places = said[1..].iter().map(|message| match message {
        ServerMessage::Caption(caption) => caption.seq,
        other => panic!("{other:?}"),
    });
    assert_eq!(places.collect::<Vec<_>>(), [3, 4, 5, 6, 7, 8]);
}

#[actix::test]
async fn what_is_no_request_is_answered_and_what_is_too_much_is_closed() {
    let world = World::new().await;
    let job = world.submit(world.own).await;
    let socket = world.open();
    for text in [
        "",
        "hello",
        "{}",
        r#"{"op":"subscribe"}"#,
        r#"{"op":"listen","job":"x"}"#,
        r#"{"op":"subscribe","job":"not-an-id"}"#,
        r#"{"op":"subscribe","jobs":"some"}"#,
        r#"{"op":"subscribe","jobs":"all","more":1}"#,
    ] {
        socket.text(text).await;
        let said = socket.said();
        assert!(
            matches!(&said[..], [ServerMessage::Error { code: ErrorCode::BadRequest, .. }]),
            "{text}: {said:?}"
        );
    }
    socket.subscribe(job).await;
    assert_eq!((socket.said().len(), socket.close()), (1, None), "it goes on");

    for frame in [FromPump::Empty, FromPump::Binary { data: "x".into(), wire_bytes: 7 }] {
        let mut socket = world.open();
        socket.messages.tell(frame).unwrap();
        assert_eq!(socket.ended().await, Exit::Done);
        assert_eq!(socket.close(), Some(close_code::POLICY));
    }
}

#[actix::test]
async fn subscriptions_and_messages_are_limited() {
    let world = World::new().await;
    let mut socket = world.open();
    for _ in 0..100 {
        socket.subscribe(world.submit(world.own).await).await;
    }
    assert_eq!((socket.said().len(), socket.close()), (100, None));
    socket.subscribe(world.submit(world.own).await).await;
    socket.ended().await;
    assert_eq!(socket.close(), Some(close_code::TOO_MANY));

    let mut socket = world.open_with(|config| config.messages_per_second = 20);
    let job = world.submit(world.own).await;
    for _ in 0..10 {
        for _ in 0..20 {
            socket.subscribe(job).await;
        }
        tokio::time::sleep(Duration::from_secs(1)).await;
    }
    assert_eq!(socket.close(), None, "20 a second are allowed, and the same job again is one subscription");
    for _ in 0..25 {
        socket.subscribe(job).await;
    }
    socket.ended().await;
    assert_eq!(socket.close(), Some(close_code::TOO_MANY));
}

#[actix::test]
async fn a_client_that_asks_for_nothing_is_closed() {
    let world = World::new().await;
    let mut socket = world.open();
    tokio::time::sleep(Duration::from_secs(9)).await;
    assert_eq!(socket.close(), None);
    assert_eq!(socket.ended().await, Exit::Done);
    assert_eq!(socket.close(), Some(close_code::POLICY));
}

#[actix::test]
async fn a_client_that_answers_pings_stays_and_one_that_does_not_is_cut() {
    let world = World::new().await;
    let job = world.submit(world.own).await;
    let mut socket = world.open();
    socket.subscribe(job).await;
    tokio::time::sleep(Duration::from_secs(3_600)).await;
    assert_eq!(socket.close(), None);
    socket.pump.lock().unwrap().mute = true;
    tokio::time::sleep(Duration::from_secs(36)).await;
    assert_eq!(socket.ended().await, Exit::Done);
    assert!(socket.was_cut.load(Ordering::Relaxed));
}

#[actix::test]
async fn a_slow_reader_gets_the_newest_states_and_one_that_is_too_slow_is_cut() {
    let world = World::new().await;
    let job = world.submit(world.own).await;
    let socket = world.open_with(|config| config.credit_window = 2);
    socket.subscribe(job).await;
    socket.pump.lock().unwrap().not_reading = true;
    world.run_next(50).await;
    settle().await;
    assert_eq!(socket.said().len(), 3, "the snapshot and the window");
    socket.pump.lock().unwrap().not_reading = false;
    socket.events.tell(SocketEvent::Sent(2)).unwrap();
    settle().await;
    let said = socket.said();
    assert_eq!(said.len(), 1, "the states in between are of no use any more: {said:?}");
    assert_eq!(state(&said[0]).status, JobStatus::Done);

    let mut socket = world.open_with(|config| {
        config.credit_window = 2;
        config.outbox_bytes = 2_000;
    });
    socket.text(&format!(r#"{{"op":"subscribe","captions":"{job}"}}"#)).await;
    socket.pump.lock().unwrap().not_reading = true;
    for seq in 0..60 {
        world.say(job, seq, true).await;
    }
    assert_eq!(socket.ended().await, Exit::Done);
    assert!(socket.was_cut.load(Ordering::Relaxed));
}

#[actix::test]
async fn an_index_that_fails_is_said_and_the_socket_goes_on() {
    let world = World::new().await;
    let job = world.submit(world.own).await;
    let socket = world.open();
    world.store.fail_next(1);
    socket.subscribe(job).await;
    let said = socket.said();
    assert!(
        matches!(&said[..], [ServerMessage::Error { code: ErrorCode::StorageUnavailable, .. }]),
        "{said:?}"
    );
    world.bus.set_broken(true);
    socket.subscribe(job).await;
    assert!(matches!(&socket.said()[..], [ServerMessage::Error { code: ErrorCode::Internal, .. }]));
    world.bus.set_broken(false);
    socket.subscribe(job).await;
    assert!(matches!(&socket.said()[..], [ServerMessage::Snapshot(_)]));
}

#[actix::test]
async fn a_stopping_server_says_1001_and_a_lost_socket_ends() {
    let world = World::new().await;
    let mut socket = world.open();
    socket.leave.tell(Leave(close_code::GOING_AWAY)).unwrap();
    assert_eq!(socket.ended().await, Exit::Drained);
    assert_eq!(socket.close(), Some(close_code::GOING_AWAY));

    let mut socket = world.open();
    socket.events.tell(SocketEvent::Gone).unwrap();
    assert_eq!((socket.ended().await, socket.close()), (Exit::Done, None));
    let mut socket = world.open();
    socket.gate.mark_gone();
    assert_eq!(socket.ended().await, Exit::Done);
}

#[actix::test]
async fn any_history_of_subscriptions_shows_states_that_grow_to_the_last() {
    for seed in 0..100 {
        eprintln!("history of seed {seed}");
        history(seed).await;
    }
}

async fn history(seed: u64) {
    let mut random = Random::new(seed);
    let world = if seed == 0 { World::new().await } else { World::on_stopped_clocks().await };
    let socket = world.open();
    let mut jobs = vec![world.submit(world.own).await];
    let mut said = Vec::new();
    for _ in 0..40 {
        let job = jobs[random.below(jobs.len() as u64) as usize];
        match random.below(6) {
            0 => jobs.push(world.submit(world.own).await),
            1 if world.store.queued().await.unwrap() > 0 => {
                world.run_next(random.below(4) as u16).await;
            }
            2 => socket.subscribe(job).await,
            3 => socket.unsubscribe(job).await,
            4 => socket.text(r#"{"op":"subscribe","jobs":"all"}"#).await,
            _ => settle().await,
        }
        said.extend(socket.said());
    }
    socket.text(r#"{"op":"subscribe","jobs":"all"}"#).await;
    said.extend(socket.said());
    assert_growing(&said);
    assert_eq!(socket.close(), None);
    for job in jobs {
        let last = said.iter().map(state).rfind(|state| state.job == job);
        assert_eq!(last, Some(&state_of(&world.store.row(job).unwrap())), "seed {seed}");
    }
}
