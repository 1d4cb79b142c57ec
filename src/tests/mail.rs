//! Letters through a real mail server (PyPI `aiosmtpd`), and what their links do.

use crate::app::{PATIENCE, TestApp};
use crate::real_models::tools_dir;
use serde_json::{Value, json};
use std::process::{Child, Command, Stdio};
use tokio::io::{AsyncBufReadExt, BufReader, Lines};
use tokio::net::unix::pipe;

/// A mail server that prints what it gets; killed when dropped.
struct MailServer {
    child: Child,
    address: String,
    letters: Lines<BufReader<pipe::Receiver>>,
}

impl MailServer {
    async fn start() -> Self {
        let free =
            std::net::TcpListener::bind("127.0.0.1:0").expect("bound").local_addr().expect("an address");
        let tools = tools_dir().join("aiosmtpd");
        assert!(tools.join("pinned.txt").exists(), "aiosmtpd is not installed; run `make setup-test`");
        let mut child = Command::new("python3")
            .env("PYTHONPATH", tools)
            .env("PYTHONUNBUFFERED", "1")
            .args(["-m", "aiosmtpd", "-n", "-l", &free.to_string()])
            .args(["-c", "aiosmtpd.handlers.Debugging", "stdout"])
            .stdout(Stdio::piped())
            .spawn()
            .expect("python3");
        let out = child.stdout.take().expect("piped");
        let out = pipe::Receiver::from_owned_fd(out.into()).expect("a pipe");
        let server = Self { child, address: free.to_string(), letters: BufReader::new(out).lines() };
        let listening = async {
            while tokio::net::TcpStream::connect(&server.address).await.is_err() {
                tokio::time::sleep(std::time::Duration::from_millis(50)).await;
            }
        };
        tokio::time::timeout(PATIENCE, listening).await.expect("the mail server listens");
        server
    }

    /// Waits for a letter; returns its lines and the secret of the link in it.
    async fn letter(&mut self) -> (Vec<String>, String) {
        let mut lines = Vec::new();
        let reading = async {
            while let Some(line) = self.letters.next_line().await.expect("read") {
                lines.push(line);
                if lines.last().is_some_and(|line| line.contains("END MESSAGE")) {
                    return;
                }
            }
            panic!("the mail server ended");
        };
        tokio::time::timeout(PATIENCE, reading).await.expect("a letter");
        // Quoted-printable (RFC 2045 §6.7), which long lines are sent in.
        let text = lines.join("\n").replace("=\n", "").replace("=3D", "=");
        let link = text.lines().find_map(|line| line.split_once("/#")).expect("a link");
        let secret = link.1.split_once('=').expect("a secret").1.trim().to_owned();
        (lines, secret)
    }
}

impl Drop for MailServer {
    fn drop(&mut self) {
        // One that has ended by itself is no error.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

async fn post(app: &TestApp, path: &str, body: Value) -> reqwest::Response {
    app.http.post(app.url(path)).json(&body).send().await.expect("an answer")
}

const OLD: &str = "the old canary-password";
const NEW: &str = "the new canary-password";

#[actix::test]
async fn a_forgotten_password_is_set_anew_by_a_letter() {
    let mut mail = MailServer::start().await;
    let url = format!("smtp+plain://{}", mail.address);
    let app = TestApp::with(&[("smtp__url", &url), ("smtp__from", "captions@example.org")]).await;
    let account =
        |password: &str| json!({"email": "ada@example.org", "password": password, "client": "native"});
    assert_eq!(post(&app, "/auth/register", account(OLD)).await.status(), 201);

    assert_eq!(
        post(&app, "/auth/password/forgotten", json!({"email": "nobody@example.org"})).await.status(),
        202
    );
    assert_eq!(
        post(&app, "/auth/password/forgotten", json!({"email": "ada@example.org"})).await.status(),
        202
    );
    let (lines, secret) = mail.letter().await;
    let has = |what: &str| lines.iter().any(|line| line.contains(what));
    assert!(has("To: ada@example.org") && has("From: captions@example.org"), "{lines:?}");

    let reset = || json!({"token": secret, "new_password": NEW});
    assert_eq!(post(&app, "/auth/password/reset", reset()).await.status(), 204);
    assert_eq!(post(&app, "/auth/login", account(OLD)).await.status(), 401);
    assert_eq!(post(&app, "/auth/login", account(NEW)).await.status(), 200);
    let again = post(&app, "/auth/password/reset", reset()).await;
    assert_eq!(again.json::<Value>().await.expect("a problem")["code"], "link_invalid");
    app.finish().await;
}

#[actix::test]
async fn an_address_is_confirmed_by_a_letter_before_it_can_do_anything() {
    let mut mail = MailServer::start().await;
    let url = format!("smtp+plain://{}", mail.address);
    let settings =
        [("smtp__url", url.as_str()), ("smtp__from", "captions@example.org"), ("auth__verify_email", "true")];
    let app = TestApp::with(&settings).await;
    let account = || json!({"email": "ada@example.org", "password": NEW, "client": "native"});
    let made = post(&app, "/auth/register", account()).await;
    assert_eq!(made.status(), 202);
    assert!(!made.text().await.expect("text").contains("access_token"));
    let early = post(&app, "/auth/login", account()).await;
    assert_eq!(early.json::<Value>().await.expect("a problem")["code"], "email_unverified");
    let (_, secret) = mail.letter().await;
    assert_eq!(post(&app, "/auth/verify", json!({"token": secret})).await.status(), 204);
    assert_eq!(post(&app, "/auth/login", account()).await.status(), 200);
    app.finish().await;
}
