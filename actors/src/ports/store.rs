//! The index port of jobs and what they leave; accounts and credentials are `identity.rs`. Every verb is one whole
//! transaction, so that credits can join it later without a new verb's caller knowing. Content (audio, text) never
//! passes through here.

use async_trait::async_trait;
use sottovoce_protocol::error_code::ErrorCode;
use sottovoce_protocol::ids::{AccountId, ArtifactId, JobId, NodeId};
use sottovoce_protocol::jobs::{ArtifactKind, CallbackState, JobParams, JobStatus, JobType};

/// Milliseconds since the Unix epoch, UTC.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct EpochMs(pub i64);

impl EpochMs {
    /// Returns the instant `ms` later (earlier if negative).
    pub const fn plus_ms(self, ms: i64) -> Self {
        Self(self.0.saturating_add(ms))
    }
}

/// Names an object of the `FileStore`: a relative path of safe segments, never a client's file name.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct StorageRef(pub String);

/// Counts the claims of a job; a worker's writes carry the epoch of its claim and are refused once another has begun.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct LeaseEpoch(pub i64);

/// Sequence number of a job's state; grows with every change.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct StatusSeq(pub u64);

/// Progress in thousandths, 0..=1000.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Default)]
pub struct Permille(pub u16);

/// What the index knows of a job.
#[derive(Clone, PartialEq, Debug)]
pub struct Job {
    /// The id.
    pub id: JobId,
    /// Its owner.
    pub account: AccountId,
    /// What it does.
    pub job_type: JobType,
    /// Where it stands.
    pub status: JobStatus,
    /// Sequence number of this state.
    pub seq: StatusSeq,
    /// Progress.
    pub progress: Permille,
    /// Why it failed.
    pub error_code: Option<ErrorCode>,
    /// What was asked.
    pub params: JobParams,
    /// The upload, or a stream's segment log; `None` once the job has ended.
    pub input: Option<StorageRef>,
    /// The uploaded file's name, for show.
    pub file_name: Option<String>,
    /// Length of the audio, once known.
    pub duration_ms: Option<u64>,
    /// Attempts begun.
    pub attempt: u32,
    /// Attempts allowed.
    pub max_attempts: u32,
    /// Claims so far.
    pub epoch: LeaseEpoch,
    /// Its owner asked to stop it.
    pub cancel_requested: bool,
    /// Submitted at.
    pub created_at: EpochMs,
    /// When the running or last attempt began; `None` while the job waits.
    pub started_at: Option<EpochMs>,
    /// Ended at.
    pub completed_at: Option<EpochMs>,
    /// How telling its owner's address of the end goes.
    pub callback: Option<Callback>,
    /// What can be downloaded.
    pub artifacts: Vec<Artifact>,
}

/// What the index knows of the request to a job's `callback_url`.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Callback {
    /// What became of it.
    pub state: CallbackState,
    /// Attempts so far.
    pub attempts: u32,
    /// When it is tried next.
    pub next_at: Option<EpochMs>,
    /// The HTTP status of the last attempt.
    pub last_status: Option<u16>,
    /// What went wrong with it, as a stable word.
    pub last_error: Option<String>,
}

/// What the index knows of an artifact.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Artifact {
    /// The id.
    pub id: ArtifactId,
    /// The kind; one of each kind and language a job.
    pub kind: ArtifactKind,
    /// Language of a translation, empty otherwise.
    pub lang: String,
    /// Where its content is.
    pub storage: StorageRef,
    /// Size in bytes.
    pub size_bytes: u64,
    /// SHA-256 of the content, hex.
    pub sha256: String,
    /// Written at.
    pub created_at: EpochMs,
}

/// A job to be queued.
#[derive(Clone, Debug)]
pub struct NewJob {
    /// The id, made by the caller.
    pub id: JobId,
    /// Its owner.
    pub account: AccountId,
    /// What is asked.
    pub params: JobParams,
    /// The upload.
    pub input: StorageRef,
    /// The uploaded file's name.
    pub file_name: Option<String>,
    /// Attempts allowed.
    pub max_attempts: u32,
    /// Queue limit of the account; over it the answer is [`StoreError::TooManyJobs`].
    pub max_queued: u64,
    /// `Idempotency-Key` and the hash of the request it stands for.
    pub idempotency: Option<Idempotency>,
    /// Now.
    pub now: EpochMs,
}

/// A client's `Idempotency-Key` (scope: the account) with the hash of method, path, params and file.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Idempotency {
    /// 1–255 printable ASCII characters.
    pub key: String,
    /// SHA-256, hex.
    pub request_hash: String,
    /// Until when it is remembered.
    pub expires_at: EpochMs,
}

/// How a submission ended.
#[derive(Clone, PartialEq, Debug)]
pub enum Submitted {
    /// Queued now.
    New(Job),
    /// The same request came before; this is its job, and the new upload is not needed.
    Replayed(Job),
}

/// A live stream that begins now, already leased by this node.
#[derive(Clone, Debug)]
pub struct NewStream {
    /// The id, made by the caller.
    pub id: JobId,
    /// Its owner.
    pub account: AccountId,
    /// Model and language as asked; `job_type` is `Stream`.
    pub params: JobParams,
    /// Where its segment log grows; names its content after a crash.
    pub log: StorageRef,
    /// This process.
    pub node: NodeId,
    /// Lease end.
    pub lease_until: EpochMs,
    /// Now.
    pub now: EpochMs,
}

/// The holder of a job's lease: every write of a worker carries it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Lease {
    /// The job.
    pub job: JobId,
    /// The claim.
    pub epoch: LeaseEpoch,
}

/// Answer to a heartbeat.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Heartbeat {
    /// Go on.
    Held,
    /// The owner cancelled: stop and call `fail` with `Canceled`.
    CancelRequested,
}

/// A successful end.
#[derive(Clone, Debug)]
pub struct Finish {
    /// What was written; replaces nothing, a job ends once.
    pub artifacts: Vec<Artifact>,
    /// Length of the audio.
    pub duration_ms: u64,
    /// Now.
    pub now: EpochMs,
}

/// An unsuccessful end.
#[derive(Clone, Debug)]
pub struct Failure {
    /// Why.
    pub code: ErrorCode,
    /// What can be downloaded all the same (a cut-off stream's finals).
    pub artifacts: Vec<Artifact>,
    /// Length of the audio, if known.
    pub duration_ms: Option<u64>,
    /// Now.
    pub now: EpochMs,
}

/// Filter and place of a page of jobs.
#[derive(Clone, Debug)]
pub struct JobQuery {
    /// Owner.
    pub account: AccountId,
    /// Only this status.
    pub status: Option<JobStatus>,
    /// Only this type.
    pub job_type: Option<JobType>,
    /// Strictly older than this job in (created_at, id) order.
    pub before: Option<(EpochMs, JobId)>,
    /// At most this many.
    pub limit: u32,
}

/// What deleting a job did.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Deleted {
    /// It is gone.
    Gone,
    /// It runs; its worker will stop it within a heartbeat.
    Stopping,
}

/// A changed job, for the status bus.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Changed {
    /// The job.
    pub job: JobId,
    /// Its owner.
    pub account: AccountId,
    /// Its new sequence number.
    pub seq: StatusSeq,
}

/// Why the index refused or failed.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// No such row, or it belongs to another account.
    #[error("not found")]
    NotFound,
    /// The lease is another's, or the job has ended: the caller must drop its work.
    #[error("the lease is lost")]
    LeaseLost,
    /// The idempotency key stands for another request.
    #[error("idempotency key was used for another request")]
    IdempotencyMismatch,
    /// The account's queue is full.
    #[error("too many queued jobs")]
    TooManyJobs,
    /// The database is busy or unreachable; try again.
    #[error("the index is unavailable: {0}")]
    Unavailable(String),
    /// The database is broken or the statement is wrong.
    #[error("the index is broken: {0}")]
    Broken(String),
}

/// The index of jobs and artifacts.
#[async_trait]
pub trait Store: Send + Sync + 'static {
    /// Queues a job, or answers an earlier one for the same idempotency key.
    async fn submit(&self, job: NewJob) -> Result<Submitted, StoreError>;
    /// Opens a stream job in `processing`, leased.
    async fn open_stream(&self, stream: NewStream) -> Result<(Job, Lease), StoreError>;
    /// Leases a due job, if there is one: the accounts that have work take turns (those in `except` are passed over), and
    /// of its jobs each gives the one of the highest priority first, then the one that is due longest.
    async fn claim(
        &self,
        node: NodeId,
        lease_until: EpochMs,
        now: EpochMs,
        except: &[AccountId],
    ) -> Result<Option<(Job, Lease)>, StoreError>;
    /// Renews a lease and notes progress (never backwards) and the audio length if it became known; the sequence number
    /// grows if one of the two changed.
    async fn heartbeat(
        &self,
        lease: Lease,
        lease_until: EpochMs,
        progress: Permille,
        duration_ms: Option<u64>,
    ) -> Result<(Heartbeat, StatusSeq), StoreError>;
    /// Ends a job well; its input becomes garbage.
    async fn finish(&self, lease: Lease, finish: Finish) -> Result<Changed, StoreError>;
    /// Ends a job badly; its input becomes garbage.
    async fn fail(&self, lease: Lease, failure: Failure) -> Result<Changed, StoreError>;
    /// Puts a job back into the queue after a passing fault, due at `run_at`. One that its owner cancelled fails with
    /// `Canceled` instead. Whether attempts are left is the caller's to know.
    async fn retry(&self, lease: Lease, run_at: EpochMs, now: EpochMs) -> Result<Changed, StoreError>;
    /// Puts a job back into the queue because this node stops; the attempt is not counted. One that its owner cancelled
    /// fails with `Canceled` instead.
    async fn release(&self, lease: Lease, now: EpochMs) -> Result<Changed, StoreError>;
    /// Returns leases that ended before `now`, or that belong to another node when `only_node` says that no other can
    /// live (SQLite); each is moved to a fresh epoch held by `node` so that one caller alone deals with it.
    async fn take_over(
        &self,
        node: NodeId,
        lone_node: bool,
        lease_until: EpochMs,
        now: EpochMs,
        limit: u32,
    ) -> Result<Vec<(Job, Lease)>, StoreError>;

    /// Returns one job of an account; deleted ones are not found.
    async fn job(&self, account: AccountId, id: JobId) -> Result<Job, StoreError>;
    /// Returns a page of an account's jobs, newest first.
    async fn jobs(&self, query: JobQuery) -> Result<Vec<Job>, StoreError>;
    /// Deletes or cancels a job; what it stored becomes garbage. Again on a deleted or stopping one: the same answer,
    /// nothing changes.
    async fn delete(
        &self,
        account: AccountId,
        id: JobId,
        now: EpochMs,
    ) -> Result<(Deleted, Changed), StoreError>;
    /// Counts queued jobs, of all accounts.
    async fn queued(&self) -> Result<u64, StoreError>;

    /// Notes objects that nothing names (a lost attempt's output), to be deleted from `due_at` on. May be called before
    /// they are written: naming one (submit, finish, fail) takes it off again, and named ones are left alone.
    async fn add_garbage(&self, objects: Vec<StorageRef>, due_at: EpochMs) -> Result<(), StoreError>;
    /// Returns objects due for deletion, and puts each off by a minute: one that could not be deleted comes again, and
    /// two sweepers do not meet.
    async fn garbage(&self, now: EpochMs, limit: u32) -> Result<Vec<StorageRef>, StoreError>;
    /// Forgets a deleted object.
    async fn garbage_deleted(&self, object: &StorageRef) -> Result<(), StoreError>;
    /// Returns which of these objects no row names (neither input, log, artifact nor garbage): orphans of a crash.
    async fn unreferenced(&self, objects: Vec<StorageRef>) -> Result<Vec<StorageRef>, StoreError>;

    /// Forgets at most `limit` events (the log of a job's states) that are older than `before` and whose job ended before
    /// it; returns how many. The jobs stay as they are.
    async fn forget_events(&self, before: EpochMs, limit: u32) -> Result<u64, StoreError>;

    /// Deletes at most `limit` jobs that ended before `before`, as their owners would; those that ended first go first.
    async fn expire_jobs(
        &self,
        before: EpochMs,
        now: EpochMs,
        limit: u32,
    ) -> Result<Vec<Changed>, StoreError>;

    /// Answers if the index can be read and written.
    async fn ping(&self) -> Result<(), StoreError>;
}
