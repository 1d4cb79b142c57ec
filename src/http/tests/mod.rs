//! The REST surface over real sockets: a whole server on a scripted engine, files of tones, a client.

mod accounts;
mod artifacts;
mod auth;
mod contract;
mod cookies;
mod credentials;
mod doors;
mod doors_waiting;
#[path = "../../media/tests/common/flac.rs"]
mod flac;
mod foreign;
mod hostile_files;
mod jobs;
#[path = "../../tests/logs.rs"]
mod logs;
mod passwords;
mod people;
mod refresh;
mod translations;
mod uploads;

use crate::app::{Ports, Running};
use crate::auth::access_token::{Behind, Token, TokenKeys, TokenUse};
use crate::auth::{ApiKeySecret, RefreshSecret};
use crate::config::Config;
use crate::storage;
use crate::system::{SystemClock, SystemIds};
use reqwest::{Client, Method, RequestBuilder, Response, StatusCode, multipart};
use serde_json::Value;
use sottovoce_actors::ports::clock::{Clock, Ids};
use sottovoce_actors::ports::identity::{NewApiKey, NewRefresh, NewSession};
use sottovoce_actors::testkit::{ScriptedEngine, tone};
use sottovoce_protocol::ids::{AccountId, ApiKeyId, RefreshTokenId, SessionId};
use sottovoce_protocol::scope::Scopes;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;
use tempfile::TempDir;

/// A running server and a caller with a key.
struct World {
    running: Running,
    config: Config,
    client: Client,
    base: String,
    key: String,
    folder: TempDir,
}

impl World {
    async fn start() -> Self {
        Self::start_with(ScriptedEngine::new(), |_| {}).await
    }

    async fn start_with(engine: ScriptedEngine, change: impl FnOnce(&mut Config)) -> Self {
        Self::start_on(engine, change, |_| {}).await
    }

    async fn start_on(
        engine: ScriptedEngine,
        change: impl FnOnce(&mut Config),
        replace: impl FnOnce(&mut Ports),
    ) -> Self {
        logs::keep();
        let folder = TempDir::new().unwrap();
        let mut config = Config::for_tests(folder.path().join("data"), folder.path().join("models"));
        config.http.workers = 1;
        config.jobs.poll_ms = 50;
        config.jobs.heartbeat_ms = 100;
        change(&mut config);
        std::fs::create_dir_all(&config.data_dir).unwrap();
        let mut ports = Ports::open(&config, Arc::new(engine)).await.unwrap();
        replace(&mut ports);
        let running = Running::start_on(&config, ports).await.unwrap();
        let base = format!("http://{}", running.address());
        let mut world = Self { running, config, client: Client::new(), base, key: String::new(), folder };
        world.key = world.make_key("owner@example.test").await;
        world
    }

    /// Makes a key of the account with this e-mail, beside the running server.
    async fn make_key(&self, email: &str) -> String {
        self.make_key_with(email, Scopes::all()).await
    }

    async fn make_key_with(&self, email: &str, scopes: Scopes) -> String {
        let index = storage::connect(&self.config.storage).await.unwrap();
        let (ids, now) = (SystemIds, SystemClock.now());
        let account = AccountId::from_uuid(ids.uuid());
        let account = index.identity().ensure_account(email, account, now).await.unwrap();
        let secret = ApiKeySecret::generate().unwrap();
        let key = NewApiKey {
            id: ApiKeyId::from_uuid(ids.uuid()),
            account,
            name: "test".into(),
            prefix: secret.shown(),
            secret_hash: secret.hash(),
            scopes,
            expires_at: None,
            max_keys: u64::MAX,
            now,
        };
        index.identity().add_api_key(key).await.unwrap();
        index.close().await;
        secret.expose().to_owned()
    }

    /// Logs an account in, made if it is new, beside the running server; returns an access token.
    async fn log_in(&self, email: &str) -> String {
        let (ids, now) = (SystemIds, SystemClock.now());
        let index = storage::connect(&self.config.storage).await.unwrap();
        let identity = index.identity();
        let account = identity.ensure_account(email, AccountId::from_uuid(ids.uuid()), now).await.unwrap();
        let refresh = RefreshSecret::generate().unwrap();
        let later = now.plus_ms(600_000);
        let session = identity
            .open_session(NewSession {
                id: SessionId::from_uuid(ids.uuid()),
                account,
                verified: None,
                refresh: NewRefresh { id: RefreshTokenId::from_uuid(ids.uuid()), hash: refresh.hash() },
                idle_expires_at: later,
                absolute_expires_at: later,
                now,
            })
            .await
            .unwrap();
        index.close().await;
        let secret = std::fs::read(self.config.data_dir.join("secrets/jwt.key")).unwrap();
        let token = Token {
            token_use: TokenUse::Access,
            account,
            behind: Behind::Session(session.session),
            epoch: session.epoch,
            expires_at: later,
        };
        TokenKeys::new("sottovoce", [("kept", secret.as_slice())]).sign(&token, now, ids.uuid()).unwrap()
    }

    fn request(&self, method: Method, path: &str) -> RequestBuilder {
        self.client.request(method, format!("{}{path}", self.base)).bearer_auth(&self.key)
    }

    async fn get(&self, path: &str) -> Response {
        self.request(Method::GET, path).send().await.unwrap()
    }

    async fn delete(&self, path: &str) -> StatusCode {
        self.request(Method::DELETE, path).send().await.unwrap().status()
    }

    fn upload(&self, file: Vec<u8>) -> RequestBuilder {
        self.request(Method::POST, "/saas/jobs").multipart(form(r#"{"type":"transcription"}"#, file))
    }

    /// Submits a file and returns the job.
    async fn submit(&self, file: Vec<u8>) -> Value {
        let response = self.upload(file).send().await.unwrap();
        assert_eq!(response.status(), 201);
        response.json().await.unwrap()
    }

    /// Waits until a job has ended and returns it.
    async fn ended(&self, id: &str) -> Value {
        for _ in 0..3_000 {
            let job: Value = self.get(&format!("/saas/jobs/{id}")).await.json().await.unwrap();
            if job["status"] == "done" || job["status"] == "failed" {
                return job;
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        panic!("job {id} does not end");
    }

    /// Returns the files in the object folder.
    fn objects(&self) -> Vec<PathBuf> {
        let mut found = Vec::new();
        collect(&self.folder.path().join("data/objects"), &mut found);
        found
    }

    /// Waits until the object folder holds so many files.
    async fn objects_become(&self, count: usize) {
        // The janitor looks every ten seconds.
        for _ in 0..2_000 {
            if self.objects().len() == count {
                return;
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        panic!("objects left: {:?}", self.objects());
    }

    async fn stop(self) {
        self.running.stop().await;
    }
}

fn collect(folder: &Path, found: &mut Vec<PathBuf>) {
    let Ok(entries) = std::fs::read_dir(folder) else { return };
    for entry in entries.flatten() {
        if entry.path().is_dir() {
            collect(&entry.path(), found);
        } else if entry.file_name() != ".lock" {
            found.push(entry.path());
        }
    }
}

fn form(params: &str, file: Vec<u8>) -> multipart::Form {
    multipart::Form::new()
        .text("params", params.to_owned())
        .part("file", multipart::Part::bytes(file).file_name("Gespräch 1.wav"))
}

/// Returns a wav file (16 kHz mono) that says these words.
fn wav(words: &[u32]) -> Vec<u8> {
    wav_of(1, &said(words))
}

/// Returns samples that say these words, with silence around them.
fn said(words: &[u32]) -> Vec<f32> {
    let mut audio = tone::silence(8_000);
    audio.extend(tone::speak(words));
    audio.extend(tone::silence(16_000));
    audio
}

/// Returns a wav file (16 kHz) of interleaved samples.
fn wav_of(channels: u16, audio: &[f32]) -> Vec<u8> {
    let data = tone::linear16(audio);
    let mut file = Vec::with_capacity(44 + data.len());
    file.extend_from_slice(b"RIFF");
    file.extend_from_slice(&(36 + data.len() as u32).to_le_bytes());
    file.extend_from_slice(b"WAVEfmt ");
    file.extend_from_slice(&16u32.to_le_bytes());
    file.extend_from_slice(&1u16.to_le_bytes());
    file.extend_from_slice(&channels.to_le_bytes());
    file.extend_from_slice(&16_000u32.to_le_bytes());
    file.extend_from_slice(&(32_000 * u32::from(channels)).to_le_bytes());
    file.extend_from_slice(&(2 * channels).to_le_bytes());
    file.extend_from_slice(&16u16.to_le_bytes());
    file.extend_from_slice(b"data");
    file.extend_from_slice(&(data.len() as u32).to_le_bytes());
    file.extend_from_slice(&data);
    file
}

/// Asserts that an answer is a problem document with this status and code.
async fn assert_problem(response: Response, status: u16, code: &str) {
    let seen = response.status();
    let content_type = response.headers()["content-type"].to_str().unwrap().to_owned();
    let request_id = response.headers()["x-request-id"].to_str().unwrap().to_owned();
    let body = response.text().await.unwrap();
    let problem: Value = serde_json::from_str(&body).unwrap_or_default();
    assert_eq!((seen.as_u16(), problem["code"].as_str()), (status, Some(code)), "{body}");
    assert_eq!(content_type, "application/problem+json");
    assert_eq!(problem["status"], status);
    assert_eq!(problem["request_id"], request_id);
    assert!(problem["detail"].as_str().is_some_and(|detail| !detail.is_empty()));
}
