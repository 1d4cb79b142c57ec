//! A client of `/v1/listen`: streams pieces of audio at the pace they play and hands on what comes back.
//!
//! Plain TCP only: it is for the server's own address. Keeps nothing of what it receives.

use super::audio_file::{PIECE_MS, RATE_HZ};
use futures_util::{SinkExt, StreamExt};
use reqwest::Url;
use sottovoce_protocol::live::{ClientFrame, ListenError, ServerFrame};
use std::time::Duration;
use tokio::sync::mpsc;
use tokio::time::Instant;
use tokio_tungstenite::tungstenite::client::IntoClientRequest;
use tokio_tungstenite::tungstenite::http::HeaderValue;
use tokio_tungstenite::tungstenite::{Error as SocketError, Message};

/// After the last audio the server has this long to send its last words.
const LAST_WORDS: Duration = Duration::from_secs(60);

/// Why a stream could not be captioned.
#[derive(Debug, thiserror::Error)]
pub(super) enum ListenFailure {
    /// The address is no server's.
    #[error("--url {url}: {problem}")]
    Address {
        /// What was given.
        url: String,
        /// What is wrong.
        problem: String,
    },
    /// The key has characters that no key has.
    #[error("the key holds characters that no key has; copy it again")]
    Key,
    /// Nobody answers.
    #[error("{url} does not answer ({cause}); is the server running?")]
    Unreachable {
        /// The address.
        url: String,
        /// What happened.
        cause: String,
    },
    /// The server refused the stream.
    #[error("the server refused the stream ({status}): {told}")]
    Refused {
        /// HTTP status.
        status: u16,
        /// Its words.
        told: String,
    },
    /// The stream ended before its time.
    #[error("the stream was cut: {0}")]
    Cut(String),
    /// The audio could not be read on.
    #[error("{0}")]
    Audio(String),
    /// The captions could not be shown.
    #[error("the captions could not be written: {0}")]
    Output(#[from] std::io::Error),
}

/// Where and as whom to stream.
pub(super) struct Listen<'a> {
    /// Base address, `http://` or `ws://`.
    pub(super) url: &'a str,
    /// API key.
    pub(super) key: &'a str,
    /// Model to ask for, if any.
    pub(super) model: Option<&'a str>,
    /// As fast as the server takes it, instead of as it plays.
    pub(super) fast: bool,
}

impl Listen<'_> {
    /// Streams all pieces and calls `heard` for every frame, until the server has sent its last.
    pub(super) async fn run(
        &self,
        mut audio: mpsc::Receiver<Result<Vec<u8>, String>>,
        mut heard: impl FnMut(ServerFrame) -> std::io::Result<()>,
    ) -> Result<(), ListenFailure> {
        let address = self.address()?;
        let mut request = address.as_str().into_client_request().map_err(|cause| self.wrong(cause))?;
        let token = HeaderValue::from_str(&format!("Token {}", self.key)).map_err(|_| ListenFailure::Key)?;
        request.headers_mut().insert("Authorization", token);
        let (socket, _) =
            tokio_tungstenite::connect_async(request).await.map_err(|error| self.refusal(error))?;
        let (mut sink, mut stream) = socket.split();

        let sending = async move {
            let start = Instant::now();
            let mut sent_ms = 0;
            while let Some(piece) = audio.recv().await {
                let piece = piece.map_err(ListenFailure::Audio)?;
                if !self.fast {
                    tokio::time::sleep_until(start + Duration::from_millis(sent_ms)).await;
                }
                sent_ms += PIECE_MS;
                sink.send(Message::Binary(piece.into())).await.map_err(cut)?;
            }
            let close = serde_json::to_string(&ClientFrame::CloseStream)
                .map_err(|e| ListenFailure::Cut(e.to_string()))?;
            sink.send(Message::Text(close.into())).await.map_err(cut)?;
            Ok::<_, ListenFailure>(sink)
        };
        let receiving = async move {
            let mut finished = false;
            while let Some(message) = stream.next().await {
                match message.map_err(cut)? {
                    Message::Text(text) => {
                        // Frames of a newer server that this client does not know are passed over.
                        let Ok(frame) = serde_json::from_str::<ServerFrame>(text.as_str()) else { continue };
                        finished |= matches!(frame, ServerFrame::Metadata { .. });
                        heard(frame)?;
                    }
                    Message::Close(_) if finished => return Ok(()),
                    Message::Close(Some(frame)) => {
                        return Err(ListenFailure::Cut(format!(
                            "close code {}: {}",
                            frame.code, frame.reason
                        )));
                    }
                    Message::Close(None) => return Err(ListenFailure::Cut("closed without a reason".into())),
                    _ => {}
                }
            }
            if finished { Ok(()) } else { Err(ListenFailure::Cut("the connection ended".into())) }
        };
        let mut receiving = std::pin::pin!(receiving);
        let sink = tokio::select! {
            sent = sending => sent?,
            received = &mut receiving => return received,
        };
        let ended = tokio::time::timeout(LAST_WORDS, receiving).await;
        drop(sink);
        ended.map_err(|_| ListenFailure::Cut("the server did not send its last words".into()))?
    }

    fn address(&self) -> Result<Url, ListenFailure> {
        let mut address = Url::parse(self.url).map_err(|cause| self.wrong(cause))?;
        let scheme = match address.scheme() {
            "http" | "ws" => "ws",
            "https" | "wss" => {
                return Err(self.wrong("TLS is not spoken here; give the server's own http address"));
            }
            other => return Err(self.wrong(format!("`{other}` is not http"))),
        };
        // Cannot fail: both are special schemes with a host.
        let _ = address.set_scheme(scheme);
        address.set_path("/v1/listen");
        let rate = RATE_HZ.to_string();
        let query = [
            ("encoding", "linear16"),
            ("sample_rate", &rate),
            ("channels", "1"),
            ("interim_results", "true"),
            ("punctuate", "true"),
        ];
        address
            .query_pairs_mut()
            .clear()
            .extend_pairs(query)
            .extend_pairs(self.model.map(|model| ("model", model)));
        Ok(address)
    }

    fn wrong(&self, problem: impl ToString) -> ListenFailure {
        ListenFailure::Address { url: self.url.to_owned(), problem: problem.to_string() }
    }

    fn refusal(&self, error: SocketError) -> ListenFailure {
        match error {
            SocketError::Http(response) => {
                let body = response.body().as_deref().unwrap_or_default();
                let told = serde_json::from_slice::<ListenError>(body).map(|error| error.err_msg);
                ListenFailure::Refused {
                    status: response.status().as_u16(),
                    told: told.unwrap_or_else(|_| "it gave no reason".into()),
                }
            }
            other => ListenFailure::Unreachable { url: self.url.to_owned(), cause: other.to_string() },
        }
    }
}

fn cut(error: SocketError) -> ListenFailure {
    ListenFailure::Cut(error.to_string())
}
