//! A back end's view of the server: REST with a key, and a live socket that sends a whole recording.

use super::binary::Server;
use futures_util::{SinkExt, StreamExt};
use reqwest::{Client, RequestBuilder, multipart};
use serde_json::Value;
use sottovoce_media::{DecodeLimits, MonoReader};
use sottovoce_protocol::live::ServerFrame;
use std::path::Path;
use std::time::Duration;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::client::IntoClientRequest;

const LOOK_AGAIN: Duration = Duration::from_millis(100);
const PATIENCE: Duration = Duration::from_secs(240);

/// A key and the server it belongs to.
pub struct BackEnd {
    url: String,
    key: String,
    client: Client,
}

impl BackEnd {
    /// Makes a key of a server.
    pub fn of(server: &Server) -> Self {
        let client = Client::builder().no_proxy().build().expect("client");
        Self { url: server.url.clone(), key: server.new_key(), client }
    }

    /// Goes on with the same key after the server was started again elsewhere.
    pub fn moved_to(mut self, server: &Server) -> Self {
        self.url.clone_from(&server.url);
        self
    }

    fn authorised(&self, request: RequestBuilder) -> RequestBuilder {
        request.bearer_auth(&self.key)
    }

    /// Submits a file and returns the job's id.
    pub async fn submit(&self, file: &Path) -> String {
        let name = file.file_name().expect("a file").to_string_lossy();
        let bytes = std::fs::read(file).expect("readable");
        self.submit_with(r#"{"type":"transcription"}"#, &name, bytes).await
    }

    /// Submits a file of this name with params and returns the job's id.
    pub async fn submit_with(&self, params: &str, name: &str, bytes: Vec<u8>) -> String {
        let form = multipart::Form::new()
            .text("params", params.to_owned())
            .part("file", multipart::Part::bytes(bytes).file_name(name.to_owned()));
        let request = self.client.post(format!("{}/saas/jobs", self.url)).multipart(form);
        let response = self.authorised(request).send().await.expect("answered");
        assert_eq!(response.status().as_u16(), 201);
        let job: Value = response.json().await.expect("JSON");
        job["id"].as_str().expect("an id").to_owned()
    }

    /// Returns a job as the server shows it.
    pub async fn job(&self, id: &str) -> Value {
        let request = self.client.get(format!("{}/saas/jobs/{id}", self.url));
        let response = self.authorised(request).send().await.expect("answered");
        assert_eq!(response.status().as_u16(), 200, "{id}");
        response.json().await.expect("JSON")
    }

    /// Waits until a job has ended.
    pub async fn ended(&self, id: &str) -> Value {
        let waiting = async {
            loop {
                let job = self.job(id).await;
                if matches!(job["status"].as_str(), Some("done" | "failed")) {
                    return job;
                }
                tokio::time::sleep(LOOK_AGAIN).await;
            }
        };
        tokio::time::timeout(PATIENCE, waiting).await.unwrap_or_else(|_| panic!("job {id} did not end"))
    }

    /// Downloads an artifact.
    pub async fn artifact(&self, id: &str, kind: &str) -> String {
        let request = self.client.get(format!("{}/saas/jobs/{id}/artifacts/{kind}", self.url));
        let response = self.authorised(request).send().await.expect("answered");
        assert_eq!(response.status().as_u16(), 200, "{kind} of {id}");
        response.text().await.expect("text")
    }

    /// Opens a live stream, sends a whole recording as fast as it is taken, and closes the stream.
    pub async fn listen(&self, file: &Path) -> LiveStream {
        self.send(file, true).await
    }

    /// As `listen`, but leaves the stream open.
    pub async fn listen_on(&self, file: &Path) -> LiveStream {
        self.send(file, false).await
    }

    async fn send(&self, file: &Path, closes: bool) -> LiveStream {
        let query = "encoding=linear16&sample_rate=16000&interim_results=false";
        let url = format!("{}/v1/listen?{query}", self.url.replacen("http", "ws", 1));
        let mut request = url.into_client_request().expect("address");
        request.headers_mut().insert("Authorization", format!("Token {}", self.key).parse().expect("key"));
        let (socket, response) = tokio_tungstenite::connect_async(request).await.expect("opened");
        let id = response.headers()["dg-request-id"].to_str().expect("text").to_owned();
        let (mut sink, stream) = socket.split();
        let audio = linear16(file);
        let sending = tokio::spawn(async move {
            for piece in audio.chunks(6400) {
                if sink.send(Message::Binary(piece.to_vec().into())).await.is_err() {
                    return;
                }
            }
            let last = if closes { r#"{"type":"CloseStream"}"# } else { r#"{"type":"KeepAlive"}"# };
            let _ = sink.send(Message::Text(last.into())).await;
        });
        LiveStream { id, stream: Box::pin(stream), _sending: sending }
    }
}

type Frames = futures_util::stream::SplitStream<
    tokio_tungstenite::WebSocketStream<tokio_tungstenite::MaybeTlsStream<tokio::net::TcpStream>>,
>;

/// A stream whose captions are read one by one.
pub struct LiveStream {
    /// The stream's job.
    pub id: String,
    stream: std::pin::Pin<Box<Frames>>,
    _sending: tokio::task::JoinHandle<()>,
}

impl LiveStream {
    /// Returns the text of the next settled caption with words; `None` after the last.
    pub async fn next_final(&mut self) -> Option<String> {
        let reading = async {
            loop {
                let Message::Text(text) = self.stream.next().await?.ok()? else { continue };
                if let Ok(ServerFrame::Results { is_final: true, channel, .. }) =
                    serde_json::from_str(text.as_str())
                {
                    let text = channel.alternatives[0].transcript.clone();
                    if !text.is_empty() {
                        return Some(text);
                    }
                }
            }
        };
        tokio::time::timeout(PATIENCE, reading).await.expect("a caption in time")
    }
}

impl LiveStream {
    /// Reads on to the end; returns the words that still came and the close frame's code.
    pub async fn end(mut self) -> (String, Option<u16>) {
        let mut texts = Vec::new();
        let reading = async {
            loop {
                match self.stream.next().await {
                    Some(Ok(Message::Text(text))) => {
                        if let Ok(ServerFrame::Results { is_final: true, channel, .. }) =
                            serde_json::from_str(text.as_str())
                        {
                            texts.push(channel.alternatives[0].transcript.clone());
                        }
                    }
                    Some(Ok(Message::Close(close))) => return close.map(|frame| u16::from(frame.code)),
                    Some(Ok(_)) => {}
                    Some(Err(_)) | None => return None,
                }
            }
        };
        let code = tokio::time::timeout(PATIENCE, reading).await.expect("an end in time");
        (texts.join(" "), code)
    }
}

/// Returns a recording as 16 kHz mono 16-bit PCM.
fn linear16(file: &Path) -> Vec<u8> {
    let file = std::fs::File::open(file).expect("readable");
    let mut reader = MonoReader::open(file, DecodeLimits { max_duration_s: 600 }).expect("a recording");
    let mut bytes = Vec::new();
    while let Some(samples) = reader.next().expect("decodable") {
        bytes.extend(samples.iter().flat_map(|sample| ((sample * 32_767.0) as i16).to_le_bytes()));
    }
    bytes
}
