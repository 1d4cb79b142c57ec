//! Time, identity and a bus that remembers.

use crate::ports::bus::{BusError, BusMessage, StatusBus, Subscription, Topic};
use crate::ports::clock::{Clock, Ids};
use crate::ports::store::EpochMs;
use async_trait::async_trait;
use sottovoce_protocol::ids::JobId;
use sottovoce_protocol::status::JobState;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use tokio::time::Instant;
use uuid::Uuid;

/// 2026-01-01.
const START_MS: i64 = 1_767_225_600_000;

/// Wall time that follows tokio's time, and so virtual time.
#[derive(Clone, Copy, Debug)]
pub struct TokioClock {
    began: Instant,
}

impl Default for TokioClock {
    fn default() -> Self {
        Self { began: Instant::now() }
    }
}

impl Clock for TokioClock {
    fn now(&self) -> EpochMs {
        EpochMs(START_MS + i64::try_from(self.began.elapsed().as_millis()).unwrap_or(i64::MAX))
    }
}

/// Ids that count, each greater than the one before.
#[derive(Debug, Default)]
pub struct CountingIds {
    last: AtomicU64,
}

impl Ids for CountingIds {
    fn uuid(&self) -> Uuid {
        let number = self.last.fetch_add(1, Ordering::Relaxed) + 1;
        Uuid::from_u128(0x0192_0000_0000_7000_8000_0000_0000_0000 | u128::from(number))
    }
}

/// Remembers what was published; nobody can subscribe.
#[derive(Clone, Debug, Default)]
pub struct RecordingBus {
    published: Arc<Mutex<Vec<(Topic, BusMessage)>>>,
}

impl RecordingBus {
    /// Returns the states published on a job's topic, in order.
    pub fn states(&self, job: JobId) -> Vec<JobState> {
        let published = self.published.lock().unwrap_or_else(PoisonError::into_inner);
        published
            .iter()
            .filter(|(topic, _)| *topic == Topic::Job(job))
            .filter_map(|(_, message)| serde_json::from_slice(&message.body).ok())
            .collect()
    }
}

#[async_trait]
impl StatusBus for RecordingBus {
    async fn publish(&self, topic: Topic, message: BusMessage) -> Result<(), BusError> {
        self.published.lock().unwrap_or_else(PoisonError::into_inner).push((topic, message));
        Ok(())
    }

    async fn subscribe(&self, _topic: Topic, _since: Option<u64>) -> Result<Box<dyn Subscription>, BusError> {
        Err(BusError("this bus only remembers".into()))
    }

    async fn retire(&self, _topic: Topic) {}
}
