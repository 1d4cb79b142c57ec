//! The watch in virtual time: what a revocation, an expiry or a sick index does to open sockets.

use super::scripted::{Mood, ScriptedIdentity};
use super::*;
use crate::mailbox::Tell;
use crate::ports::identity::Credential;
use crate::ports::store::{NewJob, StorageRef};
use crate::sessions::{Holder, Place};
use crate::socket::messages::Leave;
use crate::testkit::VirtualClock;
use futures_util::FutureExt;
use sottovoce_protocol::close_code::{self, Close};
use sottovoce_protocol::ids::{AccountId, ApiKeyId, JobId, SessionId};
use sottovoce_protocol::jobs::{JobParams, JobType};
use std::sync::Mutex;
use std::sync::atomic::Ordering;
use tokio::sync::Notify;
use tokio::time::{advance, sleep};
use uuid::Uuid;

const T0: EpochMs = EpochMs(1_800_000_000_000);
const RECHECK: Duration = Duration::from_secs(1);
const CONFIG: WatchConfig = WatchConfig {
    recheck_every: RECHECK,
    forget_every: Duration::from_secs(60),
    keep_sessions: Duration::from_secs(7 * 24 * 3600),
    keep_audit: Duration::from_secs(365 * 24 * 3600),
};

fn account(n: u128) -> AccountId {
    AccountId::from_uuid(Uuid::from_u128(n))
}

fn key(n: u128) -> Credential {
    Credential::Key(ApiKeyId::from_uuid(Uuid::from_u128(n)))
}

fn login(n: u128) -> Credential {
    Credential::Session(SessionId::from_uuid(Uuid::from_u128(n)))
}

fn holder(of: u128, credential: Credential) -> Holder {
    Holder { account: account(of), credential, expires_at: None }
}

type Told = Arc<Mutex<Vec<Close>>>;

/// The actor of a socket: notes how it was told to end; takes no message before it is let.
struct Socket {
    told: Told,
    begins: Option<Arc<Notify>>,
}

impl Actor for Socket {
    type Context = Context<Self>;

    fn started(&mut self, ctx: &mut Self::Context) {
        ctx.set_mailbox_capacity(1);
        if let Some(begins) = self.begins.take() {
            ctx.wait(async move { begins.notified().await }.into_actor(self));
        }
    }
}

impl Handler<Leave> for Socket {
    type Result = ();

    fn handle(&mut self, leave: Leave, _: &mut Self::Context) {
        self.told.lock().unwrap().push(leave.0);
    }
}

struct World {
    identity: Arc<ScriptedIdentity>,
    clock: VirtualClock,
    sockets: Sessions,
    watch: Addr<CredentialWatch>,
    exit: Arc<Mutex<Option<Exit>>>,
}

/// An open socket, until it is dropped.
struct Open {
    told: Told,
    _place: Place,
}

impl Open {
    fn told(&self) -> Vec<Close> {
        self.told.lock().unwrap().clone()
    }

    fn is_over(&self) -> bool {
        self.told().contains(&close_code::SESSION_OVER)
    }
}

impl World {
    async fn new() -> Self {
        Self::with(ScriptedIdentity::default()).await
    }

    async fn with(identity: ScriptedIdentity) -> Self {
        tokio::time::pause();
        let (identity, clock, sockets) = (Arc::new(identity), VirtualClock::at(T0), Sessions::default());
        let ports = WatchPorts {
            identity: identity.clone(),
            store: Arc::new(identity.store.clone()),
            clock: Arc::new(clock),
        };
        let exit = Arc::new(Mutex::new(None));
        let noted = exit.clone();
        let guard = ExitGuard::new(move |exit| *noted.lock().unwrap() = Some(exit));
        let watch = CredentialWatch::new(ports, CONFIG, vec![sockets.clone()], guard).start();
        let world = Self { identity, clock, sockets, watch, exit };
        world.pass(Duration::ZERO).await;
        world
    }

    /// Lets time go by and what is due happen.
    async fn pass(&self, time: Duration) {
        advance(time).await;
        sleep(Duration::from_millis(1)).await;
    }

    fn end(&self, ended: Ended) {
        self.identity.ended.lock().unwrap().push((self.clock.now(), ended));
    }

    fn set(&self, mood: Mood) {
        *self.identity.mood.lock().unwrap() = mood;
    }

    fn open(&self, holder: Holder) -> Open {
        let (place, told) = (self.sockets.enter(holder, 9).unwrap(), Told::default());
        place.on_leave(Tell::to(Socket { told: told.clone(), begins: None }.start()));
        Open { told, _place: place }
    }
}

#[actix::test]
async fn sockets_end_within_a_recheck_of_a_revocation() {
    let world = World::new().await;
    let (stays, by_key, by_login) =
        (world.open(holder(1, key(1))), world.open(holder(1, key(2))), world.open(holder(2, login(1))));
    world.pass(RECHECK * 3).await;
    assert!(!by_key.is_over() && !by_login.is_over(), "nothing has ended yet");
    world.end(Ended::Credential(key(2)));
    world.end(Ended::Credential(login(1)));
    world.pass(RECHECK).await;
    assert!(by_key.is_over() && by_login.is_over());
    world.pass(RECHECK * 100).await;
    assert_eq!(stays.told(), [], "another key of the same account goes on");
}

#[actix::test]
async fn an_account_that_ends_ends_all_its_sockets() {
    let world = World::new().await;
    let (one, two) = (world.open(holder(1, key(1))), world.open(holder(1, login(1))));
    let other = world.open(holder(2, key(2)));
    world.end(Ended::Account(account(1)));
    world.pass(RECHECK).await;
    assert!(one.is_over() && two.is_over());
    assert_eq!(other.told(), []);
}

#[actix::test]
async fn a_credential_that_expires_ends_its_socket() {
    let world = World::new().await;
    let at = |s: i64| Some(world.clock.now().plus_ms(s * 1000));
    let soon = world.open(Holder { expires_at: at(10), ..holder(1, key(1)) });
    let later = world.open(Holder { expires_at: at(3600), ..holder(1, key(2)) });
    world.pass(Duration::from_millis(9_900)).await;
    assert_eq!(soon.told(), []);
    world.pass(RECHECK + Duration::from_millis(100)).await;
    assert!(soon.is_over());
    assert_eq!(later.told(), []);
}

/// A handshake that began before the revocation may enter the register after the look that saw it.
#[actix::test]
async fn a_socket_that_comes_late_is_caught_too() {
    let world = World::new().await;
    world.end(Ended::Credential(key(1)));
    world.pass(Duration::from_secs(30)).await;
    let late = world.open(holder(1, key(1)));
    world.pass(RECHECK).await;
    assert!(late.is_over());

    // One that is told before its actor is there hears it when it is.
    let place = world.sockets.enter(holder(1, key(1)), 9).unwrap();
    world.pass(RECHECK).await;
    let told = Told::default();
    place.on_leave(Tell::to(Socket { told: told.clone(), begins: None }.start()));
    sleep(Duration::from_millis(1)).await;
    assert_eq!(*told.lock().unwrap(), [close_code::SESSION_OVER]);
}

#[actix::test]
async fn an_index_that_fails_is_asked_again() {
    let world = World::new().await;
    let revoked = world.open(holder(1, key(1)));
    let expires = Some(world.clock.now().plus_ms(5_000));
    let expiring = world.open(Holder { expires_at: expires, ..holder(1, key(2)) });
    world.set(Mood::Failing);
    world.end(Ended::Credential(key(1)));
    for _ in 0..20 {
        world.pass(RECHECK).await;
    }
    assert_eq!(revoked.told(), [], "nobody knows of it");
    assert!(expiring.is_over(), "what expires by itself needs no index");
    world.set(Mood::Well);
    world.pass(RECHECK).await;
    assert!(revoked.is_over());
}

#[actix::test]
async fn an_index_that_hangs_is_given_up_and_asked_again() {
    let world = World::new().await;
    let revoked = world.open(holder(1, key(1)));
    world.set(Mood::Hanging);
    world.end(Ended::Credential(key(1)));
    world.pass(RECHECK).await;
    world.set(Mood::Well);
    world.pass(RECHECK * 2).await;
    assert_eq!(revoked.told(), [], "the look that hangs is waited for");
    world.pass(LOOK_WITHIN - RECHECK * 2).await;
    world.pass(RECHECK).await;
    assert!(revoked.is_over());
}

#[actix::test]
async fn a_full_mailbox_is_told_again() {
    let world = World::new().await;
    let (begins, told) = (Arc::new(Notify::new()), Told::default());
    let socket = Socket { told: told.clone(), begins: Some(begins.clone()) }.start();
    let place = world.sockets.enter(holder(1, key(1)), 9).unwrap();
    sleep(Duration::from_millis(1)).await;
    place.on_leave(Tell::to(socket));
    // A drain has just told it to leave, and it has not come to reading that.
    assert!(world.sockets.drain().now_or_never().is_none());

    world.end(Ended::Credential(key(1)));
    world.pass(RECHECK * 3).await;
    begins.notify_one();
    sleep(Duration::from_millis(1)).await;
    assert_eq!(*told.lock().unwrap(), [close_code::GOING_AWAY], "there was no room for more");
    world.pass(RECHECK).await;
    assert_eq!(*told.lock().unwrap(), [close_code::GOING_AWAY, close_code::SESSION_OVER]);
}

fn new_job(n: u128) -> NewJob {
    let id = JobId::from_uuid(Uuid::from_u128(n));
    NewJob {
        id,
        account: account(1),
        params: JobParams {
            job_type: JobType::Transcription,
            language: None,
            detect_language: None,
            target_language: None,
            model: None,
            multichannel: None,
            callback_url: None,
            priority: None,
        },
        input: StorageRef(format!("{id}/input")),
        file_name: None,
        max_attempts: 3,
        max_queued: 10_000,
        idempotency: None,
        now: T0,
    }
}

#[actix::test]
async fn deleted_accounts_lose_their_jobs_and_what_has_expired_is_forgotten_in_batches() {
    let identity = ScriptedIdentity::default();
    identity.store.add_account(account(1));
    for n in 0..u128::from(BATCH) + 7 {
        let new = new_job(n);
        identity.deleted_jobs.lock().unwrap().push((new.account, new.id));
        identity.store.submit(new).await.unwrap();
    }
    *identity.to_forget.lock().unwrap() = u64::from(BATCH) * 2 + 3;
    let world = World::with(identity).await;
    assert_eq!(world.identity.store.queued().await.unwrap(), 0, "all of them, in more than one batch");
    let forgotten = world.identity.forgotten.lock().unwrap().clone();
    assert_eq!(forgotten.len(), 3, "until a batch is not full");
    let day_ms = 24 * 3_600_000;
    assert_eq!(forgotten[0], (T0, T0.plus_ms(-7 * day_ms), T0.plus_ms(-365 * day_ms)));

    world.pass(CONFIG.forget_every).await;
    assert_eq!(world.identity.forgotten.lock().unwrap().len(), 4, "again after a while");
}

#[actix::test]
async fn a_watch_that_is_told_to_stop_looks_no_more() {
    let world = World::new().await;
    world.pass(RECHECK).await;
    let looks = || world.identity.looks.load(Ordering::Relaxed);
    assert_eq!(looks(), 2);
    world.watch.send(StopWatching).await.unwrap();
    world.pass(RECHECK * 5).await;
    assert_eq!(looks(), 2);
    assert_eq!(*world.exit.lock().unwrap(), Some(Exit::Drained));
    assert!(!world.watch.connected());
}
