//! A WebSocket client of the tests: frames as they come, closes as they are, and raw bytes where a test breaks the rules.

use crate::app::{PATIENCE, TestApp};
use futures_util::{SinkExt, StreamExt};
use serde_json::Value;
use sottovoce_protocol::ids::JobId;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio_tungstenite::tungstenite::client::IntoClientRequest;
use tokio_tungstenite::tungstenite::http::{HeaderMap, HeaderName, HeaderValue, Request};
use tokio_tungstenite::tungstenite::protocol::WebSocketConfig;
use tokio_tungstenite::tungstenite::{Error, Message};
use tokio_tungstenite::{WebSocketStream, client_async_with_config};

/// An open socket.
pub struct Client {
    pub socket: WebSocketStream<TcpStream>,
    /// Headers of the answer to the handshake.
    pub headers: HeaderMap,
}

/// How a socket ended, and what came before.
#[derive(Debug)]
pub struct Ending {
    pub frames: Vec<Value>,
    /// Code and reason of the close frame; `None` if the connection ended without one.
    pub close: Option<(u16, String)>,
}

impl Ending {
    /// Returns the words of a channel's finals.
    pub fn words(&self, channel: u64) -> String {
        words(&self.frames, channel)
    }

    pub fn code(&self) -> Option<u16> {
        self.close.as_ref().map(|(code, _)| *code)
    }
}

/// Returns the finals among frames.
pub fn finals(frames: &[Value]) -> impl Iterator<Item = &Value> {
    frames.iter().filter(|frame| frame["type"] == "Results" && frame["is_final"] == true)
}

/// Returns the words of a channel's finals.
pub fn words(frames: &[Value], channel: u64) -> String {
    finals(frames)
        .filter(|frame| frame["channel_index"][0] == channel)
        .filter_map(|frame| frame["channel"]["alternatives"][0]["transcript"].as_str())
        .filter(|text| !text.is_empty())
        .collect::<Vec<_>>()
        .join(" ")
}

fn request(app: &TestApp, path: &str, headers: &[(&str, &str)]) -> Request<()> {
    let mut request = format!("ws://{}{path}", app.address).into_client_request().expect("a request");
    for (name, value) in headers {
        let name = HeaderName::from_bytes(name.as_bytes()).expect("a name");
        request.headers_mut().insert(name, HeaderValue::from_str(value).expect("a value"));
    }
    request
}

impl Client {
    /// Opens a socket with these headers only.
    pub async fn with_headers(app: &TestApp, path: &str, headers: &[(&str, &str)]) -> Result<Self, Error> {
        let stream = TcpStream::connect(app.address).await.expect("connected");
        stream.set_nodelay(true).expect("set");
        let config = WebSocketConfig::default().max_message_size(None).max_frame_size(None);
        let (socket, answer) =
            client_async_with_config(request(app, path, headers), stream, Some(config)).await?;
        Ok(Self { socket, headers: answer.headers().clone() })
    }

    /// Opens a socket with the app's key.
    pub async fn open(app: &TestApp, path: &str) -> Self {
        let authorization = format!("Token {}", app.key);
        Self::with_headers(app, path, &[("authorization", &authorization)]).await.expect("opened")
    }

    /// Opens a live stream of 16 kHz mono with more parameters, e.g. `&interim_results=true`.
    pub async fn listen(app: &TestApp, more: &str) -> Self {
        Self::open(app, &format!("/v1/listen?encoding=linear16&sample_rate=16000&punctuate=true{more}")).await
    }

    /// Returns the stream's job.
    pub fn job(&self) -> JobId {
        let id = self.headers["dg-request-id"].to_str().expect("text");
        id.parse().expect("a UUID")
    }

    pub async fn text(&mut self, text: &str) {
        self.socket.send(Message::text(text)).await.expect("sent");
    }

    pub async fn binary(&mut self, data: Vec<u8>) {
        self.socket.send(Message::binary(data)).await.expect("sent");
    }

    /// Sends audio as fast as the server takes it.
    pub async fn pour(&mut self, audio: &[u8]) {
        for chunk in audio.chunks(16_000) {
            self.binary(chunk.to_vec()).await;
        }
    }

    pub async fn close_stream(&mut self) {
        self.text(r#"{"type":"CloseStream"}"#).await;
    }

    /// Writes bytes that need be no frame.
    pub async fn raw(&mut self, bytes: &[u8]) {
        self.socket.get_mut().write_all(bytes).await.expect("written");
    }

    /// Waits for the next text frame.
    pub async fn next(&mut self) -> Value {
        match self.message().await {
            Some(Message::Text(text)) => serde_json::from_str(&text).expect("JSON"),
            other => panic!("a text frame was waited for, {other:?} came"),
        }
    }

    /// Waits for a text frame that is what is waited for; returns it and all before it.
    pub async fn until(&mut self, found: impl Fn(&Value) -> bool) -> Vec<Value> {
        let mut frames = Vec::new();
        loop {
            frames.push(self.next().await);
            if frames.last().is_some_and(&found) {
                return frames;
            }
        }
    }

    /// Reads to the end.
    pub async fn ending(&mut self) -> Ending {
        let mut frames = Vec::new();
        loop {
            match self.message().await {
                Some(Message::Text(text)) => frames.push(serde_json::from_str(&text).expect("JSON")),
                Some(Message::Close(close)) => {
                    let close = close.map(|frame| (u16::from(frame.code), frame.reason.to_string()));
                    return Ending { frames, close };
                }
                Some(other) => panic!("{other:?} came"),
                None => return Ending { frames, close: None },
            }
        }
    }

    /// Returns the next message that is no ping or pong; `None` once the connection has ended.
    async fn message(&mut self) -> Option<Message> {
        loop {
            let next = tokio::time::timeout(PATIENCE, self.socket.next()).await.expect("something comes");
            match next {
                Some(Ok(Message::Ping(_) | Message::Pong(_))) => {}
                Some(Ok(message)) => return Some(message),
                Some(Err(_)) | None => return None,
            }
        }
    }
}

/// Sends bytes that need be no proper request; returns the head of the answer.
pub async fn plain(app: &TestApp, request: &[u8]) -> String {
    let mut stream = TcpStream::connect(app.address).await.expect("connected");
    stream.write_all(request).await.expect("written");
    let mut answer = Vec::new();
    while !answer.windows(4).any(|end| end == b"\r\n\r\n") {
        let reading = stream.read_buf(&mut answer);
        if tokio::time::timeout(PATIENCE, reading).await.expect("an answer").expect("read") == 0 {
            break;
        }
    }
    String::from_utf8_lossy(&answer).into_owned()
}

/// Returns a masked frame, as a client must send it, with these first bits (FIN and opcode).
pub fn frame(first: u8, payload: &[u8]) -> Vec<u8> {
    const MASK: [u8; 4] = [7, 1, 200, 3];
    let mut frame = vec![first];
    match payload.len() {
        length @ 0..126 => frame.push(0x80 | length as u8),
        length @ 126..65_536 => {
            frame.push(0x80 | 126);
            frame.extend((length as u16).to_be_bytes());
        }
        length => {
            frame.push(0x80 | 127);
            frame.extend((length as u64).to_be_bytes());
        }
    }
    frame.extend(MASK);
    frame.extend(payload.iter().zip(MASK.iter().cycle()).map(|(byte, mask)| byte ^ mask));
    frame
}
