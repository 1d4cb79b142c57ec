//! How the provider is asked: no redirects, one bound on the time and one on the size of an answer. Knows nothing of what
//! is asked.

use openidconnect::{AsyncHttpClient, HttpRequest, HttpResponse, http};
use std::future::Future;
use std::pin::Pin;
use std::time::Duration;

/// Discovery documents, key sets and tokens have a few KiB.
const MAX_ANSWER_BYTES: usize = 256 * 1024;

/// Why the provider gave no usable answer. Holds no address: a query may carry what is secret.
#[derive(Debug, thiserror::Error)]
pub(super) enum FetchError {
    /// Not reached, cut off, or too slow.
    #[error("it does not answer ({0})")]
    Transport(#[source] reqwest::Error),
    /// 5xx.
    #[error("it answers {0}")]
    Failing(u16),
    /// The answer is over the bound.
    #[error("its answer is over {MAX_ANSWER_BYTES} bytes")]
    TooLong,
    /// The request or the answer is no HTTP.
    #[error("the exchange with it is malformed ({0})")]
    Malformed(#[from] http::Error),
}

impl From<reqwest::Error> for FetchError {
    fn from(error: reqwest::Error) -> Self {
        Self::Transport(error.without_url())
    }
}

/// The client.
#[derive(Debug)]
pub(super) struct Fetcher(reqwest::Client);

impl Fetcher {
    pub(super) fn new(timeout: Duration) -> Result<Self, reqwest::Error> {
        let client = reqwest::Client::builder().redirect(reqwest::redirect::Policy::none()).timeout(timeout);
        Ok(Self(client.build()?))
    }

    async fn fetch(&self, request: HttpRequest) -> Result<HttpResponse, FetchError> {
        let mut answer = self.0.execute(request.try_into()?).await?;
        if answer.status().is_server_error() {
            return Err(FetchError::Failing(answer.status().as_u16()));
        }
        let mut built = http::Response::builder().status(answer.status());
        if let Some(content_type) = answer.headers().get(http::header::CONTENT_TYPE) {
            built = built.header(http::header::CONTENT_TYPE, content_type);
        }
        let mut body = Vec::new();
        while let Some(chunk) = answer.chunk().await? {
            if body.len() + chunk.len() > MAX_ANSWER_BYTES {
                return Err(FetchError::TooLong);
            }
            body.extend_from_slice(&chunk);
        }
        Ok(built.body(body)?)
    }
}

impl<'c> AsyncHttpClient<'c> for Fetcher {
    type Error = FetchError;
    type Future = Pin<Box<dyn Future<Output = Result<HttpResponse, FetchError>> + Send + 'c>>;

    fn call(&'c self, request: HttpRequest) -> Self::Future {
        Box::pin(self.fetch(request))
    }
}
