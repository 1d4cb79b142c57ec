//! A real browser: what pages of allowed and foreign origins can do with sockets. The page tells its own origin what
//! happened, so that the test waits for a request and not for time.

use crate::app::{PATIENCE, TestApp};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use tempfile::TempDir;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;

const PROGRAMS: [&str; 2] = ["/usr/bin/chromium", "/usr/bin/chromium-browser"];

/// A running browser; killed when dropped.
struct Browser(Child);

impl Drop for Browser {
    fn drop(&mut self) {
        // One that has ended by itself is no error.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// A page of an origin of its own, which opens a socket and tells its origin how that went.
struct Page {
    listener: TcpListener,
}

impl Page {
    async fn new() -> Self {
        Self { listener: TcpListener::bind("127.0.0.1:0").await.expect("bound") }
    }

    fn origin(&self) -> String {
        format!("http://{}", self.listener.local_addr().expect("an address"))
    }

    /// Serves the page to a browser until it says how the socket went.
    async fn told(&self, socket: &str, ticket: &str) -> String {
        let page = format!(
            "<!doctype html><title>page</title><script>\
             const tell = what => fetch('/told/' + what);\
             const socket = new WebSocket({socket:?}, ['saas.v1', 'ticket.{ticket}']);\
             socket.onopen = () => tell('opened-' + socket.protocol);\
             socket.onclose = event => tell('closed-' + event.code);</script>"
        );
        let profile = TempDir::new().expect("temporary folder");
        let program = PROGRAMS.into_iter().find(|path| Path::new(path).exists());
        let program = program.expect("chromium is not installed; run `make setup-test`");
        let _browser = Browser(
            Command::new(program)
                .args(["--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run"])
                .args(["--disable-background-networking", "--disable-component-update", "--disable-sync"])
                .arg(format!("--user-data-dir={}", profile.path().display()))
                .arg(self.origin())
                .stdout(Stdio::null())
                .stderr(Stdio::null())
                .spawn()
                .expect("started"),
        );
        tokio::time::timeout(PATIENCE * 3, self.serve(&page)).await.expect("the page tells")
    }

    async fn serve(&self, page: &str) -> String {
        loop {
            let (mut stream, _) = self.listener.accept().await.expect("accepted");
            let mut head = Vec::new();
            while !head.ends_with(b"\r\n\r\n") && stream.read_buf(&mut head).await.expect("read") > 0 {}
            let head = String::from_utf8_lossy(&head).into_owned();
            let path = head.split(' ').nth(1).unwrap_or_default();
            if let Some(told) = path.strip_prefix("/told/") {
                return told.to_owned();
            }
            let answer = format!(
                "HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nConnection: close\r\nContent-Length: {}\r\n\r\n{page}",
                page.len()
            );
            stream.write_all(answer.as_bytes()).await.expect("written");
        }
    }
}

#[actix::test]
async fn a_page_of_a_foreign_origin_opens_no_socket_one_of_a_listed_origin_does() {
    let (listed, foreign) = (Page::new().await, Page::new().await);
    let origin = listed.origin();
    let app = TestApp::with(&[("http__allowed_origins", &origin), ("auth__ticket_ms", "120000")]).await;
    for route in ["/ws", "/v1/listen?encoding=linear16&sample_rate=16000"] {
        // The very ticket that the foreign page could not use opens the socket of the listed one.
        let purpose = if route == "/ws" { "status" } else { "stream" };
        let made = app.request(reqwest::Method::POST, "/auth/ws-tickets");
        let made = made.json(&serde_json::json!({"purpose": purpose})).send().await.expect("an answer");
        let made: serde_json::Value = made.json().await.expect("a ticket");
        let ticket = made["ticket"].as_str().expect("text").to_owned();
        let url = format!("ws://{}{route}", app.address);
        assert_eq!(foreign.told(&url, &ticket).await, "closed-1006", "{route}");
        assert_eq!(listed.told(&url, &ticket).await, "opened-saas.v1", "{route}");
    }
    app.finish().await;
}
