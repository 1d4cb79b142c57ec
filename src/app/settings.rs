//! The configuration in the terms of each part. Plain mapping, no decisions.

use crate::app::ServeError;
use crate::auth::oidc::{OidcLogin, OidcSettings, OidcSetupError};
use crate::auth::{AuthSettings, HashCost, RegistrationPolicy};
use crate::callbacks::CallbackPolicy;
use crate::config::{Config, Mode, Registration};
use crate::http::doors::Doors;
use crate::http::limits::{RateLimiter, RateLimits};
use crate::http::origin::Origins;
use crate::http::proxies::TrustedProxies;
use crate::http::state::HttpLimits;
use crate::http::upload::UploadPlaces;
use sottovoce_actors::callbacks::CallbackConfig;
use sottovoce_actors::credential_watch::WatchConfig;
use sottovoce_actors::dispatcher::DispatcherConfig;
use sottovoce_actors::engine_pool::{AdmissionConfig, PoolConfig};
use sottovoce_actors::janitor::JanitorConfig;
use sottovoce_actors::job::JobConfig;
use sottovoce_actors::segment::SegmentConfig;
use sottovoce_actors::session::liveness::LivenessConfig;
use sottovoce_actors::session::params::LiveConfig;
use sottovoce_actors::status::StatusConfig;
use sottovoce_actors::supervise::Backoff;
use sottovoce_engine::{EmbeddedModel, EngineOptions};
use sottovoce_protocol::ids::{ModelId, NodeId};
use std::net::SocketAddr;
use std::time::Duration;

/// What a stream whose credential was revoked may still take: it is closed within 2 s of the revocation, of which
/// `auth.recheck_ms` may pass unnoticed.
const REVOKED_TIMEOUT: Duration = Duration::from_millis(500);
/// How often expired credentials are forgotten and the content of deleted accounts is deleted.
const FORGET_EVERY: Duration = Duration::from_secs(60);
/// How long an ended login is kept, so that its stolen refresh tokens are still recognised.
const KEEP_SESSIONS: Duration = Duration::from_secs(7 * 24 * 3600);

/// Uploads at the same time, of all accounts: each holds a connection and a file.
const UPLOADS_AT_ONCE: usize = 64;

/// Frames in flight to one client.
const CREDIT_WINDOW: u32 = 64;
/// Bytes that may wait for one client beyond the window.
const OUTBOX_BYTES: usize = 256 * 1024;
/// Finals of one channel that may wait for the engine before its socket is not read.
const MAX_PENDING_FINALS: usize = 4;

const fn ms(value: u64) -> Duration {
    Duration::from_millis(value)
}

fn frames(value_ms: u64) -> u32 {
    SegmentConfig::frames(u32::try_from(value_ms).unwrap_or(u32::MAX))
}

pub(super) fn engine_options(config: &Config) -> Result<EngineOptions, ServeError> {
    let models: Result<Vec<_>, _> = config
        .models
        .load
        .iter()
        .map(|name| {
            EmbeddedModel::named(name).ok_or_else(|| {
                ServeError::Models(format!("models.load names `{name}`, which is no speech model"))
            })
        })
        .collect();
    Ok(EngineOptions { models: models?, ..EngineOptions::default() })
}

pub(super) fn pool(config: &Config) -> PoolConfig {
    PoolConfig {
        workers: config.engine.worker_count(),
        listeners: config.engine.listen_threads.max(1),
        batch_patience: ms(config.engine.batch_patience_ms),
        admission: AdmissionConfig {
            max_streams: u32::try_from(config.engine.max_streams).unwrap_or(u32::MAX),
            target_utilisation: config.engine.target_utilisation as f32,
            ..AdmissionConfig::default()
        },
        ..PoolConfig::default()
    }
}

pub(super) fn live(config: &Config) -> LiveConfig {
    let live = &config.live;
    LiveConfig {
        liveness: LivenessConfig {
            idle_timeout: ms(live.idle_timeout_ms),
            ping_interval: ms(live.ping_interval_ms),
            pong_timeout: ms(live.pong_timeout_ms),
            stall_timeout: ms(live.slow_reader_timeout_ms),
        },
        segment: SegmentConfig {
            start_probability: live.start_probability as f32,
            end_probability: live.end_probability as f32,
            start_frames: 3,
            pre_roll_frames: frames(250),
            post_roll_frames: frames(200),
            pause_frames: frames(live.pause_ms),
            pause_late_frames: frames(live.pause_late_ms),
            late_from_frames: frames(live.max_utterance_ms / 3),
            max_frames: frames(live.max_utterance_ms),
            look_back_frames: frames(700),
        },
        interim_step: ms(live.interim_step_ms),
        interim_late_step: ms(live.interim_step_late_ms),
        interim_late_after: ms(live.late_after_ms),
        silence_report: ms(live.silence_report_ms),
        final_within: ms(1_000),
        interim_within: ms(live.interim_step_ms),
        max_pending_finals: MAX_PENDING_FINALS,
        credit_window: CREDIT_WINDOW,
        outbox_bytes: OUTBOX_BYTES,
        heartbeat: ms(live.heartbeat_ms),
        lease: ms(live.lease_ms),
        settle_timeout: ms(live.settle_timeout_ms),
        drain_timeout: ms(live.drain_timeout_ms),
        revoked_timeout: REVOKED_TIMEOUT,
        max_session: Duration::from_secs(live.max_session_hours * 3600),
    }
}

pub(super) fn status(config: &Config) -> StatusConfig {
    StatusConfig {
        ping_interval: ms(config.status.ping_interval_ms),
        pong_timeout: ms(config.status.pong_timeout_ms),
        first_message: ms(config.status.first_message_ms),
        messages_per_second: config.status.messages_per_second,
        subscriptions: config.status.subscriptions_per_socket,
        credit_window: CREDIT_WINDOW,
        outbox_bytes: OUTBOX_BYTES,
    }
}

pub(super) fn dispatcher(config: &Config, node: NodeId, lone_node: bool) -> DispatcherConfig {
    let concurrency = match config.jobs.concurrency {
        0 => config.engine.worker_count(),
        jobs => jobs,
    };
    DispatcherConfig {
        node,
        lone_node,
        concurrency,
        // Work of the engine is shared out by pieces, so a job more costs the others their share and no more.
        guests: concurrency,
        poll_every: ms(config.jobs.poll_ms),
        sweep_every: ms(config.jobs.lease_ms / 2),
        sweep_limit: 100,
    }
}

pub(super) fn job(config: &Config) -> JobConfig {
    JobConfig {
        lease: ms(config.jobs.lease_ms),
        heartbeat_every: ms(config.jobs.heartbeat_ms),
        stall_after: Duration::from_secs(300),
        max_audio_s: config.limits.decoded_seconds,
        max_text_bytes: config.limits.text_bytes,
        lanes: 2,
        unit_within: Duration::from_secs(60),
        retry: Backoff { first: ms(config.jobs.backoff_first_ms), most: ms(config.jobs.backoff_most_ms) },
        settle: Backoff { first: ms(500), most: ms(10_000) },
        settle_tries: 8,
        segment: SegmentConfig { max_frames: frames(config.jobs.max_utterance_ms), ..JobConfig::SEGMENT },
        default_model: ModelId::new(&config.models.default),
        default_language: "en".into(),
        engine: "embedded".into(),
    }
}

pub(super) fn callback_policy(config: &Config) -> CallbackPolicy {
    CallbackPolicy::new(&config.callbacks.allowed_origins, config.callbacks.allow_private)
}

pub(super) fn callbacks(config: &Config) -> CallbackConfig {
    let callbacks = &config.callbacks;
    CallbackConfig {
        poll_every: ms(callbacks.poll_ms),
        timeout: ms(callbacks.timeout_ms),
        max_attempts: callbacks.max_attempts,
        backoff: Backoff { first: ms(callbacks.backoff_first_ms), most: ms(callbacks.backoff_most_ms) },
    }
}

pub(super) fn janitor(config: &Config) -> JanitorConfig {
    JanitorConfig {
        garbage_every: Duration::from_secs(10),
        orphans_every: Duration::from_secs(3600),
        orphan_grace: Duration::from_secs(24 * 3600),
        events_every: Duration::from_secs(3600),
        events_kept: Duration::from_secs(7 * 24 * 3600),
        jobs_every: Duration::from_secs(60),
        jobs_kept: config.jobs.kept(),
    }
}

pub(super) fn auth(config: &Config, bound: SocketAddr) -> AuthSettings {
    const HOUR_MS: u64 = 3_600_000;
    let auth = &config.auth;
    let signed = |value: u64| i64::try_from(value).unwrap_or(i64::MAX);
    let public = config.http.public_url.trim_end_matches('/');
    AuthSettings {
        registration: match auth.registration() {
            Registration::Open => RegistrationPolicy::Open,
            Registration::Invite => RegistrationPolicy::Invite,
            Registration::Closed => RegistrationPolicy::Closed,
        },
        access_token_ms: signed(auth.access_token_ms),
        refresh_idle_ms: signed(auth.refresh_idle_hours * HOUR_MS),
        refresh_absolute_ms: signed(auth.refresh_absolute_hours * HOUR_MS),
        refresh_grace_ms: signed(auth.refresh_grace_ms),
        recent_login_ms: signed(auth.recent_login_ms),
        ticket_ms: signed(auth.ticket_ms),
        link_ms: signed(auth.link_ms),
        verify_email: auth.verify_email,
        password_min_chars: auth.password_min_chars,
        keys_per_account: auth.keys_per_account,
        base_url: config.http.base_url(bound),
        secure_cookies: config.mode == Mode::Production || public.starts_with("https://"),
    }
}

pub(super) fn hash_cost(config: &Config) -> HashCost {
    HashCost {
        memory_kib: config.auth.argon2_memory_kib,
        passes: config.auth.argon2_passes,
        at_once: config.auth.hashes_at_once,
    }
}

/// `None`: no provider is configured.
pub(super) fn oidc(config: &Config) -> Result<Option<OidcLogin>, OidcSetupError> {
    let oidc = &config.oidc;
    if !oidc.is_on() {
        return Ok(None);
    }
    let login = OidcLogin::new(OidcSettings {
        issuer: oidc.issuer.clone(),
        client_id: oidc.client_id.clone(),
        client_secret: oidc.client_secret.expose().to_owned(),
        scopes: oidc.scopes.clone(),
        redirect_uri: format!("{}/auth/oidc/callback", config.http.public_url.trim_end_matches('/')),
        login_ms: i64::try_from(oidc.login_ms).unwrap_or(i64::MAX),
        timeout: ms(oidc.timeout_ms),
    });
    login.map(Some)
}

pub(super) fn watch(config: &Config) -> WatchConfig {
    WatchConfig {
        recheck_every: ms(config.auth.recheck_ms),
        forget_every: FORGET_EVERY,
        keep_sessions: KEEP_SESSIONS,
        keep_audit: Duration::from_secs(config.auth.audit_days * 24 * 3600),
    }
}

pub(super) fn http_limits(config: &Config) -> HttpLimits {
    let limits = &config.limits;
    HttpLimits {
        max_upload_bytes: limits.upload_bytes,
        max_text_bytes: limits.text_bytes,
        max_audio_s: limits.decoded_seconds,
        upload_idle: ms(limits.upload_idle_ms),
        upload_min_bytes_per_s: limits.upload_min_bytes_per_s,
        upload_window: Duration::from_secs(30),
        probe_timeout: Duration::from_secs(5),
        max_queued_jobs: limits.queued_jobs_per_account,
        max_attempts: config.jobs.max_attempts,
        idempotency_ttl: Duration::from_secs(24 * 3600),
        jobs_kept: config.jobs.kept(),
    }
}

pub(super) fn uploads(config: &Config) -> UploadPlaces {
    UploadPlaces::new(UPLOADS_AT_ONCE, config.limits.uploads_per_account)
}

pub(super) fn doors(config: &Config) -> Doors {
    let doors = &config.doors;
    Doors {
        answer_within: ms(doors.answer_timeout_ms),
        look_every: ms(doors.look_ms),
        keep_jobs: doors.keep_jobs,
        default_model: ModelId::new(&config.models.default),
        waiting: UploadPlaces::new(doors.waiting, doors.waiting_per_account),
    }
}

/// 0 stands for what the machine admits.
pub(super) fn streams_per_account(config: &Config) -> u64 {
    match config.limits.streams_per_account {
        0 => u64::MAX,
        limit => limit as u64,
    }
}

pub(super) fn rates(config: &Config) -> RateLimiter {
    let limit = |count: u64| u32::try_from(count).unwrap_or(u32::MAX);
    RateLimiter::new(RateLimits {
        requests: limit(config.limits.requests_per_minute),
        logins: limit(config.limits.logins_per_minute),
        refreshes: limit(config.limits.refreshes_per_minute),
        submits: limit(config.limits.submits_per_minute),
        letters: limit(config.limits.letters_per_hour),
    })
}

pub(super) fn proxies(config: &Config) -> TrustedProxies {
    TrustedProxies::listed(config.http.trusted_proxies.iter().map(String::as_str))
}

pub(super) fn origins(config: &Config, bound: SocketAddr) -> Origins {
    let listed = config.http.allowed_origins.iter().map(String::as_str);
    match config.mode {
        Mode::Embedded => Origins::listed(listed.chain([config.http.public_url.as_str()])).with_own(bound),
        Mode::Production => Origins::listed(listed),
    }
}
