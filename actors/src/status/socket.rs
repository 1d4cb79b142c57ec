//! `StatusSocket`: one subscriber. Owns its subscriptions, timers and what waits to be sent; the row is the truth, the bus
//! only says that it changed.

use crate::job::state_of;
use crate::mailbox::Tell;
use crate::ports::bus::{BusItem, BusMessage, StatusBus, Subscription, Topic};
use crate::ports::store::{Job, JobQuery, Store, StoreError};
use crate::socket::ACTOR_MAILBOX;
use crate::socket::gate::Gate;
use crate::socket::messages::{Attach, FromPump, Leave, SocketEvent, ToPump};
use crate::socket::outbox::{Keep, Outbox};
use crate::status::rate::Rate;
use crate::status::subscriptions::{Age, Moment, Seen, topic};
use crate::supervise::{Exit, ExitGuard};
use actix::prelude::*;
use futures_util::stream;
use sottovoce_protocol::close_code::{self, Close};
use sottovoce_protocol::error_code::ErrorCode;
use sottovoce_protocol::ids::{AccountId, JobId};
use sottovoce_protocol::status::{Caption, ClientMessage, JobState, Op, ServerMessage};
use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;
use std::time::Duration;
use tokio::time::Instant;

/// Settings of all status sockets.
#[derive(Clone, Copy, Debug)]
pub struct StatusConfig {
    /// Pause between pings.
    pub ping_interval: Duration,
    /// A ping unanswered for so long ends the socket.
    pub pong_timeout: Duration,
    /// The first message must come within this.
    pub first_message: Duration,
    /// Messages a second that a client may send.
    pub messages_per_second: u32,
    /// Subscriptions a socket may hold.
    pub subscriptions: usize,
    /// Frames in flight to a client.
    pub credit_window: u32,
    /// Bytes that may wait for a client beyond the window.
    pub outbox_bytes: usize,
}

/// The ports a status socket uses.
#[derive(Clone)]
pub struct StatusPorts {
    /// The index.
    pub store: Arc<dyn Store>,
    /// The doorbell.
    pub bus: Arc<dyn StatusBus>,
}

/// Everything a status socket is born with.
pub struct StatusStart {
    /// Who subscribes.
    pub account: AccountId,
    /// The only job that may be followed, where the credential says so.
    pub only_job: Option<JobId>,
    /// Settings.
    pub config: StatusConfig,
    /// Ports.
    pub ports: StatusPorts,
    /// The gate of its socket.
    pub gate: Arc<Gate>,
    /// Cuts the connection when the peer no longer reads; must not block.
    pub cut: Box<dyn Fn() + Send>,
    /// Hears how the socket ended.
    pub exit: ExitGuard,
}

/// Jobs whose state is sent when a client subscribes to all.
const ALL_JOBS_SNAPSHOT: u32 = 100;

/// Pages of as many jobs that are read again where changes were lost.
const GAP_PAGES: u32 = 10;

/// Jobs that may wait to be read again.
const MAX_UNSURE: usize = 1_024;

/// How long a close frame may take to a client that reads too slowly.
const CLOSE_GRACE: Duration = Duration::from_secs(2);

/// One subscriber.
pub struct StatusSocket {
    account: AccountId,
    only_job: Option<JobId>,
    config: StatusConfig,
    ports: StatusPorts,
    gate: Arc<Gate>,
    cut: Box<dyn Fn() + Send>,
    exit: ExitGuard,
    pump: Option<Tell<ToPump>>,
    outbox: Outbox,
    seen: Seen,
    /// What is to be read again, one after the other; `None` stands for all jobs.
    unsure: BTreeSet<Option<JobId>>,
    reading: bool,
    subscriptions: HashMap<Topic, SpawnHandle>,
    rate: Rate,
    opened: Instant,
    spoke: bool,
    last_ping: Instant,
    unanswered_ping: Option<Instant>,
    /// The last close was said; only its grace is waited for.
    closing: bool,
}

impl StatusSocket {
    /// Runs a subscriber on the current arbiter. Its mailbox has its full size from the first moment: messages may come
    /// before the actor had its first turn.
    pub fn run(start: StatusStart) -> Addr<Self> {
        Self::create(|ctx| {
            ctx.set_mailbox_capacity(ACTOR_MAILBOX);
            Self::new(start)
        })
    }

    fn new(start: StatusStart) -> Self {
        let now = Instant::now();
        Self {
            outbox: Outbox::new(start.config.credit_window, start.config.outbox_bytes),
            rate: Rate::new(start.config.messages_per_second, now),
            account: start.account,
            only_job: start.only_job,
            config: start.config,
            ports: start.ports,
            gate: start.gate,
            cut: start.cut,
            exit: start.exit,
            pump: None,
            seen: Seen::default(),
            unsure: BTreeSet::new(),
            reading: false,
            subscriptions: HashMap::new(),
            opened: now,
            spoke: false,
            last_ping: now,
            unanswered_ping: None,
            closing: false,
        }
    }

    fn on_text(&mut self, text: &str, ctx: &mut Context<Self>) {
        self.spoke = true;
        if !self.rate.take(Instant::now()) {
            return self.close(close_code::TOO_MANY, ctx);
        }
        let message = match serde_json::from_str::<ClientMessage>(text) {
            Ok(message) => message,
            Err(error) => return self.refuse(ErrorCode::BadRequest, &error.to_string(), None, ctx),
        };
        let topic = match topic(&message, self.account) {
            Ok(topic) => topic,
            Err(code) => {
                let detail = "name exactly one of job, jobs or captions";
                return self.refuse(code, detail, message.job.or(message.captions), ctx);
            }
        };
        if self.only_job.is_some_and(|only| topic != Topic::Job(only) && topic != Topic::Captions(only)) {
            // What it may not follow is not told from what is not there.
            let job = message.job.or(message.captions);
            return self.refuse(ErrorCode::NotFound, detail_of(ErrorCode::NotFound), job, ctx);
        }
        if let Some(handle) = self.subscriptions.remove(&topic) {
            ctx.cancel_future(handle);
        }
        if let Topic::Job(job) = topic {
            self.seen.forget(job);
        }
        if message.op == Op::Unsubscribe {
            return;
        }
        if self.subscriptions.len() >= self.config.subscriptions {
            return self.close(close_code::TOO_MANY, ctx);
        }
        self.subscribe(topic, message.since, ctx);
    }

    /// Subscribes first and reads the row second, so that no change falls between the two.
    fn subscribe(&mut self, topic: Topic, since: Option<u64>, ctx: &mut Context<Self>) {
        let (ports, account, before) = (self.ports.clone(), self.account, self.seen.moment());
        let opening = async move {
            let replay_from = if matches!(topic, Topic::Captions(_)) { since } else { None };
            let subscription = ports.bus.subscribe(topic, replay_from).await.map_err(|error| {
                tracing::warn!(cause = %error, "a subscription could not be opened");
                ErrorCode::Internal
            })?;
            let jobs = match topic {
                Topic::Job(job) | Topic::Captions(job) => vec![read(&*ports.store, account, job).await?],
                Topic::Account(_) => read_all(&*ports.store, account, 1).await?,
            };
            Ok((jobs, subscription))
        };
        let handle = ctx.spawn(opening.into_actor(self).map(
            move |opened: Result<(Vec<Job>, Box<dyn Subscription>), ErrorCode>, actor, ctx| match opened {
                Ok((jobs, subscription)) => {
                    actor.opened(topic, since, (&jobs, before), subscription, ctx);
                }
                Err(code) => {
                    actor.subscriptions.remove(&topic);
                    let job = match topic {
                        Topic::Job(job) | Topic::Captions(job) => Some(job),
                        Topic::Account(_) => None,
                    };
                    actor.refuse(code, detail_of(code), job, ctx);
                }
            },
        ));
        self.subscriptions.insert(topic, handle);
    }

    fn opened(
        &mut self,
        topic: Topic,
        since: Option<u64>,
        (jobs, read_after): (&[Job], Moment),
        subscription: Box<dyn Subscription>,
        ctx: &mut Context<Self>,
    ) {
        let is_behind = |job: &Job| self.seen.is_behind(job.id, job.seq.0);
        if !self.seen.remembers_since(read_after) || jobs.iter().any(is_behind) {
            // Another subscription showed a later state while the rows were read, or may have: read them again.
            return self.subscribe(topic, since, ctx);
        }
        for job in jobs {
            let state = state_of(job);
            self.seen.note_row(&state);
            self.send(Keep::Always, &ServerMessage::Snapshot(state), ctx);
        }
        let items = stream::unfold(subscription, |mut subscription| async move {
            let item = subscription.next().await?;
            Some((item, subscription))
        });
        let follow = actix::fut::wrap_stream::<_, Self>(items)
            .map(move |item, actor, ctx| actor.on_item(topic, item, ctx))
            .finish()
            .map(move |(), actor, _| {
                actor.subscriptions.remove(&topic);
            });
        let handle = ctx.spawn(follow);
        self.subscriptions.insert(topic, handle);
    }

    fn on_item(&mut self, topic: Topic, item: BusItem, ctx: &mut Context<Self>) {
        match (topic, item) {
            (Topic::Captions(_), BusItem::Message(message)) => self.caption(&message, ctx),
            // A caption's place in the order tells the client of the gap.
            (Topic::Captions(_), BusItem::Gap) => {}
            (_, BusItem::Message(message)) => match serde_json::from_slice::<JobState>(&message.body) {
                Ok(state) => self.status(state, ctx),
                Err(error) => tracing::error!(cause = %error, "the bus carried no job state"),
            },
            (Topic::Job(job), BusItem::Gap) => self.read_again(Some(job), ctx),
            (Topic::Account(_), BusItem::Gap) => self.read_again(None, ctx),
        }
    }

    fn caption(&mut self, message: &BusMessage, ctx: &mut Context<Self>) {
        match serde_json::from_slice::<Caption>(&message.body) {
            Ok(caption) => {
                let keep = if caption.is_final {
                    Keep::Always
                } else {
                    Keep::NewestOf(key(caption.job, caption.channel))
                };
                self.send(keep, &ServerMessage::Caption(caption), ctx);
            }
            Err(error) => tracing::error!(cause = %error, "the bus carried no caption"),
        }
    }

    fn status(&mut self, state: JobState, ctx: &mut Context<Self>) {
        match self.seen.advance(&state) {
            Age::Newer => self.send_status(state, ctx),
            Age::Stale => {}
            Age::Unknown => self.read_again(Some(state.job), ctx),
        }
    }

    fn send_status(&mut self, state: JobState, ctx: &mut Context<Self>) {
        let keep = Keep::NewestOf(key(state.job, u16::MAX));
        self.send(keep, &ServerMessage::Status(state), ctx);
    }

    fn read_again(&mut self, job: Option<JobId>, ctx: &mut Context<Self>) {
        self.unsure.insert(job);
        if self.unsure.len() > MAX_UNSURE {
            return self.close(close_code::STATUS_SLOW, ctx);
        }
        self.read_next(ctx);
    }

    fn read_next(&mut self, ctx: &mut Context<Self>) {
        if self.reading {
            return;
        }
        let Some(job) = self.unsure.pop_first() else { return };
        self.reading = true;
        let (store, account, before) = (self.ports.store.clone(), self.account, self.seen.moment());
        let read = async move {
            match job {
                Some(job) => read(&*store, account, job).await.map(|job| vec![job]),
                None => read_all(&*store, account, GAP_PAGES).await,
            }
        };
        ctx.spawn(read.into_actor(self).map(move |jobs, actor, ctx| {
            actor.reading = false;
            if actor.closing {
                return;
            }
            match jobs {
                Ok(jobs) if actor.seen.remembers_since(before) => {
                    for state in jobs.iter().map(state_of) {
                        if actor.seen.note_row(&state) == Age::Newer {
                            actor.send_status(state, ctx);
                        }
                    }
                }
                Ok(_) => drop(actor.unsure.insert(job)),
                // Deleted meanwhile: there is nothing more to tell of it.
                Err(ErrorCode::NotFound) => {}
                // What changed is unknown: the client subscribes again, elsewhere or later.
                Err(_) => return actor.close(close_code::INTERNAL, ctx),
            }
            actor.read_next(ctx);
        }));
    }

    fn refuse(&mut self, code: ErrorCode, detail: &str, job: Option<JobId>, ctx: &mut Context<Self>) {
        self.send(Keep::Always, &ServerMessage::Error { code, detail: detail.to_owned(), job }, ctx);
    }

    fn send(&mut self, keep: Keep, message: &ServerMessage, ctx: &mut Context<Self>) {
        // Wire types hold strings, numbers and lists only: serialising them cannot fail.
        let text = serde_json::to_string(message).unwrap_or_default();
        if self.outbox.push(keep, text).is_err() {
            return self.close(close_code::STATUS_SLOW, ctx);
        }
        self.flush_outbox();
    }

    fn flush_outbox(&mut self) {
        let Some(pump) = &self.pump else { return };
        while let Some(text) = self.outbox.next() {
            // Within the credit window the pump has room; one that has closed reports itself as gone.
            let _ = pump.tell(ToPump::Text(text));
        }
    }

    fn tell_pump(&self, message: ToPump) {
        if let Some(pump) = &self.pump {
            let _ = pump.tell(message);
        }
    }

    fn close(&mut self, close: Close, ctx: &mut Context<Self>) {
        let is_alone = self.pump.is_none();
        self.tell_pump(ToPump::Close(close));
        self.exit.set(if close == close_code::GOING_AWAY { Exit::Drained } else { Exit::Done });
        self.pump = None;
        if is_alone {
            // Nobody can say it to the client.
            (self.cut)();
        }
        if is_alone || close != close_code::STATUS_SLOW {
            return ctx.stop();
        }
        self.closing = true;
        for (_, subscription) in self.subscriptions.drain() {
            ctx.cancel_future(subscription);
        }
        // The pump writes the close only if the peer reads again; then the connection is cut.
        ctx.run_later(CLOSE_GRACE, |actor, ctx| {
            (actor.cut)();
            ctx.stop();
        });
    }

    fn tick(&mut self, ctx: &mut Context<Self>) {
        const TICK: Duration = Duration::from_millis(500);
        ctx.run_later(TICK, |actor, ctx| actor.tick(ctx));
        let now = Instant::now();
        if self.gate.is_gone() {
            self.exit.set(Exit::Done);
            return ctx.stop();
        }
        if self.closing {
            return;
        }
        if !self.spoke && now - self.opened >= self.config.first_message {
            return self.close(close_code::POLICY, ctx);
        }
        if self.unanswered_ping.is_some_and(|since| now - since >= self.config.pong_timeout) {
            return self.close(close_code::STATUS_SLOW, ctx);
        }
        if self.unanswered_ping.is_none() && now - self.last_ping >= self.config.ping_interval {
            self.last_ping = now;
            self.unanswered_ping = Some(now);
            self.tell_pump(ToPump::Ping);
        }
    }
}

/// A key for what may be conflated: one a job and channel.
fn key(job: JobId, channel: u16) -> u64 {
    let (high, low) = job.as_uuid().as_u64_pair();
    high ^ low.rotate_left(17) ^ u64::from(channel)
}

fn detail_of(code: ErrorCode) -> &'static str {
    match code {
        ErrorCode::NotFound => "no such job",
        ErrorCode::StorageUnavailable => "the index does not answer, subscribe again in a moment",
        _ => "the subscription could not be opened, try again in a moment",
    }
}

async fn read(store: &dyn Store, account: AccountId, job: JobId) -> Result<Job, ErrorCode> {
    store.job(account, job).await.map_err(code_of)
}

async fn read_all(store: &dyn Store, account: AccountId, pages: u32) -> Result<Vec<Job>, ErrorCode> {
    let mut all: Vec<Job> = Vec::new();
    for _ in 0..pages {
        let before = all.last().map(|job| (job.created_at, job.id));
        let query = JobQuery { account, status: None, job_type: None, before, limit: ALL_JOBS_SNAPSHOT };
        let page = store.jobs(query).await.map_err(code_of)?;
        let last = page.len() < ALL_JOBS_SNAPSHOT as usize;
        all.extend(page);
        if last {
            break;
        }
    }
    Ok(all)
}

fn code_of(error: StoreError) -> ErrorCode {
    match error {
        StoreError::NotFound => ErrorCode::NotFound,
        error => {
            tracing::warn!(cause = %error, "a job could not be read for a subscriber");
            ErrorCode::StorageUnavailable
        }
    }
}

impl Actor for StatusSocket {
    type Context = Context<Self>;

    fn started(&mut self, ctx: &mut Self::Context) {
        self.tick(ctx);
    }
}

impl Handler<Attach> for StatusSocket {
    type Result = ();

    fn handle(&mut self, Attach(pump): Attach, _: &mut Self::Context) {
        self.pump = Some(pump);
        self.flush_outbox();
    }
}

impl Handler<FromPump> for StatusSocket {
    type Result = ();

    fn handle(&mut self, message: FromPump, ctx: &mut Self::Context) {
        self.tell_pump(ToPump::Taken);
        match message {
            FromPump::Text { text, wire_bytes } => {
                self.gate.release(wire_bytes);
                self.on_text(&text, ctx);
            }
            FromPump::Binary { .. } | FromPump::Empty => self.close(close_code::POLICY, ctx),
        }
    }
}

impl Handler<SocketEvent> for StatusSocket {
    type Result = ();

    fn handle(&mut self, event: SocketEvent, ctx: &mut Self::Context) {
        match event {
            SocketEvent::Pong => self.unanswered_ping = None,
            SocketEvent::Sent(frames) => {
                self.outbox.credit(frames);
                self.flush_outbox();
            }
            SocketEvent::Gone => {
                self.exit.set(Exit::Done);
                ctx.stop();
            }
        }
    }
}

impl Handler<Leave> for StatusSocket {
    type Result = ();

    fn handle(&mut self, Leave(close): Leave, ctx: &mut Self::Context) {
        self.close(close, ctx);
    }
}
