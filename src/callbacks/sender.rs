//! Sends one callback: resolves the name, connects only to what the policy allows, follows nothing, reads no body.

use crate::callbacks::policy::CallbackPolicy;
use crate::callbacks::signature::sign;
use async_trait::async_trait;
use reqwest::dns::{Addrs, Name, Resolve, Resolving};
use reqwest::header::CONTENT_TYPE;
use sottovoce_actors::ports::callback::{CallbackFault, CallbackRequest, CallbackSender};
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

/// Every address that a name leads to was refused.
#[derive(Debug, thiserror::Error)]
#[error("the name leads to private addresses only")]
struct Private;

/// Resolves by the system and drops what the policy refuses: the connection goes to an address that was checked, so that a
/// name which leads elsewhere a moment later gains nothing.
struct Guarded(Arc<CallbackPolicy>);

impl Resolve for Guarded {
    fn resolve(&self, name: Name) -> Resolving {
        let policy = self.0.clone();
        Box::pin(async move {
            let found: Vec<SocketAddr> = tokio::net::lookup_host((name.as_str(), 0)).await?.collect();
            let allowed: Vec<SocketAddr> =
                found.into_iter().filter(|address| policy.allows(address.ip())).collect();
            if allowed.is_empty() {
                return Err(Private.into());
            }
            Ok(Box::new(allowed.into_iter()) as Addrs)
        })
    }
}

/// The client.
pub struct HttpCallbackSender {
    client: reqwest::Client,
    policy: Arc<CallbackPolicy>,
}

impl HttpCallbackSender {
    /// Makes a client; each request may take `timeout` in all.
    ///
    /// # Errors
    /// The TLS library could not be set up.
    pub fn new(policy: Arc<CallbackPolicy>, timeout: Duration) -> Result<Self, reqwest::Error> {
        let client = reqwest::Client::builder()
            .redirect(reqwest::redirect::Policy::none())
            // A proxy would resolve the name once more, out of our sight.
            .no_proxy()
            .timeout(timeout)
            .user_agent(concat!("sottovoce/", env!("CARGO_PKG_VERSION")))
            .dns_resolver(Arc::new(Guarded(policy.clone())))
            .build()?;
        Ok(Self { client, policy })
    }
}

#[async_trait]
impl CallbackSender for HttpCallbackSender {
    async fn send(&self, request: CallbackRequest) -> Result<u16, CallbackFault> {
        // Once more: the operator may have taken the origin off the list since.
        let url = self.policy.check(&request.url).map_err(|_| CallbackFault::Forbidden)?;
        let (id, timestamp_s) = (request.id.to_string(), request.at.0.div_euclid(1000));
        let sending = self
            .client
            .post(url)
            .header(CONTENT_TYPE, "application/json")
            .header("webhook-id", &id)
            .header("webhook-timestamp", timestamp_s)
            .header("webhook-signature", sign(&request.secret, &id, timestamp_s, &request.body))
            .body(request.body)
            .send();
        match sending.await {
            Ok(answer) => Ok(answer.status().as_u16()),
            Err(error) if error.is_timeout() => Err(CallbackFault::Timeout),
            Err(error) if is_private(&error) => Err(CallbackFault::Forbidden),
            Err(error) => {
                tracing::debug!(job.id = %request.id, error = %error.without_url(), "callback not sent");
                Err(CallbackFault::Unreachable)
            }
        }
    }
}

fn is_private(error: &reqwest::Error) -> bool {
    let mut cause: Option<&(dyn std::error::Error + 'static)> = Some(error);
    while let Some(error) = cause {
        if error.is::<Private>() {
            return true;
        }
        cause = error.source();
    }
    false
}
