//! The ports of callbacks: the list of those that are due, and the way out to the addresses that job owners named. What is
//! sent says that a job ended and how, never what was heard.

use crate::ports::store::{EpochMs, Job, StoreError};
use async_trait::async_trait;
use sottovoce_protocol::ids::{AccountId, JobId};
use sottovoce_protocol::jobs::CallbackState;

/// A callback that is due now.
#[derive(Clone, Debug)]
pub struct DueCallback {
    /// The job that ended.
    pub job: Job,
    /// The attempts so far, this one included.
    pub attempts: u32,
    /// What its account signs with.
    pub secret: CallbackSecret,
}

/// `whsec_` and base64, as Standard Webhooks has it. Prints as its prefix.
#[derive(Clone, PartialEq, Eq)]
pub struct CallbackSecret(pub String);

impl std::fmt::Debug for CallbackSecret {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("whsec_…")
    }
}

/// How an attempt went.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct CallbackAttempt {
    /// What becomes of the callback; `Pending` goes with `next_at`.
    pub state: CallbackState,
    /// When it is tried again.
    pub next_at: Option<EpochMs>,
    /// The HTTP status, if there was one.
    pub status: Option<u16>,
    /// What went wrong, as a stable word.
    pub fault: Option<&'static str>,
}

/// The list of callbacks, in the index. Each verb is one transaction.
#[async_trait]
pub trait CallbackQueue: Send + Sync + 'static {
    /// Takes at most `limit` callbacks that are due and counts the attempt; each is due again at `again_at`, should this
    /// process die with it.
    async fn due_callbacks(
        &self,
        now: EpochMs,
        again_at: EpochMs,
        limit: u32,
    ) -> Result<Vec<DueCallback>, StoreError>;
    /// Notes how the attempt of this number went; a late answer to an older one changes nothing.
    async fn callback_tried(
        &self,
        job: JobId,
        attempts: u32,
        attempt: CallbackAttempt,
    ) -> Result<(), StoreError>;
    /// Returns the account's secret; `fresh` becomes it if there was none.
    async fn callback_secret(
        &self,
        account: AccountId,
        fresh: CallbackSecret,
        now: EpochMs,
    ) -> Result<CallbackSecret, StoreError>;
    /// Makes `fresh` the account's secret.
    async fn replace_callback_secret(
        &self,
        account: AccountId,
        fresh: CallbackSecret,
        now: EpochMs,
    ) -> Result<(), StoreError>;
}

/// One request to an owner's address.
#[derive(Clone, Debug)]
pub struct CallbackRequest {
    /// The address, as it was given and checked at submission.
    pub url: String,
    /// The same for every attempt, so that the receiver can tell a repetition.
    pub id: JobId,
    /// Now.
    pub at: EpochMs,
    /// What it is signed with.
    pub secret: CallbackSecret,
    /// JSON.
    pub body: Vec<u8>,
}

/// Why an attempt failed.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub enum CallbackFault {
    /// The operator no longer allows the address, or its name leads to a private one.
    #[error("the address is not allowed")]
    Forbidden,
    /// No connection.
    #[error("the address cannot be reached")]
    Unreachable,
    /// No answer in time.
    #[error("the address did not answer in time")]
    Timeout,
}

/// Sends one request, bounded in time; follows no redirect.
#[async_trait]
pub trait CallbackSender: Send + Sync + 'static {
    /// Returns the HTTP status.
    async fn send(&self, request: CallbackRequest) -> Result<u16, CallbackFault>;
}
