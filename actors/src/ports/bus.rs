//! The status bus port: small messages fan out by topic. A hint, never the truth: a subscriber that reads `Gap` reads
//! the row (or the recent captions) again.

use async_trait::async_trait;
use bytes::Bytes;
use sottovoce_protocol::ids::{AccountId, JobId};

/// What is spoken of.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Topic {
    /// One job's state.
    Job(JobId),
    /// Every job of an account.
    Account(AccountId),
    /// A stream's captions; the last few are replayed to a new subscriber.
    Captions(JobId),
}

/// A message with its place in the topic's order.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct BusMessage {
    /// Grows within a topic.
    pub seq: u64,
    /// JSON.
    pub body: Bytes,
}

/// What a subscriber reads.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum BusItem {
    /// A message.
    Message(BusMessage),
    /// Some were lost: read the truth again.
    Gap,
}

/// Why the bus failed.
#[derive(Debug, thiserror::Error)]
#[error("the status bus is unavailable: {0}")]
pub struct BusError(pub String);

/// A live subscription; dropping it ends it.
#[async_trait]
pub trait Subscription: Send {
    /// Waits for the next item; `None` once the bus has stopped. Cancel safe.
    async fn next(&mut self) -> Option<BusItem>;
}

/// Fans messages out.
#[async_trait]
pub trait StatusBus: Send + Sync + 'static {
    /// Publishes; never waits for subscribers, slow ones read `Gap`.
    async fn publish(&self, topic: Topic, message: BusMessage) -> Result<(), BusError>;
    /// Subscribes; `since` replays the recent messages after it where the topic keeps them, with a `Gap` first if some
    /// are gone.
    async fn subscribe(&self, topic: Topic, since: Option<u64>) -> Result<Box<dyn Subscription>, BusError>;
    /// Ends a topic that will carry no more messages, and forgets its recent ones after a while.
    async fn retire(&self, topic: Topic);
}
