//! A whole server inside of the test: every adapter is the real one, only the engine hears tones as words. On a free port,
//! with a data folder and a key of its own.

use sottovoce::app::Running;
use sottovoce::auth::access_token::{Behind, Token, TokenKeys, TokenUse};
use sottovoce::auth::{ApiKeySecret, RefreshSecret};
use sottovoce::config::{Config, Overrides, Surroundings};
use sottovoce::files::LocalFiles;
use sottovoce::storage::{self, OpenedIndex};
use sottovoce::system::{SystemClock, SystemIds};
use sottovoce_actors::ports::clock::{Clock, Ids};
use sottovoce_actors::ports::files::FileStore;
use sottovoce_actors::ports::identity::{NewApiKey, NewRefresh, NewSession, RevokeReason};
use sottovoce_actors::ports::store::StorageRef;
use sottovoce_actors::testkit::ScriptedEngine;
use sottovoce_protocol::ids::{AccountId, ApiKeyId, JobId, RefreshTokenId, SessionId};
use sottovoce_protocol::jobs::{JobStatus, JobView};
use sottovoce_protocol::scope::Scopes;
use sottovoce_protocol::transcript::Transcript;
use std::ffi::OsString;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;
use tempfile::TempDir;

/// How long a test waits for what must come; reached only by a failing one.
pub const PATIENCE: Duration = Duration::from_secs(20);

/// Between two looks at what has no signal.
const LOOK_EVERY: Duration = Duration::from_millis(10);

/// The server and what belongs to it.
pub struct TestApp {
    pub address: SocketAddr,
    /// A key of the account `someone@example.org`.
    pub key: String,
    pub http: reqwest::Client,
    metrics: SocketAddr,
    running: Running,
    config: Config,
    data_dir: TempDir,
}

/// A login.
pub struct LoggedIn {
    pub session: SessionId,
    pub access_token: String,
}

impl TestApp {
    /// Starts a server on the embedded defaults.
    pub async fn start() -> Self {
        Self::with(&[]).await
    }

    /// Starts a server with settings, each as in the environment: `("live__idle_timeout_ms", "200")`.
    pub async fn with(settings: &[(&str, &str)]) -> Self {
        Self::with_engine(settings, ScriptedEngine::new().with_live_cost(0.001)).await
    }

    /// Starts a server on this engine.
    pub async fn with_engine(settings: &[(&str, &str)], engine: ScriptedEngine) -> Self {
        let mut app = Self::on(TempDir::new().expect("temporary folder"), settings, engine).await;
        app.key = app.new_key("someone@example.org").await;
        app
    }

    /// Starts a server, without a key, on the data folder of one before.
    pub async fn on(data_dir: TempDir, settings: &[(&str, &str)], engine: ScriptedEngine) -> Self {
        crate::logs::keep();
        let config = config(data_dir.path(), settings);
        let running = Running::start(&config, Arc::new(engine)).await.expect("started");
        Self {
            address: running.address(),
            metrics: running.metrics_address().expect("metrics are on"),
            key: String::new(),
            http: reqwest::Client::builder().no_proxy().build().expect("client"),
            running,
            config,
            data_dir,
        }
    }

    /// Uses a key made before.
    pub fn signed_in(self, key: String) -> Self {
        Self { key, ..self }
    }

    /// Makes a key, and its account if it is new.
    pub async fn new_key(&self, email: &str) -> String {
        let index = self.index().await;
        let store = index.identity();
        let now = SystemClock.now();
        let account =
            store.ensure_account(email, AccountId::from_uuid(SystemIds.uuid()), now).await.expect("account");
        let secret = ApiKeySecret::generate().expect("random");
        let key = NewApiKey {
            id: ApiKeyId::from_uuid(SystemIds.uuid()),
            account,
            name: "test".into(),
            prefix: secret.shown(),
            secret_hash: secret.hash(),
            scopes: Scopes::all(),
            expires_at: None,
            max_keys: u64::MAX,
            now,
        };
        store.add_api_key(key).await.expect("key");
        index.close().await;
        secret.expose().to_owned()
    }

    /// Logs an account in, made if it is new, beside the running server.
    pub async fn log_in(&self, email: &str) -> LoggedIn {
        let index = storage::connect(&self.config.storage).await.expect("index");
        let (identity, ids, now) = (index.identity(), SystemIds, SystemClock.now());
        let account = identity.ensure_account(email, AccountId::from_uuid(ids.uuid()), now).await;
        let account = account.expect("account");
        let secret = RefreshSecret::generate().expect("random");
        let refresh = NewRefresh { id: RefreshTokenId::from_uuid(ids.uuid()), hash: secret.hash() };
        let later = now.plus_ms(600_000);
        let session = NewSession {
            id: SessionId::from_uuid(ids.uuid()),
            account,
            verified: None,
            refresh,
            idle_expires_at: later,
            absolute_expires_at: later,
            now,
        };
        let owner = identity.open_session(session).await.expect("a login");
        index.close().await;
        let token = Token {
            token_use: TokenUse::Access,
            account,
            behind: Behind::Session(owner.session),
            epoch: owner.epoch,
            expires_at: later,
        };
        let signing = std::fs::read(self.data_dir().join("secrets/jwt.key")).expect("the signing key");
        let keys = TokenKeys::new("sottovoce", [("kept", signing.as_slice())]);
        let access_token = keys.sign(&token, now, ids.uuid()).expect("signed");
        LoggedIn { session: owner.session, access_token }
    }

    /// Ends a login beside the running server.
    pub async fn end_login(&self, login: &LoggedIn) {
        let index = storage::connect(&self.config.storage).await.expect("index");
        let (identity, now) = (index.identity(), SystemClock.now());
        identity.revoke_session(login.session, RevokeReason::Logout, now).await.expect("revoked");
        index.close().await;
    }

    /// Stops an account as its operator does.
    pub async fn suspend(&self, email: &str) {
        self.set_suspended(email, true).await;
    }

    /// Lets an account go on.
    pub async fn resume(&self, email: &str) {
        self.set_suspended(email, false).await;
    }

    async fn set_suspended(&self, email: &str, suspended: bool) {
        let index = storage::connect(&self.config.storage).await.expect("index");
        let identity = index.identity();
        let (account, _) = identity.account_by_email(email).await.expect("read").expect("an account");
        identity.set_suspended(account.id, suspended, SystemClock.now()).await.expect("set");
        index.close().await;
    }

    /// Opens the index beside the running server; to be closed by the caller.
    pub async fn index(&self) -> OpenedIndex {
        storage::connect(&self.config.storage).await.expect("index")
    }

    /// Returns the folder of database and objects.
    pub fn data_dir(&self) -> &Path {
        self.data_dir.path()
    }

    pub fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }

    /// Sends a request with the app's key.
    pub fn request(&self, method: reqwest::Method, path: &str) -> reqwest::RequestBuilder {
        self.http.request(method, self.url(path)).bearer_auth(&self.key)
    }

    pub async fn get(&self, path: &str) -> reqwest::Response {
        self.request(reqwest::Method::GET, path).send().await.expect("an answer")
    }

    pub async fn job(&self, id: JobId) -> JobView {
        let answer = self.get(&format!("/saas/jobs/{id}")).await;
        assert_eq!(answer.status(), 200);
        answer.json().await.expect("a job")
    }

    /// Waits until a job has ended.
    pub async fn ended_job(&self, id: JobId) -> JobView {
        self.until("the job ends", async || {
            let job = self.job(id).await;
            matches!(job.status, JobStatus::Done | JobStatus::Failed).then_some(job)
        })
        .await
    }

    pub async fn artifact(&self, id: JobId, kind: &str) -> String {
        let answer = self.get(&format!("/saas/jobs/{id}/artifacts/{kind}")).await;
        assert_eq!(answer.status(), 200, "artifact {kind}");
        answer.text().await.expect("text")
    }

    pub async fn transcript(&self, id: JobId) -> Transcript {
        serde_json::from_str(&self.artifact(id, "json").await).expect("a transcript")
    }

    /// Returns the words of a job's artifact, channels one after the other.
    pub async fn kept_words(&self, id: JobId) -> String {
        let mut segments = self.transcript(id).await.segments;
        segments.sort_by_key(|segment| segment.channel);
        segments.iter().map(|segment| segment.text.as_str()).collect::<Vec<_>>().join(" ")
    }

    /// Submits a file as a job.
    pub async fn submit(&self, file: Vec<u8>) -> reqwest::Response {
        self.request(reqwest::Method::POST, "/saas/jobs")
            .header("x-sottovoce-params", r#"{"type":"transcription"}"#)
            .body(file)
            .send()
            .await
            .expect("an answer")
    }

    /// Returns the metrics page.
    pub async fn metrics(&self) -> String {
        let page = self.http.get(format!("http://{}/metrics", self.metrics)).send().await;
        page.expect("metrics").text().await.expect("text")
    }

    /// Returns one number of the metrics page.
    pub async fn metric(&self, name: &str) -> f64 {
        let page = self.metrics().await;
        let line = page.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
        line.unwrap_or_else(|| panic!("no metric {name} in\n{page}")).parse().expect("a number")
    }

    /// Looks again until there is what was waited for.
    pub async fn until<T>(&self, what: &str, look: impl AsyncFn() -> Option<T>) -> T {
        let looking = async {
            loop {
                if let Some(found) = look().await {
                    return found;
                }
                tokio::time::sleep(LOOK_EVERY).await;
            }
        };
        tokio::time::timeout(PATIENCE, looking).await.unwrap_or_else(|_| panic!("in vain: {what}"))
    }

    /// Waits until nobody is connected and the engine has nothing to do.
    pub async fn idle(&self) {
        const IDLE: [&str; 7] = [
            "sottovoce_live_sockets",
            "sottovoce_status_sockets",
            "sottovoce_live_streams",
            "sottovoce_engine_busy_workers",
            "sottovoce_engine_waiting_units{kind=\"interim\"}",
            "sottovoce_engine_waiting_units{kind=\"final\"}",
            "sottovoce_engine_listen_waiting",
        ];
        for name in IDLE {
            self.until(name, async || (self.metric(name).await == 0.0).then_some(())).await;
        }
    }

    /// Stops the server without waiting for anything; returns its data folder.
    pub async fn stop(self) -> (bool, TempDir) {
        (self.running.stop().await, self.data_dir)
    }

    /// Ends a test: all sockets have ended, the engine is idle, and the server stops within its time.
    pub async fn finish(self) {
        self.idle().await;
        assert!(self.stop().await.0, "everything ends in time");
    }
}

/// Returns the embedded defaults on free ports, with settings laid over them.
pub fn config(data_dir: &Path, settings: &[(&str, &str)]) -> Config {
    let overrides = Overrides { data_dir: Some(data_dir.to_owned()), ..Overrides::default() };
    let fixed =
        [("http__bind", "127.0.0.1:0"), ("models__dir", "unused"), ("live__drain_timeout_ms", "2000")];
    let named = fixed
        .iter()
        .chain(settings)
        .map(|(name, value)| (OsString::from(format!("SOTTOVOCE__{}", name.to_uppercase())), value.into()));
    Config::load_in(&overrides, &Surroundings::from_pairs(named)).expect("valid settings")
}

/// Returns the objects of a stopped server's data folder that nothing in its index names.
pub async fn orphans(data_dir: &Path) -> Vec<StorageRef> {
    let files = LocalFiles::open(data_dir.join("objects")).await.expect("objects");
    orphans_among(&files, data_dir).await
}

/// Returns the objects of a store that nothing in the index of a stopped server's data folder names.
pub async fn orphans_among(files: &dyn FileStore, data_dir: &Path) -> Vec<StorageRef> {
    let config = config(data_dir, &[]);
    let index = storage::connect(&config.storage).await.expect("index");
    let names = files.list(None, 100_000, 0).await.expect("listed");
    assert!(!names.is_empty(), "the objects are where they were looked for");
    let orphans = index.store().unreferenced(names).await.expect("answered");
    index.close().await;
    orphans
}
