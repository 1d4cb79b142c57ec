//! Who may call what: every route of the table, with every kind of credential.

use super::World;
use crate::auth::ApiKeySecret;
use crate::http::cursor::CursorKey;
use crate::http::limits::RateLimiter;
use crate::http::origin::Origins;
use crate::http::routes::{self, Access, ENDPOINTS};
use crate::http::state::{HttpLimits, HttpState};
use actix_web::http::header;
use actix_web::{App, test};
use reqwest::Method;
use sottovoce_actors::ports::store::{EpochMs, NewApiKey, Store};
use sottovoce_actors::testkit::{ManualClock, MemoryBus, MemoryFiles, MemoryStore, ScriptedMedia, SeededIds};
use sottovoce_protocol::ids::{AccountId, ApiKeyId};
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::Semaphore;

fn path(pattern: &str) -> String {
    pattern.replace("{id}", "01920000-0000-7000-8000-000000000000").replace("{kind}", "json")
}

#[test]
async fn every_route_but_the_open_ones_needs_a_valid_key() {
    let world = World::start().await;
    for endpoint in ENDPOINTS {
        let url = format!("{}{}", world.base, path(endpoint.path));
        let method = Method::from_bytes(endpoint.verb.as_str().as_bytes()).unwrap();
        for credential in [
            None,
            Some("Bearer sv_0000000000000000000000000000000000000000000".to_owned()),
            Some(format!("Basic {}", world.key)),
            Some(world.key.clone()),
            Some(format!("Bearer {}x", world.key)),
            Some(format!("Bearer {}", "k".repeat(10_000))),
        ] {
            let mut request = world.client.request(method.clone(), &url);
            if let Some(credential) = &credential {
                request = request.header("authorization", credential);
            }
            let response = request.send().await.unwrap();
            let refused = response.status() == 401 && response.headers().contains_key("www-authenticate");
            assert_eq!(refused, endpoint.access != Access::Open, "{method} {url} {credential:?}");
        }
        for scheme in ["Bearer", "Token", "token"] {
            let request = world.client.request(method.clone(), &url);
            let response =
                request.header("authorization", format!("{scheme} {}", world.key)).send().await.unwrap();
            assert_ne!(response.status(), 401, "{method} {url} {scheme}");
        }
    }
    world.stop().await;
}

fn limits() -> HttpLimits {
    HttpLimits {
        requests_per_minute: 1_000,
        max_upload_bytes: 1_000,
        max_audio_s: 60,
        uploads_at_once: 1,
        upload_idle: Duration::from_secs(1),
        upload_min_bytes_per_s: 0,
        upload_window: Duration::from_secs(30),
        probe_timeout: Duration::from_secs(1),
        max_queued_jobs: 1,
        max_attempts: 1,
        idempotency_ttl: Duration::from_secs(60),
    }
}

/// A state on ports in memory, for what a real index cannot be told: keys with fewer scopes.
fn state(store: MemoryStore) -> HttpState {
    HttpState {
        store: Arc::new(store),
        files: Arc::new(MemoryFiles::new()),
        bus: Arc::new(MemoryBus::new()),
        media: Arc::new(ScriptedMedia),
        clock: Arc::new(ManualClock::at(EpochMs(0))),
        ids: Arc::new(SeededIds::new(1)),
        hint: Arc::new(|_| {}),
        models: Arc::new(Vec::new()),
        ready: Arc::new(|| Ok(())),
        limits: Arc::new(limits()),
        origins: Arc::new(Origins::default()),
        proxies: Arc::default(),
        rates: Arc::new(RateLimiter::new(1_000)),
        cursor_key: CursorKey::new([1; 32]),
        uploads: Arc::new(Semaphore::new(1)),
    }
}

#[test]
async fn every_route_needs_exactly_its_scope() {
    let store = MemoryStore::new();
    let state = state(store.clone());
    let secret = ApiKeySecret::generate().unwrap();
    let key = ApiKeyId::from_uuid(state.ids.uuid());
    let account = AccountId::from_uuid(state.ids.uuid());
    let account = store.ensure_account("a@example.test", account, state.clock.now()).await.unwrap();
    let new = NewApiKey {
        id: key,
        account,
        name: "test".into(),
        prefix: secret.shown(),
        secret_hash: secret.hash(),
        expires_at: None,
        now: state.clock.now(),
    };
    store.add_api_key(new).await.unwrap();
    let app = App::new().configure(|config| routes::configure(config, state.clone()));
    let app = test::init_service(app).await;
    let scopes = ["listen", "jobs:read", "jobs:write", "usage:read"];
    for endpoint in ENDPOINTS.iter().filter(|endpoint| !["/ws", "/v1/listen"].contains(&endpoint.path)) {
        let Access::Scope(needed) = endpoint.access else { continue };
        assert!(scopes.contains(&needed));
        let others: Vec<&str> = scopes.into_iter().filter(|scope| *scope != needed).collect();
        for (held, allowed) in [(needed.to_owned(), true), (others.join(" "), false), (String::new(), false)]
        {
            store.set_scopes(key, &held);
            let request = test::TestRequest::with_uri(&path(endpoint.path))
                .method(endpoint.verb.as_str().parse().unwrap())
                .insert_header((header::AUTHORIZATION, format!("Bearer {}", secret.expose())))
                .to_request();
            let status = test::call_service(&app, request).await.status().as_u16();
            assert_eq!(
                status != 403,
                allowed,
                "{} {} with `{held}`: {status}",
                endpoint.verb.as_str(),
                endpoint.path
            );
        }
    }
}
