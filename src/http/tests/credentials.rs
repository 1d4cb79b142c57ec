//! API keys, tickets and short tokens over REST: who may make which, what they say, how they end.

use super::{World, assert_problem};
use actix_web::test;
use reqwest::{Method, Response};
use serde_json::{Value, json};
use sottovoce_protocol::scope::{Scope, Scopes};

impl World {
    async fn send(&self, token: &str, method: Method, path: &str, body: Option<Value>) -> Response {
        let mut request = self.client.request(method, format!("{}{path}", self.base)).bearer_auth(token);
        if let Some(body) = body {
            request = request.json(&body);
        }
        request.send().await.unwrap()
    }

    async fn new_api_key(&self, token: &str, body: Value) -> Value {
        let made = self.send(token, Method::POST, "/auth/api-keys", Some(body)).await;
        assert_eq!(made.status(), 201);
        made.json().await.unwrap()
    }
}

#[test]
async fn what_a_credential_may_not_do_is_recorded() {
    let world = World::start().await;
    let key = world.make_key_with("owner@example.test", Scopes::parse("jobs:read")).await;
    for (method, path) in [(Method::GET, "/saas/callback-secret"), (Method::GET, "/auth/api-keys")] {
        assert_problem(world.send(&key, method, path, None).await, 403, "scope").await;
    }
    let socket =
        world.client.get(format!("{}/v1/listen", world.base)).bearer_auth(&key).send().await.unwrap();
    assert_eq!(socket.status(), 403);
    let foreign = world.client.get(format!("{}/ws", world.base)).header("origin", "https://evil.test");
    assert_eq!(foreign.send().await.unwrap().status(), 403);
    let index = crate::storage::connect(&world.config.storage).await.unwrap();
    let lines = index.identity().audit_log(None, 10).await.unwrap();
    index.close().await;
    let mut seen: Vec<(&str, &str)> =
        lines.iter().map(|line| (line.event.as_str(), line.detail.as_str())).collect();
    seen.sort_unstable();
    let expected = [
        ("origin_refused", ""),
        ("scope_refused", "jobs:write"),
        ("scope_refused", "listen"),
        ("scope_refused", "person"),
    ];
    assert_eq!(seen, expected);
    world.stop().await;
}

#[test]
async fn a_person_makes_lists_and_revokes_keys() {
    let world = World::start().await;
    let token = world.log_in("ada@example.test").await;
    let key = world.new_api_key(&token, json!({"name": "laptop", "scopes": ["jobs:read"]})).await;
    let secret = key["key"].as_str().unwrap();
    assert!(secret.starts_with(key["prefix"].as_str().unwrap()) && secret.len() == 46);
    assert_eq!(key["scopes"], json!(["jobs:read"]));
    assert_eq!(world.send(secret, Method::GET, "/saas/jobs", None).await.status(), 200);

    let list = world.send(&token, Method::GET, "/auth/api-keys", None).await.text().await.unwrap();
    assert!(!list.contains(secret), "a secret is shown once");
    let list: Value = serde_json::from_str(&list).unwrap();
    assert_eq!(list["items"][0]["id"], key["id"]);
    assert!(list["items"][0]["last_used_at"].is_string());

    let path = format!("/auth/api-keys/{}", key["id"].as_str().unwrap());
    let stranger = world.log_in("eve@example.test").await;
    let foreign = world.send(&stranger, Method::DELETE, &path, None).await;
    assert_problem(foreign, 404, "not_found").await;
    assert_eq!(world.send(&token, Method::DELETE, &path, None).await.status(), 204);
    assert_problem(world.send(secret, Method::GET, "/saas/jobs", None).await, 401, "unauthorized").await;
    assert_problem(world.send(&token, Method::DELETE, &path, None).await, 404, "not_found").await;
    world.stop().await;
}

#[test]
async fn a_key_can_do_nothing_to_keys() {
    let world = World::start().await;
    let id = "/auth/api-keys/01920000-0000-7000-8000-000000000000";
    for (method, path, body) in [
        (Method::GET, "/auth/api-keys", None),
        (Method::POST, "/auth/api-keys", Some(json!({"name": "more"}))),
        (Method::DELETE, id, None),
    ] {
        assert_problem(world.send(&world.key, method, path, body).await, 403, "scope").await;
    }
    world.stop().await;
}

#[test]
async fn a_key_that_cannot_be_is_refused() {
    let world = World::start_with(Default::default(), |config| config.auth.keys_per_account = 2).await;
    let token = world.log_in("ada@example.test").await;
    for body in [
        json!({}),
        json!({"name": ""}),
        json!({"name": "x".repeat(101)}),
        json!({"name": "a\nb"}),
        json!({"name": "a", "scopes": []}),
        json!({"name": "a", "scopes": ["everything"]}),
        json!({"name": "a", "expires_in": 0}),
        json!({"name": "a", "expires_in": u64::MAX}),
        json!({"name": "a", "account": "another"}),
    ] {
        let refused = world.send(&token, Method::POST, "/auth/api-keys", Some(body)).await;
        assert_problem(refused, 400, "bad_request").await;
    }
    world.new_api_key(&token, json!({"name": "one"})).await;
    world.new_api_key(&token, json!({"name": "two", "expires_in": 3600})).await;
    let third = world.send(&token, Method::POST, "/auth/api-keys", Some(json!({"name": "three"}))).await;
    assert_problem(third, 409, "too_many_keys").await;
    world.stop().await;
}

#[test]
async fn tickets_need_what_they_open() {
    let world = World::start().await;
    let token = world.log_in("ada@example.test").await;
    for purpose in ["status", "stream"] {
        let made =
            world.send(&token, Method::POST, "/auth/ws-tickets", Some(json!({"purpose": purpose}))).await;
        assert_eq!(made.status(), 201);
        let ticket: Value = made.json().await.unwrap();
        assert!(ticket["ticket"].as_str().unwrap().starts_with("svt_"));
        assert_eq!(ticket["expires_in"], 30);
    }
    let listener = world.make_key_with("ada@example.test", [Scope::Listen].into_iter().collect()).await;
    for (key, body, status, code) in [
        (&listener, json!({"purpose": "status"}), 403, "scope"),
        (&token, json!({"purpose": "everything"}), 400, "bad_request"),
        (
            &token,
            json!({"purpose": "stream", "job_id": "01920000-0000-7000-8000-000000000000"}),
            400,
            "bad_request",
        ),
        (
            &token,
            json!({"purpose": "status", "job_id": "01920000-0000-7000-8000-000000000000"}),
            404,
            "not_found",
        ),
    ] {
        assert_problem(world.send(key, Method::POST, "/auth/ws-tickets", Some(body)).await, status, code)
            .await;
    }
    let foreign = world.client.post(format!("{}/auth/ws-tickets", world.base)).bearer_auth(&token);
    let foreign = foreign.header("origin", "https://evil.test").json(&json!({"purpose": "status"}));
    assert_problem(foreign.send().await.unwrap(), 403, "origin").await;
    world.stop().await;
}

#[test]
async fn a_short_token_listens_and_does_nothing_else() {
    let world = World::start().await;
    for credential in [world.key.clone(), world.log_in("ada@example.test").await] {
        let granted = world.send(&credential, Method::POST, "/v1/auth/grant", None).await;
        assert_eq!(granted.status(), 200);
        let granted: Value = granted.json().await.unwrap();
        assert_eq!(granted["expires_in"], 30);
        let short = granted["access_token"].as_str().unwrap();
        // The upgrade is asked for last: everything before it was right.
        assert_eq!(world.send(short, Method::GET, "/v1/listen", None).await.status(), 426);
        for (method, path, body) in [
            (Method::GET, "/saas/jobs", None),
            (Method::POST, "/v1/audio/transcriptions", None),
            (Method::GET, "/ws", None),
            (Method::GET, "/auth/api-keys", None),
            (Method::POST, "/v1/auth/grant", None),
            (Method::POST, "/auth/ws-tickets", Some(json!({"purpose": "stream"}))),
        ] {
            let refused = world.send(short, method, path, body).await;
            assert_eq!(refused.status(), 403, "{path}");
        }
        let told: Value = world.send(short, Method::GET, "/v1/auth/token", None).await.json().await.unwrap();
        assert_eq!(told["scopes"], json!(["listen"]));
    }
    for body in [json!({"ttl_seconds": 0}), json!({"ttl_seconds": 3601}), json!({"ttl_seconds": "long"})] {
        let refused = world.send(&world.key, Method::POST, "/v1/auth/grant", Some(body)).await;
        assert_eq!(refused.status(), 400);
        assert!(refused.json::<Value>().await.unwrap()["err_msg"].is_string());
    }
    let reader = world.make_key_with("owner@example.test", [Scope::JobsRead].into_iter().collect()).await;
    assert_eq!(world.send(&reader, Method::POST, "/v1/auth/grant", None).await.status(), 403);
    let whole = world.make_key_with("owner@example.test", Scopes::all()).await;
    let granted =
        world.send(&whole, Method::POST, "/v1/auth/grant", Some(json!({"ttl_seconds": 3600}))).await;
    assert_eq!(granted.json::<Value>().await.unwrap()["expires_in"], 3600);
    world.stop().await;
}
