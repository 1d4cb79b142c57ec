//! Who may open a socket, on every socket route: origins, tickets, tokens; and how a socket ends when what opened it does.

use crate::app::TestApp;
use crate::client::Client;
use crate::sound::said;
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};
use sottovoce::http::{Access, ENDPOINTS};
use std::time::Duration;
use tokio::time::Instant;
use tokio_tungstenite::tungstenite::Error;

/// The promise of a revocation.
const WITHIN: Duration = Duration::from_secs(2);

/// The socket routes, found in the route table by what they answer a plain request: 426.
async fn socket_routes(app: &TestApp) -> Vec<&'static str> {
    let mut found = Vec::new();
    for endpoint in ENDPOINTS.iter().filter(|endpoint| endpoint.verb.as_str() == "GET") {
        if !endpoint.path.contains('{') && endpoint.access != Access::Open {
            let status = app.get(endpoint.path).await.status();
            if status == StatusCode::UPGRADE_REQUIRED {
                found.push(endpoint.path);
            }
        }
    }
    assert_eq!(found, ["/v1/listen", "/ws"], "a new socket route must be tried here, too");
    found
}

fn with_query(route: &str) -> String {
    match route {
        "/v1/listen" => "/v1/listen?encoding=linear16&sample_rate=16000".into(),
        other => other.into(),
    }
}

/// Tries a handshake; returns the status and, where it was refused, the body.
async fn handshake(app: &TestApp, route: &str, headers: &[(&str, &str)]) -> (u16, String) {
    match Client::with_headers(app, &with_query(route), headers).await {
        Ok(_) => (101, String::new()),
        Err(Error::Http(answer)) => {
            let body = answer.body().as_deref().unwrap_or_default();
            (answer.status().as_u16(), String::from_utf8_lossy(body).into_owned())
        }
        Err(error) => panic!("{route}: {error}"),
    }
}

async fn ticket(app: &TestApp, purpose: &str, origin: Option<&str>) -> String {
    let mut request = app.request(Method::POST, "/auth/ws-tickets").json(&json!({"purpose": purpose}));
    if let Some(origin) = origin {
        request = request.header("origin", origin);
    }
    let answer = request.send().await.expect("an answer");
    assert_eq!(answer.status(), 201);
    let ticket: Value = answer.json().await.expect("a ticket");
    format!("saas.v1, ticket.{}", ticket["ticket"].as_str().expect("text"))
}

fn purpose(route: &str) -> &'static str {
    if route == "/ws" { "status" } else { "stream" }
}

#[actix::test]
async fn only_listed_origins_open_sockets_whatever_the_credential() {
    let listed = "https://captions.example.org,https://xn--bcher-kva.example:8443";
    let app = TestApp::with(&[("http__allowed_origins", listed)]).await;
    let port = app.address.port();
    let own: Vec<String> =
        ["127.0.0.1", "localhost", "[::1]"].iter().map(|host| format!("http://{host}:{port}")).collect();
    let allowed = own
        .iter()
        .map(String::as_str)
        .chain(["https://captions.example.org", "https://xn--bcher-kva.example:8443"]);
    let (other_port, own_tls) =
        (format!("http://localhost:{}", port ^ 1), format!("https://localhost:{port}"));
    let user = format!("http://user@localhost:{port}");
    let refused = [
        "null",
        "*",
        "http://captions.example.org",
        "https://captions.example.org.evil.test",
        "https://evil-captions.example.org",
        "https://evil.test/https://captions.example.org",
        "https://captions.example.org:444",
        "https://captions.example.org:443",
        "https://captions.example.org/",
        "https://captions.example.org/path",
        "https://captions.example.org.",
        "https://CAPTIONS.example.org",
        "HTTPS://captions.example.org",
        "https://sub.captions.example.org",
        "https://example.org",
        "https://captions.example.org@evil.test",
        "https://user@captions.example.org",
        "https://captions.example.org, https://evil.test",
        " https://captions.example.org.evil.test",
        "https://b\u{fc}cher.example:8443",
        "https://xn--bcher-kva.example",
        "wss://captions.example.org",
        "file://",
        "captions.example.org",
        "http://127.0.0.1",
        &other_port,
        &own_tls,
        &user,
    ];
    assert!(refused.len() + 5 >= 25);
    let key = format!("Bearer {}", app.key);
    for route in socket_routes(&app).await {
        for origin in allowed.clone() {
            let seen = handshake(&app, route, &[("authorization", &key), ("origin", origin)]).await;
            assert_eq!(seen.0, 101, "{route} {origin}: {}", seen.1);
            let offered = ticket(&app, purpose(route), Some(origin)).await;
            let seen =
                handshake(&app, route, &[("sec-websocket-protocol", &offered), ("origin", origin)]).await;
            assert_eq!(seen.0, 101, "{route} {origin} with a ticket: {}", seen.1);
        }
        for origin in refused {
            let seen = handshake(&app, route, &[("authorization", &key), ("origin", origin)]).await;
            assert_eq!(seen.0, 403, "{route} {origin}");
            let offered = ticket(&app, purpose(route), None).await;
            let seen =
                handshake(&app, route, &[("sec-websocket-protocol", &offered), ("origin", origin)]).await;
            assert_eq!(seen.0, 403, "{route} {origin} with a ticket");
            // A right key does not tell a foreign origin more than a wrong one does.
            let wrong = handshake(&app, route, &[("authorization", "Bearer sv_x"), ("origin", origin)]).await;
            assert_eq!(wrong.0, 403, "{route} {origin} with a wrong key");
        }
        // Programs name no origin: their key is enough, a ticket is not.
        assert_eq!(handshake(&app, route, &[("authorization", &key)]).await.0, 101);
        let offered = ticket(&app, purpose(route), None).await;
        assert_eq!(handshake(&app, route, &[("sec-websocket-protocol", &offered)]).await.0, 401, "{route}");
    }
    app.finish().await;
}

#[actix::test]
async fn two_origins_are_refused() {
    let app = TestApp::start().await;
    let own = format!("http://localhost:{}", app.address.port());
    let request = format!(
        "GET /ws HTTP/1.1\r\nHost: {}\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n\
         Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nAuthorization: Bearer {}\r\nOrigin: {own}\r\n\
         Origin: https://evil.test\r\n\r\n",
        app.address, app.key
    );
    let answer = crate::client::plain(&app, request.as_bytes()).await;
    assert!(answer.starts_with("HTTP/1.1 403"), "{answer}");
    app.finish().await;
}

#[actix::test]
async fn a_ticket_opens_one_socket_of_its_kind_and_origin() {
    let app = TestApp::with(&[("http__allowed_origins", "https://a.example,https://b.example")]).await;
    for route in socket_routes(&app).await {
        let (own, other) = ("https://a.example", "https://b.example");
        let offered = ticket(&app, purpose(route), Some(own)).await;
        let elsewhere = socket_routes(&app).await.into_iter().find(|one| *one != route).expect("two");
        for (path, origin) in [(route, other), (elsewhere, own)] {
            let seen =
                handshake(&app, path, &[("sec-websocket-protocol", &offered), ("origin", origin)]).await;
            assert_eq!(seen.0, 401, "{path} {origin}");
        }
        let headers = [("sec-websocket-protocol", offered.as_str()), ("origin", own)];
        let client = Client::with_headers(&app, &with_query(route), &headers).await.expect("opened");
        assert_eq!(client.headers["sec-websocket-protocol"], "saas.v1", "the ticket is not answered");
        let again = handshake(&app, route, &headers).await;
        assert_eq!(again.0, 401, "{route}: {}", again.1);
        drop(client);
        for wrong in ["saas.v1, ticket.", "saas.v1, ticket.svt_x", "ticket.svt_x", "saas.v1"] {
            let seen = handshake(&app, route, &[("sec-websocket-protocol", wrong), ("origin", own)]).await;
            assert_eq!(seen.0, 401, "{route} {wrong}");
        }
    }
    app.finish().await;
}

#[actix::test]
async fn of_eight_sockets_with_one_ticket_one_opens() {
    let app = TestApp::start().await;
    let own = format!("http://localhost:{}", app.address.port());
    for _ in 0..5 {
        let offered = ticket(&app, "status", Some(&own)).await;
        let headers = [("sec-websocket-protocol", offered.as_str()), ("origin", own.as_str())];
        let tries = (0..8).map(|_| handshake(&app, "/ws", &headers));
        let mut statuses: Vec<u16> =
            futures_util::future::join_all(tries).await.into_iter().map(|seen| seen.0).collect();
        statuses.sort_unstable();
        assert_eq!(statuses, [101, 401, 401, 401, 401, 401, 401, 401]);
    }
    app.finish().await;
}

#[actix::test]
async fn an_old_ticket_opens_nothing() {
    let app = TestApp::with(&[("auth__ticket_ms", "1000")]).await;
    let own = format!("http://localhost:{}", app.address.port());
    let offered = ticket(&app, "status", Some(&own)).await;
    let opened = Instant::now();
    // The end of a ticket has no signal but time.
    tokio::time::sleep(Duration::from_millis(1_050)).await;
    let seen = handshake(&app, "/ws", &[("sec-websocket-protocol", &offered), ("origin", &own)]).await;
    assert_eq!(seen.0, 401, "after {:?}", opened.elapsed());
    app.finish().await;
}

#[actix::test]
async fn a_ticket_for_one_job_follows_no_other() {
    let app = TestApp::start().await;
    let own = format!("http://localhost:{}", app.address.port());
    let mut speaker = Client::listen(&app, "").await;
    let (mine, other) = (speaker.job(), Client::listen(&app, "").await.job());
    let made = app.request(Method::POST, "/auth/ws-tickets").header("origin", &own);
    let made = made.json(&json!({"purpose": "status", "job_id": mine})).send().await.expect("an answer");
    let made: Value = made.json().await.expect("a ticket");
    let offered = format!("saas.v1, ticket.{}", made["ticket"].as_str().expect("text"));
    let headers = [("sec-websocket-protocol", offered.as_str()), ("origin", own.as_str())];
    let mut socket = Client::with_headers(&app, "/ws", &headers).await.expect("opened");
    for wanted in [json!({"op": "subscribe", "job": other}), json!({"op": "subscribe", "jobs": "all"})] {
        socket.text(&wanted.to_string()).await;
        assert_eq!(socket.next().await["code"], "not_found", "{wanted}");
    }
    socket.text(&json!({"op": "subscribe", "job": mine}).to_string()).await;
    assert_eq!(socket.next().await["ev"], "snapshot");
    speaker.close_stream().await;
    speaker.ending().await;
    drop((speaker, socket));
    app.finish().await;
}

/// A live stream that has said something, and a status socket, both with this credential.
async fn both_sockets(app: &TestApp, credential: &str) -> (Client, Client) {
    let bearer = format!("Bearer {credential}");
    let headers = [("authorization", bearer.as_str())];
    let path = with_query("/v1/listen") + "&punctuate=true";
    let mut live = Client::with_headers(app, &path, &headers).await.expect("opened");
    live.pour(&said(&[5, 6, 7, 8])).await;
    live.until(|frame| frame["is_final"] == true).await;
    let mut status = Client::with_headers(app, "/ws", &headers).await.expect("opened");
    status.text(r#"{"op":"subscribe","jobs":"all"}"#).await;
    status.next().await;
    (live, status)
}

/// Waits for both sockets to be closed because the session is over, within the promised time of `revoked`.
async fn assert_over(live: Client, status: Client, revoked: Instant, what: &str) {
    for (mut socket, route) in [(live, "/v1/listen"), (status, "/ws")] {
        let ending = socket.ending().await;
        assert_eq!(ending.code(), Some(4401), "{what} {route}: {ending:?}");
        let took = revoked.elapsed();
        assert!(took < WITHIN, "{what} {route}: {took:?}");
    }
}

#[actix::test]
async fn what_is_revoked_closes_its_sockets_and_no_others() {
    let app = TestApp::start().await;
    let (mut neighbour, mut follower) = both_sockets(&app, &app.key).await;

    // A key, revoked over REST by its owner.
    let person = app.log_in("ada@example.org").await;
    let made = app.http.post(app.url("/auth/api-keys")).bearer_auth(&person.access_token);
    let key: Value =
        made.json(&json!({"name": "k"})).send().await.expect("answer").json().await.expect("key");
    let secret = key["key"].as_str().expect("text");
    let (live, status) = both_sockets(&app, secret).await;
    let path = format!("/auth/api-keys/{}", key["id"].as_str().expect("id"));
    let revoked = Instant::now();
    let answer =
        app.http.delete(app.url(&path)).bearer_auth(&person.access_token).send().await.expect("answer");
    assert_eq!(answer.status(), 204);
    assert_over(live, status, revoked, "key").await;
    let bearer = format!("Bearer {secret}");
    assert_eq!(handshake(&app, "/ws", &[("authorization", &bearer)]).await.0, 401);

    // A login, and what was derived from it.
    let (live, status) = both_sockets(&app, &person.access_token).await;
    let grant = app.http.post(app.url("/v1/auth/grant")).bearer_auth(&person.access_token).send().await;
    let grant: Value = grant.expect("answer").json().await.expect("grant");
    let bearer = format!("Bearer {}", grant["access_token"].as_str().expect("text"));
    let path = with_query("/v1/listen");
    let derived = Client::with_headers(&app, &path, &[("authorization", &bearer)]).await.expect("opened");
    let revoked = Instant::now();
    app.end_login(&person).await;
    assert_over(live, status, revoked, "login").await;
    let mut derived = derived;
    assert_eq!(derived.ending().await.code(), Some(4401));
    assert_eq!(handshake(&app, "/v1/listen", &[("authorization", &bearer)]).await.0, 401);

    // An account that its operator stopped.
    let again = app.log_in("ada@example.org").await;
    let (live, status) = both_sockets(&app, &again.access_token).await;
    let revoked = Instant::now();
    app.suspend("ada@example.org").await;
    assert_over(live, status, revoked, "account").await;

    // Nobody else noticed.
    neighbour.close_stream().await;
    assert_eq!(neighbour.ending().await.code(), Some(1000));
    follower.until(|state| state["ev"] == "status" && state["status"] == "done").await;
    drop((neighbour, follower));
    app.finish().await;
}

#[actix::test]
async fn a_stream_whose_key_is_revoked_keeps_what_was_heard() {
    let app = TestApp::start().await;
    let key = app.new_key("eve@example.org").await;
    let (mut live, status) = both_sockets(&app, &key).await;
    let job = live.job();
    app.suspend("eve@example.org").await;
    let ending = live.ending().await;
    assert_eq!(ending.frames.last().expect("frames")["type"], "Metadata", "{ending:?}");
    drop((live, status));
    app.resume("eve@example.org").await;
    let app = app.signed_in(key);
    let row = app.ended_job(job).await;
    assert!(row.artifacts.iter().any(|artifact| artifact.kind.as_str() == "transcript"), "{row:?}");
    app.finish().await;
}
