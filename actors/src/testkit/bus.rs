//! A status bus in memory that remembers all that was published.

use crate::ports::bus::{BusError, BusItem, BusMessage, StatusBus, Subscription, Topic};
use async_trait::async_trait;
use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use tokio::sync::broadcast;
use tokio::sync::broadcast::error::RecvError;

/// Messages that a slow subscriber may be behind.
const BACKLOG: usize = 256;

/// Fans out within this process and keeps everything. Clones share all.
#[derive(Clone, Default)]
pub struct MemoryBus(Arc<Mutex<State>>);

#[derive(Default)]
struct State {
    published: Vec<(Topic, BusMessage)>,
    channels: HashMap<Topic, broadcast::Sender<BusMessage>>,
    retired: Vec<Topic>,
    broken: bool,
}

impl MemoryBus {
    /// Makes an empty bus.
    pub fn new() -> Self {
        Self::default()
    }

    /// Makes all calls fail, or work again.
    pub fn set_broken(&self, broken: bool) {
        self.lock().broken = broken;
    }

    /// Returns what was published on a topic, in order.
    pub fn published(&self, topic: Topic) -> Vec<BusMessage> {
        let state = self.lock();
        state.published.iter().filter(|(of, _)| *of == topic).map(|(_, message)| message.clone()).collect()
    }

    /// Returns whether a topic was retired.
    pub fn is_retired(&self, topic: Topic) -> bool {
        self.lock().retired.contains(&topic)
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn working(&self) -> Result<MutexGuard<'_, State>, BusError> {
        let state = self.lock();
        if state.broken { Err(BusError("planned fault".into())) } else { Ok(state) }
    }
}

#[async_trait]
impl StatusBus for MemoryBus {
    async fn publish(&self, topic: Topic, message: BusMessage) -> Result<(), BusError> {
        let mut state = self.working()?;
        state.published.push((topic, message.clone()));
        if let Some(channel) = state.channels.get(&topic) {
            // No subscriber is fine.
            let _ = channel.send(message);
        }
        Ok(())
    }

    async fn subscribe(&self, topic: Topic, since: Option<u64>) -> Result<Box<dyn Subscription>, BusError> {
        let mut state = self.working()?;
        let live = state.channels.entry(topic).or_insert_with(|| broadcast::channel(BACKLOG).0).subscribe();
        let recent = state.published.iter().filter(|(of, message)| {
            *of == topic
                && matches!(topic, Topic::Captions(_))
                && since.is_some_and(|since| message.seq > since)
        });
        Ok(Box::new(MemorySubscription {
            recent: recent.map(|(_, message)| message.clone()).collect(),
            live,
        }))
    }

    async fn retire(&self, topic: Topic) {
        let mut state = self.lock();
        state.channels.remove(&topic);
        state.retired.push(topic);
    }
}

struct MemorySubscription {
    recent: VecDeque<BusMessage>,
    live: broadcast::Receiver<BusMessage>,
}

#[async_trait]
impl Subscription for MemorySubscription {
    async fn next(&mut self) -> Option<BusItem> {
        if let Some(message) = self.recent.pop_front() {
            return Some(BusItem::Message(message));
        }
        match self.live.recv().await {
            Ok(message) => Some(BusItem::Message(message)),
            Err(RecvError::Lagged(_)) => Some(BusItem::Gap),
            Err(RecvError::Closed) => None,
        }
    }
}
