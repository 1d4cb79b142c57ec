//! Callbacks to a real receiver that checks signatures with the official library (PyPI `standardwebhooks`).

use crate::app::{PATIENCE, TestApp};
use crate::real_models::tools_dir;
use crate::sound::wav;
use serde_json::Value;
use std::process::{Child, Command, Stdio};
use tokio::io::{AsyncBufReadExt, BufReader, Lines};
use tokio::net::unix::pipe;

/// The receiver; killed when dropped.
struct Receiver {
    child: Child,
    seen: Lines<BufReader<pipe::Receiver>>,
}

impl Receiver {
    async fn start(port: u16, secret: &str, answers: &[&str]) -> Self {
        let tools = tools_dir().join("standardwebhooks");
        assert!(
            tools.join("pinned.txt").exists(),
            "standardwebhooks is not installed; run `make setup-test`"
        );
        let script = concat!(env!("CARGO_MANIFEST_DIR"), "/src/tests/clients/receive_callbacks.py");
        let mut child = Command::new("python3")
            .env("PYTHONPATH", tools)
            .env("WEBHOOK_SECRET", secret)
            .env("PORT", port.to_string())
            .arg(script)
            .args(answers)
            .stdout(Stdio::piped())
            .spawn()
            .expect("python3");
        let out = child.stdout.take().expect("piped");
        let out = pipe::Receiver::from_owned_fd(out.into()).expect("a pipe");
        let mut receiver = Self { child, seen: BufReader::new(out).lines() };
        assert!(receiver.next().await["listening"].is_number());
        receiver
    }

    async fn next(&mut self) -> Value {
        let line = tokio::time::timeout(PATIENCE, self.seen.next_line()).await.expect("in time");
        serde_json::from_str(&line.expect("read").expect("it runs")).expect("JSON")
    }
}

impl Drop for Receiver {
    fn drop(&mut self) {
        // One that has ended by itself is no error.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn free_port() -> u16 {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("bound");
    listener.local_addr().expect("an address").port()
}

async fn app(origin: &str, allow_private: &str) -> TestApp {
    TestApp::with(&[
        ("callbacks__allowed_origins", origin),
        ("callbacks__allow_private", allow_private),
        ("callbacks__poll_ms", "10"),
        ("callbacks__backoff_first_ms", "10"),
        ("callbacks__backoff_most_ms", "40"),
        ("callbacks__max_attempts", "4"),
    ])
    .await
}

async fn submit(app: &TestApp, callback_url: &str) -> reqwest::Response {
    let params = serde_json::json!({"type": "transcription", "callback_url": callback_url}).to_string();
    let post =
        app.http.post(app.url("/saas/jobs")).bearer_auth(&app.key).header("x-sottovoce-params", params);
    post.body(wav(&[1, 2, 3])).send().await.expect("an answer")
}

/// Waits until the callback of a job is over; returns it.
async fn over(app: &TestApp, id: &str) -> Value {
    let looking = async {
        loop {
            let url = app.url(&format!("/saas/jobs/{id}"));
            let answer = app.http.get(url).bearer_auth(&app.key).send().await.expect("an answer");
            let job: Value = answer.json().await.expect("JSON");
            if job["callback"]["state"].as_str().is_some_and(|state| state != "pending") {
                return job["callback"].clone();
            }
            tokio::time::sleep(std::time::Duration::from_millis(10)).await;
        }
    };
    tokio::time::timeout(PATIENCE, looking).await.expect("in time")
}

#[actix::test]
async fn the_end_of_a_job_is_told_until_it_is_taken() {
    let port = free_port();
    let app = app(&format!("http://127.0.0.1:{port}"), "true").await;
    let ask = app.http.get(app.url("/saas/callback-secret")).bearer_auth(&app.key);
    let secret: Value = ask.send().await.expect("an answer").json().await.expect("JSON");
    let secret = secret["secret"].as_str().expect("a secret");
    // A failing server, a redirection (never followed), then one that takes it.
    let mut receiver = Receiver::start(port, secret, &["503", "302", "204"]).await;
    let job: Value =
        submit(&app, &format!("http://127.0.0.1:{port}/hook?x=1")).await.json().await.expect("JSON");
    let id = job["id"].as_str().expect("an id");
    for _ in 0..3 {
        let seen = receiver.next().await;
        assert_eq!(
            (&seen["path"], &seen["verified"], &seen["id"]),
            (&"/hook?x=1".into(), &true.into(), &id.into())
        );
        assert_eq!((&seen["body"]["type"], &seen["body"]["data"]["id"]), (&"job.done".into(), &id.into()));
    }
    let callback = over(&app, id).await;
    assert_eq!(callback, serde_json::json!({"state": "delivered", "attempts": 3, "last_status": 204}));
}

#[actix::test]
async fn a_replaced_secret_signs_from_then_on() {
    let port = free_port();
    let app = app(&format!("http://127.0.0.1:{port}"), "true").await;
    let mut secrets = Vec::new();
    for method in [reqwest::Method::GET, reqwest::Method::POST, reqwest::Method::GET] {
        let ask = app.http.request(method, app.url("/saas/callback-secret")).bearer_auth(&app.key);
        let answer: Value = ask.send().await.expect("an answer").json().await.expect("JSON");
        secrets.push(answer["secret"].as_str().expect("a secret").to_owned());
    }
    assert!(secrets[0] != secrets[1] && secrets[1] == secrets[2]);
    let mut receiver = Receiver::start(port, &secrets[0], &["500"]).await;
    let job: Value = submit(&app, &format!("http://127.0.0.1:{port}/")).await.json().await.expect("JSON");
    assert_eq!(receiver.next().await["verified"], false, "the old one no longer checks");
    let callback = over(&app, job["id"].as_str().expect("an id")).await;
    assert_eq!((&callback["state"], &callback["attempts"]), (&"failed".into(), &4.into()));
    assert_eq!((&callback["last_error"], &callback["last_status"]), (&"status".into(), &500.into()));
}

#[actix::test]
async fn a_name_that_leads_to_this_machine_is_not_called() {
    let port = free_port();
    let app = app(&format!("http://localhost:{port}"), "false").await;
    let listener = tokio::net::TcpListener::bind(("127.0.0.1", port)).await.expect("bound");
    let job: Value = submit(&app, &format!("http://localhost:{port}/")).await.json().await.expect("JSON");
    let callback = over(&app, job["id"].as_str().expect("an id")).await;
    assert_eq!((&callback["state"], &callback["last_error"]), (&"failed".into(), &"forbidden".into()));
    let nobody = futures_util::FutureExt::now_or_never(listener.accept());
    assert!(nobody.is_none(), "nobody connected");
}

#[actix::test]
async fn addresses_that_are_not_allowed_are_refused_at_once() {
    let app = app("https://hooks.example.org", "false").await;
    for url in ["https://elsewhere.example.org/", "http://hooks.example.org/", "http://127.0.0.1/", "no url"]
    {
        let refused = submit(&app, url).await;
        assert_eq!(refused.status(), 400, "{url}");
        let problem: Value = refused.json().await.expect("JSON");
        assert!(
            problem["detail"].as_str().is_some_and(|detail| detail.contains("callback_url")),
            "{problem}"
        );
    }
}
