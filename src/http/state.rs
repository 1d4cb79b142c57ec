//! What handlers work with: ports, plain limits and the few values made at start. Built by `app.rs` only.

use crate::auth::access_token::TokenKeys;
use crate::auth::oidc::OidcLogin;
use crate::auth::{AuthSettings, Flows};
use crate::callbacks::CallbackPolicy;
use crate::http::cursor::CursorKey;
use crate::http::doors::Doors;
use crate::http::limits::RateLimiter;
use crate::http::origin::Origins;
use crate::http::proxies::TrustedProxies;
use crate::http::upload::UploadPlaces;
use crate::http::view::{Moment, view};
use sottovoce_actors::dispatcher::JobHint;
use sottovoce_actors::ports::bus::StatusBus;
use sottovoce_actors::ports::callback::CallbackQueue;
use sottovoce_actors::ports::clock::{Clock, Ids};
use sottovoce_actors::ports::engine::ModelInfo;
use sottovoce_actors::ports::files::FileStore;
use sottovoce_actors::ports::identity::Identity;
use sottovoce_actors::ports::media::MediaDecoder;
use sottovoce_actors::ports::store::{Job, Store};
use sottovoce_actors::ports::translator::LanguagePair;
use sottovoce_protocol::jobs::JobView;
use std::sync::Arc;
use std::time::Duration;

/// Quotas and sizes of the REST surface.
#[derive(Clone, Debug)]
pub struct HttpLimits {
    /// Largest upload, in bytes.
    pub max_upload_bytes: u64,
    /// Longest text to be translated, in bytes.
    pub max_text_bytes: u64,
    /// Longest audio, in seconds.
    pub max_audio_s: u64,
    /// An upload may be silent for so long.
    pub upload_idle: Duration,
    /// Slowest upload, measured over `upload_window` of waiting for the client; 0 switches it off.
    pub upload_min_bytes_per_s: u64,
    /// See `upload_min_bytes_per_s`.
    pub upload_window: Duration,
    /// How long looking at an uploaded file may take before it is queued unseen.
    pub probe_timeout: Duration,
    /// Queued jobs of an account.
    pub max_queued_jobs: u64,
    /// Attempts at a job.
    pub max_attempts: u32,
    /// How long an `Idempotency-Key` is remembered.
    pub idempotency_ttl: Duration,
    /// How long jobs are kept after their end; `None`: until their owner deletes them.
    pub jobs_kept: Option<Duration>,
}

/// Whether the server takes new work.
pub type Readiness = Arc<dyn Fn() -> Result<(), &'static str> + Send + Sync>;

/// Shared by all workers; cheap to clone.
#[derive(Clone)]
pub struct HttpState {
    /// Index of jobs.
    pub store: Arc<dyn Store>,
    /// Index of accounts and credentials.
    pub identity: Arc<dyn Identity>,
    /// Signs and checks access tokens.
    pub tokens: Arc<TokenKeys>,
    /// What the flows of accounts are set to.
    pub auth: Arc<AuthSettings>,
    /// The flows of accounts.
    pub flows: Flows,
    /// Login through a provider, where one is configured.
    pub oidc: Option<Arc<OidcLogin>>,
    /// Callbacks and what they are signed with.
    pub callbacks: Arc<dyn CallbackQueue>,
    /// Which addresses callbacks may have.
    pub callback_policy: Arc<CallbackPolicy>,
    /// Objects.
    pub files: Arc<dyn FileStore>,
    /// How long a download's link to the objects' own server is good; `None`: downloads are streamed.
    pub presigned: Option<Duration>,
    /// Status.
    pub bus: Arc<dyn StatusBus>,
    /// Decoders, for a look at uploads.
    pub media: Arc<dyn MediaDecoder>,
    /// Wall time.
    pub clock: Arc<dyn Clock>,
    /// Identifiers.
    pub ids: Arc<dyn Ids>,
    /// Tells the dispatcher; a lost hint costs a poll.
    pub hint: Arc<dyn Fn(JobHint) + Send + Sync>,
    /// Models that jobs may name.
    pub models: Arc<Vec<ModelInfo>>,
    /// Directions that one model translates.
    pub pairs: Arc<Vec<LanguagePair>>,
    /// Says why the server is not ready: not loaded yet, or stopping.
    pub ready: Readiness,
    /// Limits.
    pub limits: Arc<HttpLimits>,
    /// Browser origins that may call.
    pub origins: Arc<Origins>,
    /// Proxies whose word about a client's address is believed.
    pub proxies: Arc<TrustedProxies>,
    /// Counts requests.
    pub rates: Arc<RateLimiter>,
    /// Signs page cursors; one per data folder, so that cursors outlive a restart.
    pub cursor_key: CursorKey,
    /// Places for uploads.
    pub uploads: UploadPlaces,
    /// How the doors of `/v1` work.
    pub doors: Doors,
}

impl HttpState {
    /// Returns a job as its owner sees it now.
    pub fn view(&self, job: &Job) -> JobView {
        view(job, Moment { now: self.clock.now(), kept: self.limits.jobs_kept })
    }
}
