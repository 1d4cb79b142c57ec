//! A small stand-in for the server: speaks just enough of the contract to test the client, on a loopback port.

use futures_util::{SinkExt, StreamExt};
use serde_json::json;
use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::protocol::CloseFrame;

/// A job's id.
pub const JOB: &str = "0192f0c0-0000-7000-8000-000000000001";

/// How the stand-in treats `/v1/listen`.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Listen {
    /// Keeps every promise.
    Good,
    /// Leaves a hole between finals.
    Gappy,
    /// Answers 429 with `Retry-After`.
    Full,
    /// Closes 1011 after the first second of audio.
    Closes,
    /// Drops the connection after the first second of audio.
    Drops,
}

/// What the stand-in remembers.
#[derive(Default)]
pub struct Seen {
    /// Request heads.
    pub heads: Vec<String>,
    /// Idempotency keys with the job they made.
    pub jobs: HashMap<String, String>,
    /// `/ws` messages of clients.
    pub subscriptions: Vec<String>,
}

/// A running stand-in.
pub struct Fake {
    /// Where it listens.
    pub address: SocketAddr,
    /// What it has seen.
    pub seen: Arc<Mutex<Seen>>,
}

impl Fake {
    /// Starts it.
    pub async fn start(listen: Listen) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let seen = Arc::new(Mutex::new(Seen::default()));
        let shared = Arc::clone(&seen);
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                tokio::spawn(serve(stream, listen, Arc::clone(&shared)));
            }
        });
        Self { address, seen }
    }

    /// Its URL.
    pub fn url(&self) -> String {
        format!("ws://{}", self.address)
    }
}

async fn serve(stream: TcpStream, listen: Listen, seen: Arc<Mutex<Seen>>) {
    let mut head = vec![0_u8; 8_192];
    let mut length = 0;
    while !head[..length].windows(4).any(|w| w == b"\r\n\r\n") {
        let Ok(peeked) = stream.peek(&mut head).await else { return };
        if peeked == 0 || (peeked == length && peeked == head.len()) {
            return;
        }
        if peeked == length {
            tokio::task::yield_now().await;
        }
        length = peeked;
    }
    let text = String::from_utf8_lossy(&head[..length]).into_owned();
    let request = text.lines().next().unwrap_or_default().to_owned();
    let upgrade = text.to_lowercase().contains("upgrade: websocket");
    seen.lock().unwrap().heads.push(text);
    match (upgrade, request.contains("/v1/listen"), listen) {
        (true, true, Listen::Full) => {
            answer(stream, "429 Too Many Requests", "retry-after: 7\r\n", FULL).await
        }
        (true, true, _) => captions(stream, listen).await,
        (true, false, _) => status(stream, seen).await,
        (false, ..) => rest(stream, &request, seen).await,
    }
}

const FULL: &str = r#"{"err_code":"TOO_MANY_REQUESTS","err_msg":"full","request_id":"x"}"#;

async fn answer(mut stream: TcpStream, status: &str, headers: &str, body: &str) {
    let head =
        format!("HTTP/1.1 {status}\r\ncontent-length: {}\r\nconnection: close\r\n{headers}\r\n", body.len());
    let _ = stream.write_all((head + body).as_bytes()).await;
    let _ = stream.shutdown().await;
    // Unread request bytes would turn the close into a reset that eats the answer.
    let mut rest = [0_u8; 4_096];
    while stream.read(&mut rest).await.is_ok_and(|n| n > 0) {}
}

fn results(start: f64, end: f64, is_final: bool, text: &str) -> String {
    let words: Vec<_> = text
        .split_whitespace()
        .map(|w| json!({"word": w, "start": start, "end": end, "confidence": 0.9}))
        .collect();
    json!({
        "type": "Results", "channel_index": [0, 1], "duration": end - start, "start": start, "is_final": is_final,
        "speech_final": is_final, "from_finalize": false,
        "channel": {"alternatives": [{"transcript": text, "confidence": 0.9, "words": words}]},
        "metadata": {"request_id": JOB, "model_uuid": JOB, "model_info": {"name": "m", "version": "1", "arch": "a"}}
    })
    .to_string()
}

/// A final every second ("word N"), an interim at each half; the rest and `Metadata` on `CloseStream`.
async fn captions(stream: TcpStream, listen: Listen) {
    let Ok(mut socket) = tokio_tungstenite::accept_async(stream).await else { return };
    let (mut heard_s, mut settled_s, mut interim_at_s) = (0.0_f64, 0.0_f64, 0.5_f64);
    while let Some(Ok(message)) = socket.next().await {
        match message {
            Message::Binary(audio) => {
                heard_s += audio.len() as f64 / 32_000.0;
                if listen == Listen::Closes && heard_s >= 1.0 {
                    let frame = CloseFrame { code: 1011.into(), reason: "internal error".into() };
                    let _ = socket.close(Some(frame)).await;
                    continue;
                }
                if listen == Listen::Drops && heard_s >= 1.0 {
                    return;
                }
                if heard_s >= interim_at_s {
                    let _ = socket.send(Message::text(results(settled_s, heard_s, false, "wor"))).await;
                    interim_at_s += 1.0;
                }
                if heard_s - settled_s >= 1.0 {
                    let hole = if listen == Listen::Gappy && settled_s > 0.0 { 0.1 } else { 0.0 };
                    let text = format!("word {}", settled_s as u32);
                    let _ = socket.send(Message::text(results(settled_s + hole, heard_s, true, &text))).await;
                    settled_s = heard_s;
                }
            }
            Message::Text(text) if text.contains("CloseStream") => {
                let _ = socket.send(Message::text(results(settled_s, heard_s, true, ""))).await;
                let metadata = json!({
                    "type": "Metadata", "transaction_key": "deprecated", "request_id": JOB, "sha256": "",
                    "created": "2026-01-01T00:00:00Z", "duration": heard_s, "channels": 1, "models": [], "model_info": {}
                });
                let _ = socket.send(Message::text(metadata.to_string())).await;
                let _ = socket.close(Some(CloseFrame { code: 1000.into(), reason: "".into() })).await;
            }
            _ => {}
        }
    }
}

/// `saas.v1`: a snapshot for every subscription, then a status, with a gap and a step back for the curious.
async fn status(stream: TcpStream, seen: Arc<Mutex<Seen>>) {
    let Ok(mut socket) = tokio_tungstenite::accept_async(stream).await else { return };
    while let Some(Ok(message)) = socket.next().await {
        let Message::Text(text) = message else { continue };
        seen.lock().unwrap().subscriptions.push(text.to_string());
        let state = |ev: &str, seq: u64, status: &str| {
            json!({"ev": ev, "job": JOB, "seq": seq, "status": status, "progress": 0}).to_string()
        };
        for (ev, seq, name) in [("snapshot", 1, "queued"), ("status", 3, "processing"), ("status", 4, "done")]
        {
            let _ = socket.send(Message::text(state(ev, seq, name))).await;
        }
    }
}

/// Jobs are done at the second look.
async fn rest(mut stream: TcpStream, request: &str, seen: Arc<Mutex<Seen>>) {
    let view = |status: &str| {
        json!({
            "id": JOB, "type": "transcription", "status": status, "progress": 0, "duration_seconds": 2.0,
            "created_at": "2026-01-01T00:00:00.000Z", "artifacts": []
        })
        .to_string()
    };
    if request.starts_with("POST /saas/jobs") {
        let body = read_request(&mut stream).await;
        let key = header(&body, "idempotency-key").unwrap_or_default();
        let order = body.find("name=\"params\"") < body.find("name=\"file\"");
        seen.lock().unwrap().jobs.insert(key, JOB.into());
        if body.contains("REFUSE-ME") {
            let problem = r#"{"code":"media_unsupported","status":415,"title":"x","type":"about:blank"}"#;
            return answer(stream, "415 Unsupported Media Type", "", problem).await;
        }
        let status = if order { "201 Created" } else { "400 Bad Request" };
        return answer(stream, status, "", &view("queued")).await;
    }
    if request.contains("/artifacts/json") {
        let transcript = json!({
            "version": 1, "job": JOB, "language": "en", "duration_seconds": 2.0, "engine": "e", "model": "m",
            "text": "word 0", "segments": [{"id": 0, "start": 0.0, "end": 2.0, "text": "word 0", "confidence": 0.9,
            "channel": 0, "words": [{"word": "word", "start": 0.1, "end": 0.4, "confidence": 0.9},
            {"word": "0", "start": 0.5, "end": 0.9, "confidence": 0.9}]}]
        });
        return answer(stream, "200 OK", "", &transcript.to_string()).await;
    }
    match request {
        r if r.starts_with("GET /saas/jobs/") => answer(stream, "200 OK", "", &view("done")).await,
        r if r.starts_with("GET /livez") => answer(stream, "200 OK", "", "").await,
        _ => {
            let body = r#"{"err_code":"Bad Request","err_msg":"no","request_id":"x"}"#;
            answer(stream, "400 Bad Request", "", body).await;
        }
    }
}

fn header(request: &str, name: &str) -> Option<String> {
    let prefix = format!("{name}: ");
    let line = request.lines().find(|line| line.to_lowercase().starts_with(&prefix))?;
    Some(line[prefix.len()..].to_owned())
}

async fn read_request(stream: &mut TcpStream) -> String {
    let mut all = Vec::new();
    let mut piece = [0_u8; 65_536];
    loop {
        let text = String::from_utf8_lossy(&all).into_owned();
        if let Some(end) = all.windows(4).position(|w| w == b"\r\n\r\n") {
            let length: usize = header(&text, "content-length").and_then(|l| l.parse().ok()).unwrap_or(0);
            if all.len() >= end + 4 + length {
                return text;
            }
        }
        match stream.read(&mut piece).await {
            Ok(n) if n > 0 => all.extend_from_slice(&piece[..n]),
            _ => return text,
        }
    }
}
