//! Where the server is and how a client presents itself: the base URL and the API key.

use crate::error::LoadError;
use reqwest::Url;
use std::time::Duration;
use tokio::net::{TcpSocket, TcpStream, lookup_host};
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::client::IntoClientRequest;
use tokio_tungstenite::tungstenite::http::{HeaderValue, header};
use tokio_tungstenite::tungstenite::{self, handshake::client::Response};

/// A client socket; plain TCP only (TLS ends at the proxy, and this client measures the server).
pub type Socket = WebSocketStream<TcpStream>;

/// The command line's part about the server.
#[derive(clap::Args, Clone, Debug)]
pub struct ServerArgs {
    /// Base URL, e.g. ws://127.0.0.1:8080 (http:// is the same).
    #[arg(long)]
    pub url: String,
    /// API key (`sottovoce keys create`).
    #[arg(long, env = "SOTTOVOCE_KEY", hide_env_values = true)]
    pub key: String,
    /// Process id of the server on this machine: its CPU and memory are measured.
    #[arg(long)]
    pub server_pid: Option<u32>,
}

/// A server that can be called.
#[derive(Clone, Debug)]
pub struct Endpoint {
    base: Url,
    authorization: HeaderValue,
    http: reqwest::Client,
}

impl Endpoint {
    /// Prepares a client for the server at `url`.
    ///
    /// # Errors
    /// When `url` is not a `ws://` or `http://` URL or the key has forbidden characters.
    pub fn new(url: &str, key: &str) -> Result<Self, LoadError> {
        let plain = url.replacen("ws://", "http://", 1);
        let base = Url::parse(&plain).map_err(|e| LoadError::usage(format!("--url {url}: {e}")))?;
        if base.scheme() != "http" || base.host_str().is_none() {
            return Err(LoadError::usage(format!("--url {url}: only ws:// and http:// are supported")));
        }
        let mut authorization = HeaderValue::from_str(&format!("Token {key}"))
            .map_err(|_| LoadError::usage("--key has characters that a header cannot carry"))?;
        authorization.set_sensitive(true);
        // A run opens far more connections than a default pool keeps; an upload may wait long for its answer.
        let http = reqwest::Client::builder().no_proxy().timeout(Duration::from_secs(600)).build()?;
        Ok(Self { base, authorization, http })
    }

    /// Returns `host:port`, for the `Host` header and for dialling.
    pub fn authority(&self) -> String {
        let port = self.base.port_or_known_default().unwrap_or(80);
        format!("{}:{port}", self.base.host_str().unwrap_or_default())
    }

    /// Returns the value of the `Authorization` header.
    pub fn authorization(&self) -> &HeaderValue {
        &self.authorization
    }

    fn url(&self, path: &str, query: &[(String, String)]) -> Url {
        let mut url = self.base.clone();
        url.set_path(path);
        if !query.is_empty() {
            url.query_pairs_mut().extend_pairs(query);
        }
        url
    }

    /// Begins a REST request with the key.
    pub fn request(&self, method: reqwest::Method, path: &str) -> reqwest::RequestBuilder {
        self.http.request(method, self.url(path, &[])).header(header::AUTHORIZATION, &self.authorization)
    }

    /// Opens a TCP connection; `receive_buffer_bytes` caps the kernel's buffer, so that not reading is felt soon.
    ///
    /// # Errors
    /// When the server cannot be reached.
    pub async fn dial(&self, receive_buffer_bytes: Option<u32>) -> Result<TcpStream, LoadError> {
        let refused = || LoadError::usage(format!("{} has no address", self.authority()));
        let address = lookup_host(self.authority()).await?.next().ok_or_else(refused)?;
        let socket = if address.is_ipv4() { TcpSocket::new_v4()? } else { TcpSocket::new_v6()? };
        if let Some(bytes) = receive_buffer_bytes {
            socket.set_recv_buffer_size(bytes)?;
        }
        let stream = socket.connect(address).await?;
        stream.set_nodelay(true)?;
        Ok(stream)
    }

    /// Opens a WebSocket with the key in the `Authorization` header.
    ///
    /// # Errors
    /// [`OpenError::Refused`] when the server answers with another status than 101.
    pub async fn open(
        &self,
        path: &str,
        query: &[(String, String)],
        receive_buffer_bytes: Option<u32>,
    ) -> Result<(Socket, Response), OpenError> {
        let url = self.url(path, query).as_str().replacen("http://", "ws://", 1);
        let mut request = url.into_client_request().map_err(|e| OpenError::Failed(e.to_string()))?;
        request.headers_mut().insert(header::AUTHORIZATION, self.authorization.clone());
        let stream = self.dial(receive_buffer_bytes).await.map_err(|e| OpenError::Failed(e.to_string()))?;
        match tokio::time::timeout(HANDSHAKE_LIMIT, tokio_tungstenite::client_async(request, stream)).await {
            Ok(Ok(opened)) => Ok(opened),
            Ok(Err(tungstenite::Error::Http(response))) => Err(OpenError::Refused(Refusal::of(&response))),
            Ok(Err(error)) => Err(OpenError::Failed(error.to_string())),
            Err(_) => Err(OpenError::Failed("no answer to the handshake in time".into())),
        }
    }
}

/// How long a handshake may take.
const HANDSHAKE_LIMIT: Duration = Duration::from_secs(30);

/// Why a socket did not open.
#[derive(Debug)]
pub enum OpenError {
    /// The server said no.
    Refused(Refusal),
    /// The connection or the handshake broke.
    Failed(String),
}

/// A refused handshake.
#[derive(Clone, PartialEq, Eq, Debug, serde::Serialize)]
pub struct Refusal {
    /// HTTP status.
    pub status: u16,
    /// `Retry-After`, as sent.
    pub retry_after: Option<String>,
    /// `dg-error`, as sent.
    pub dg_error: Option<String>,
    /// The body, as far as it came with the header.
    pub body: String,
}

impl Refusal {
    fn of(response: &tungstenite::http::Response<Option<Vec<u8>>>) -> Self {
        let named = |name: &str| response.headers().get(name)?.to_str().ok().map(str::to_owned);
        let body = response.body().as_deref().unwrap_or_default();
        Self {
            status: response.status().as_u16(),
            retry_after: named("retry-after"),
            dg_error: named("dg-error"),
            body: String::from_utf8_lossy(body).into_owned(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_schemes_name_the_same_server_and_tls_is_refused() {
        let endpoint = Endpoint::new("ws://127.0.0.1:8080", "sv_k").unwrap();
        assert_eq!(endpoint.authority(), "127.0.0.1:8080");
        assert_eq!(Endpoint::new("http://127.0.0.1:8080/", "k").unwrap().authority(), "127.0.0.1:8080");
        assert!(Endpoint::new("wss://127.0.0.1", "k").is_err());
        assert!(Endpoint::new("ws://127.0.0.1", "k\n").is_err());
        let query = [("extra".to_owned(), "a:b c&d".to_owned())];
        assert_eq!(
            endpoint.url("/v1/listen", &query).as_str(),
            "http://127.0.0.1:8080/v1/listen?extra=a%3Ab+c%26d"
        );
        assert!(!format!("{endpoint:?}").contains("sv_k"), "a key is never shown");
    }
}
