//! A running server: what `start` puts up, `stop` takes down in reverse, each step bounded.

use crate::app::{Ports, PortsError, secrets, settings};
use crate::auth::oidc::OidcSetupError;
use crate::auth::{Flows, PasswordError, Passwords};
use crate::callbacks::HttpCallbackSender;
use crate::config::{Config, Mode};
use crate::http::routes;
use crate::http::state::HttpState;
use crate::storage::{OpenError, ServingLock};
use crate::telemetry::{self, Gauges};
use crate::ws::conn;
use crate::ws::listen::LiveState;
use crate::ws::status::StatusState;
use actix::prelude::*;
use actix_web::dev::ServerHandle;
use actix_web::{App, HttpResponse, HttpServer, web};
use sottovoce_actors::callbacks::{CallbackPorts, Callbacks, StopCalling};
use sottovoce_actors::credential_watch::{CredentialWatch, StopWatching, WatchPorts};
use sottovoce_actors::dispatcher::{self, Dispatcher, JobHint};
use sottovoce_actors::engine_pool::EnginePool;
use sottovoce_actors::janitor::{Janitor, StopCleaning, SweepError, sweep_at_start};
use sottovoce_actors::job::JobPorts;
use sottovoce_actors::mailbox::Tell;
use sottovoce_actors::ports::engine::{Engine, Outcome, SAMPLE_RATE_HZ, TokenId, Unit, UnitKind};
use sottovoce_actors::ports::recogniser::Recogniser;
use sottovoce_actors::ports::store::Store;
use sottovoce_actors::session::SessionPorts;
use sottovoce_actors::sessions::Sessions;
use sottovoce_actors::status::StatusPorts;
use sottovoce_actors::supervise::{Exit, ExitGuard};
use sottovoce_protocol::ids::{ModelId, NodeId};
use std::net::{SocketAddr, TcpListener};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;
use tokio::sync::oneshot;

const WARM_UP_WITHIN: Duration = Duration::from_secs(10);

/// Why the server did not start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// An adapter.
    #[error(transparent)]
    Ports(#[from] PortsError),
    /// Another server uses the index, or it cannot be locked.
    #[error(transparent)]
    Index(#[from] OpenError),
    /// Cleaning up after the last run failed.
    #[error("cleaning up after the last run failed: {0}")]
    Sweep(#[from] SweepError),
    /// The cost of a password's hash.
    #[error(transparent)]
    Passwords(#[from] PasswordError),
    /// A listener.
    #[error("{address} cannot be listened on ({cause}); set {setting} to a free address")]
    Listen {
        /// What was asked for.
        address: SocketAddr,
        /// The system's words.
        cause: std::io::Error,
        /// The setting.
        setting: &'static str,
    },
    /// Login through a provider.
    #[error(transparent)]
    Oidc(#[from] OidcSetupError),
    /// The system refused threads or random numbers.
    #[error("the system refused resources: {0}")]
    System(std::io::Error),
}

/// Everything that runs.
pub struct Running {
    address: SocketAddr,
    metrics_address: Option<SocketAddr>,
    draining: Arc<AtomicBool>,
    servers: Vec<ServerHandle>,
    live_sessions: Sessions,
    status_sessions: Sessions,
    dispatcher: Tell<dispatcher::Drain>,
    janitor: Tell<StopCleaning>,
    watch: Tell<StopWatching>,
    callbacks: Option<Tell<StopCalling>>,
    arbiters: Vec<Arbiter>,
    pool: Arc<EnginePool>,
    ports: Ports,
    drain_within: Duration,
    _serving: ServingLock,
}

impl Running {
    /// Starts everything on a loaded engine. Must be called on an actix system.
    ///
    /// # Errors
    /// See [`StartError`]; what was started before the fault ends with the process.
    pub async fn start(config: &Config, engine: Arc<dyn Engine>) -> Result<Self, StartError> {
        Self::start_on(config, Ports::open(config, engine).await?).await
    }

    /// Starts everything on opened ports. Must be called on an actix system.
    ///
    /// # Errors
    /// See [`StartError`]; what was started before the fault ends with the process.
    pub async fn start_on(config: &Config, ports: Ports) -> Result<Self, StartError> {
        let serving = ports.index.lock_for_serving()?;
        let store = ports.index.store();
        if ports.index.is_lone_node() {
            let deleted = sweep_at_start(&*store, &*ports.files, &*ports.clock).await?;
            if deleted > 0 {
                tracing::info!(deleted, "objects left over by the last run deleted");
            }
        }
        let node = NodeId::from_uuid(ports.ids.uuid());
        let pool =
            EnginePool::start(ports.engine.clone(), settings::pool(config)).map_err(StartError::System)?;
        let pool = Arc::new(pool);
        let draining = Arc::new(AtomicBool::new(false));
        let (live_sessions, status_sessions) = (Sessions::default(), Sessions::default());

        let jobs = Arbiter::new();
        let dispatcher = start_dispatcher(config, &ports, node, pool.clone(), &jobs);
        let janitor = start_janitor(config, &ports, &jobs);
        let sockets = vec![live_sessions.clone(), status_sessions.clone()];
        let watch = start_watch(config, &ports, sockets, &jobs);

        let callbacks = start_callbacks(config, &ports, &jobs)?;

        let (listener, address) = listen(config.http.bind_address(), "http.bind")?;
        let http = http_state(config, &ports, address, draining.clone(), Tell::to(dispatcher.clone()))?;
        let live = live_state(config, &ports, node, pool.clone(), live_sessions.clone());
        let status = StatusState {
            config: settings::status(config),
            ports: StatusPorts { store: store.clone(), bus: ports.bus.clone() },
            sessions: status_sessions.clone(),
            max_message_bytes: config.status.max_message_bytes,
            sockets_per_account: config.limits.sockets_per_account as u64,
        };
        let mut servers = vec![serve_main(config, listener, http, live, status)?];
        let metrics = Metrics {
            pool: pool.clone(),
            live: live_sessions.clone(),
            status: status_sessions.clone(),
            store: store.clone(),
        };
        let metrics_address = match serve_metrics(config, metrics) {
            Ok((server, address)) => {
                tracing::info!(%address, "metrics");
                servers.push(server);
                Some(address)
            }
            Err(error) if config.mode == Mode::Embedded => {
                tracing::warn!(%error, "no metrics");
                None
            }
            Err(error) => return Err(error),
        };
        tracing::info!(%address, node.id = %node, capacity = pool.stats().capacity, "serving");
        Ok(Self {
            address,
            metrics_address,
            draining,
            servers,
            live_sessions,
            status_sessions,
            dispatcher: Tell::to(dispatcher),
            janitor: Tell::to(janitor),
            watch: Tell::to(watch),
            callbacks: callbacks.map(Tell::to),
            arbiters: vec![jobs],
            pool,
            ports,
            drain_within: Duration::from_millis(config.live.drain_timeout_ms),
            _serving: serving,
        })
    }

    /// Returns the address of the main listener.
    pub const fn address(&self) -> SocketAddr {
        self.address
    }

    /// Returns the address of the metrics listener, where there is one.
    pub const fn metrics_address(&self) -> Option<SocketAddr> {
        self.metrics_address
    }

    /// Has every worker recognise one unit of the greatest length, so that the first caption is as quick as any and the
    /// memory that units need is taken at the start, not little by little over hours.
    pub async fn warm_up(&self, config: &Config) {
        const DRAFT_TOKENS: u32 = 64;
        let samples = config.live.max_utterance_ms * u64::from(SAMPLE_RATE_HZ) / 1000;
        // Any sound will do; a slow sweep keeps the model from ending at once.
        let audio: Arc<[f32]> = (0..samples).map(|n| 0.1 * (n as f32 * n as f32 * 1e-6).sin()).collect();
        for kind in [UnitKind::Interim, UnitKind::Final] {
            let answers: Vec<_> = (0..config.engine.worker_count())
                .map(|_| {
                    let unit = Unit {
                        audio: audio.clone(),
                        draft: (100..100 + DRAFT_TOKENS).map(TokenId).collect(),
                        kind,
                        model: ModelId::new(&config.models.default),
                    };
                    self.pool.submit(self.pool.batch_key(), 0, unit, WARM_UP_WITHIN)
                })
                .collect();
            for answer in answers {
                if !matches!(answer.await, Ok(Outcome::Heard(_))) {
                    tracing::warn!("the engine did not warm up");
                }
            }
        }
    }

    /// Stops in order: no new work; streams settle and say goodbye; jobs go back to the queue; listeners, engine, index.
    /// Returns whether everything ended within its time.
    pub async fn stop(self) -> bool {
        let mut in_time = true;
        self.draining.store(true, Ordering::Release);
        // The listeners stay open until the end: who comes now is told to come back (503), not left in the backlog.
        let (reply, drained) = oneshot::channel();
        if self.dispatcher.tell(dispatcher::Drain { within: self.drain_within, reply }).is_ok() {
            match tokio::time::timeout(self.drain_within * 2, drained).await {
                Ok(Ok(drained)) if drained.cut == 0 => {}
                _ => {
                    in_time = false;
                    tracing::warn!("some jobs did not stop in time, their leases run out");
                }
            }
        }
        let sockets = async {
            tokio::join!(self.live_sessions.drain(), self.status_sessions.drain());
        };
        if tokio::time::timeout(self.drain_within * 2, sockets).await.is_err() {
            in_time = false;
            tracing::warn!(streams = self.live_sessions.count(), "some streams did not settle in time");
        }
        // Lost messages are made up for at the next start.
        let _ = self.janitor.tell(StopCleaning);
        let _ = self.watch.tell(StopWatching);
        if let Some(callbacks) = &self.callbacks {
            let _ = callbacks.tell(StopCalling);
        }
        for server in &self.servers {
            server.stop(true).await;
        }
        let (pool, within) = (self.pool.clone(), self.drain_within);
        if !tokio::task::spawn_blocking(move || pool.stop(within)).await.unwrap_or(false) {
            in_time = false;
            tracing::warn!("the engine did not stop in time");
        }
        for arbiter in self.arbiters {
            arbiter.stop();
        }
        self.ports.index.close().await;
        tracing::info!("stopped");
        in_time
    }
}

fn listen(address: SocketAddr, setting: &'static str) -> Result<(TcpListener, SocketAddr), StartError> {
    let failed = |cause| StartError::Listen { address, cause, setting };
    let listener = TcpListener::bind(address).map_err(failed)?;
    let bound = listener.local_addr().map_err(failed)?;
    Ok((listener, bound))
}

fn start_dispatcher(
    config: &Config,
    ports: &Ports,
    node: NodeId,
    pool: Arc<EnginePool>,
    arbiter: &Arbiter,
) -> Addr<Dispatcher> {
    let engine = ports.engine.clone();
    let job_ports = JobPorts {
        store: ports.index.store(),
        files: ports.files.clone(),
        bus: ports.bus.clone(),
        recogniser: pool,
        translator: ports.translator.clone(),
        voice: Arc::new(move || engine.voice_detector()),
        media: ports.media.clone(),
        clock: ports.clock.clone(),
        ids: ports.ids.clone(),
    };
    let dispatcher_config = settings::dispatcher(config, node, ports.index.is_lone_node());
    let job_config = settings::job(config);
    Dispatcher::start_in_arbiter(&arbiter.handle(), move |_| {
        Dispatcher::new(job_ports, dispatcher_config, job_config, guard("dispatcher"))
    })
}

fn start_janitor(config: &Config, ports: &Ports, arbiter: &Arbiter) -> Addr<Janitor> {
    let (store, files, clock) = (ports.index.store(), ports.files.clone(), ports.clock.clone());
    let janitor = settings::janitor(config);
    Janitor::start_in_arbiter(&arbiter.handle(), move |_| {
        Janitor::new(store, files, clock, janitor, guard("janitor"))
    })
}

/// None where the operator allows no address.
fn start_callbacks(
    config: &Config,
    ports: &Ports,
    arbiter: &Arbiter,
) -> Result<Option<Addr<Callbacks>>, StartError> {
    let policy = Arc::new(settings::callback_policy(config));
    if !policy.is_on() {
        return Ok(None);
    }
    let config = settings::callbacks(config);
    let sender = HttpCallbackSender::new(policy, config.timeout)
        .map_err(|error| StartError::System(std::io::Error::other(error)))?;
    let ports = CallbackPorts {
        queue: ports.index.callbacks(),
        sender: Arc::new(sender),
        clock: ports.clock.clone(),
        ids: ports.ids.clone(),
    };
    let start = move |_: &mut Context<Callbacks>| Callbacks::new(ports, config, guard("callbacks"));
    Ok(Some(Callbacks::start_in_arbiter(&arbiter.handle(), start)))
}

fn start_watch(
    config: &Config,
    ports: &Ports,
    sockets: Vec<Sessions>,
    arbiter: &Arbiter,
) -> Addr<CredentialWatch> {
    let watch_ports = WatchPorts {
        identity: ports.index.identity(),
        store: ports.index.store(),
        clock: ports.clock.clone(),
    };
    let watch_config = settings::watch(config);
    CredentialWatch::start_in_arbiter(&arbiter.handle(), move |_| {
        CredentialWatch::new(watch_ports, watch_config, sockets, guard("credential watch"))
    })
}

/// A long-lived actor's end without being told is a bug that leaves the server without a part of it: the process ends,
/// and whoever started it starts it again, from the index.
fn guard(name: &'static str) -> ExitGuard {
    ExitGuard::new(move |exit| {
        if exit == Exit::Panicked {
            tracing::error!(actor = name, "a long-lived actor panicked, the process ends");
            std::process::abort();
        }
    })
}

fn http_state(
    config: &Config,
    ports: &Ports,
    address: SocketAddr,
    draining: Arc<AtomicBool>,
    dispatcher: Tell<JobHint>,
) -> Result<HttpState, StartError> {
    let limits = settings::http_limits(config);
    let secrets = secrets::load(config).map_err(StartError::System)?;
    let (tokens, auth) = (Arc::new(secrets.tokens), Arc::new(settings::auth(config, address)));
    let flows = Flows::new(
        ports.index.identity(),
        tokens.clone(),
        Arc::new(Passwords::new(settings::hash_cost(config))?),
        auth.clone(),
        ports.mail.clone(),
        ports.clock.clone(),
        ports.ids.clone(),
    );
    Ok(HttpState {
        store: ports.index.store(),
        identity: ports.index.identity(),
        tokens,
        auth,
        flows,
        oidc: settings::oidc(config)?.map(Arc::new),
        callbacks: ports.index.callbacks(),
        callback_policy: Arc::new(settings::callback_policy(config)),
        files: ports.files.clone(),
        presigned: config.files.presigned(),
        bus: ports.bus.clone(),
        media: ports.media.clone(),
        clock: ports.clock.clone(),
        ids: ports.ids.clone(),
        hint: Arc::new(move |hint| {
            // A lost hint costs a poll.
            let _ = dispatcher.tell(hint);
        }),
        models: Arc::new(ports.engine.models()),
        pairs: Arc::new(ports.translator.pairs()),
        ready: Arc::new(move || {
            if draining.load(Ordering::Acquire) {
                Err("the server is stopping, try again in a moment")
            } else {
                Ok(())
            }
        }),
        uploads: settings::uploads(config),
        doors: settings::doors(config),
        limits: Arc::new(limits),
        origins: Arc::new(settings::origins(config, address)),
        proxies: Arc::new(settings::proxies(config)),
        rates: Arc::new(settings::rates(config)),
        cursor_key: secrets.cursors,
    })
}

fn live_state(
    config: &Config,
    ports: &Ports,
    node: NodeId,
    pool: Arc<EnginePool>,
    sessions: Sessions,
) -> LiveState {
    LiveState {
        live: Arc::new(settings::live(config)),
        ports: SessionPorts {
            recogniser: pool,
            store: ports.index.store(),
            files: ports.files.clone(),
            bus: ports.bus.clone(),
            clock: ports.clock.clone(),
            ids: ports.ids.clone(),
        },
        ears: ports.ears.clone(),
        sessions,
        node,
        default_model: ModelId::new(&config.models.default),
        max_message_bytes: config.live.max_message_bytes,
        sockets_per_account: settings::streams_per_account(config),
    }
}

fn serve_main(
    config: &Config,
    listener: TcpListener,
    http: HttpState,
    live: LiveState,
    status: StatusState,
) -> Result<ServerHandle, StartError> {
    let user_timeout = Duration::from_millis(config.http.tcp_user_timeout_ms);
    let server = HttpServer::new(move || {
        App::new()
            .app_data(web::Data::new(live.clone()))
            .app_data(web::Data::new(status.clone()))
            .configure(|service| routes::configure(service, http.clone()))
    })
    .workers(config.http.workers)
    .disable_signals()
    .keep_alive(Duration::from_millis(config.http.keep_alive_ms))
    .client_request_timeout(Duration::from_millis(config.http.request_timeout_ms))
    .shutdown_timeout(config.http.shutdown_timeout_ms.div_ceil(1000))
    .on_connect(move |connection, data| conn::on_connect(connection, data, user_timeout))
    .listen(listener)
    .map_err(StartError::System)?
    .run();
    let handle = server.handle();
    actix::spawn(server);
    Ok(handle)
}

#[derive(Clone)]
struct Metrics {
    pool: Arc<EnginePool>,
    live: Sessions,
    status: Sessions,
    store: Arc<dyn Store>,
}

fn serve_metrics(config: &Config, metrics: Metrics) -> Result<(ServerHandle, SocketAddr), StartError> {
    let (listener, address) = listen(config.telemetry.metrics_address(), "telemetry.metrics_bind")?;
    let server = HttpServer::new(move || {
        App::new().app_data(web::Data::new(metrics.clone())).route("/metrics", web::get().to(show_metrics))
    })
    .workers(1)
    .disable_signals()
    .listen(listener)
    .map_err(StartError::System)?
    .run();
    let handle = server.handle();
    actix::spawn(server);
    Ok((handle, address))
}

async fn show_metrics(metrics: web::Data<Metrics>) -> HttpResponse {
    let gauges = Gauges {
        live_sockets: metrics.live.count(),
        status_sockets: metrics.status.count(),
        queued_jobs: metrics.store.queued().await.ok(),
        resident_bytes: crate::system::resident_bytes(),
    };
    HttpResponse::Ok()
        .content_type("application/openmetrics-text; version=1.0.0; charset=utf-8")
        .body(telemetry::render(&metrics.pool.stats(), gauges))
}
