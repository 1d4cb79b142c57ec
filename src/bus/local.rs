//! The status bus of one process. Every topic is a bounded ring: a subscriber that falls behind it reads `Gap`, nobody
//! waits for it. Caption topics keep their last messages for late subscribers, until they are retired or abandoned.

use crate::bus::recent::Recent;
use async_trait::async_trait;
use sottovoce_actors::ports::bus::{BusError, BusItem, BusMessage, StatusBus, Subscription, Topic};
use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::Duration;
use tokio::sync::broadcast;
use tokio::sync::broadcast::error::RecvError;
use tokio::time::Instant;

/// The sizes of a bus.
#[derive(Clone, Copy, Debug)]
pub struct LocalBusLimits {
    /// Messages that a subscriber may be behind, by topic; rounded up to a power of two.
    pub backlog_messages: usize,
    /// Captions kept for late subscribers, by stream.
    pub recent_messages: usize,
    /// Bytes of them.
    pub recent_bytes: usize,
    /// How long the captions of an ended stream are kept.
    pub retired_for: Duration,
    /// How long captions are kept of a stream that neither ends nor speaks nor is watched: its publisher is gone.
    pub abandoned_after: Duration,
}

impl Default for LocalBusLimits {
    fn default() -> Self {
        Self {
            backlog_messages: 64,
            recent_messages: 256,
            recent_bytes: 256 * 1024,
            retired_for: Duration::from_secs(60),
            abandoned_after: Duration::from_secs(60 * 60),
        }
    }
}

/// The bus. Dropping it ends all subscriptions.
#[derive(Debug)]
pub struct LocalBus(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    limits: LocalBusLimits,
    /// Locked for lookups and sends only, never across an await.
    topics: Mutex<HashMap<Topic, Entry>>,
}

#[derive(Debug)]
struct Entry {
    /// `None` once retired.
    live: Option<broadcast::Sender<BusMessage>>,
    /// Captions only.
    recent: Option<Recent>,
    /// Last published to, subscribed to, or retired.
    touched: Instant,
}

impl Entry {
    fn new(topic: Topic, limits: &LocalBusLimits) -> Self {
        let recent = matches!(topic, Topic::Captions(_))
            .then(|| Recent::new(limits.recent_messages, limits.recent_bytes));
        Self { live: Some(broadcast::Sender::new(limits.backlog_messages)), recent, touched: Instant::now() }
    }

    fn has_subscribers(&self) -> bool {
        self.live.as_ref().is_some_and(|live| live.receiver_count() > 0)
    }

    /// Returns whether somebody may still want it.
    fn is_of_use(&self, limits: &LocalBusLimits, now: Instant) -> bool {
        let age = now.duration_since(self.touched);
        let is_empty = self.recent.as_ref().is_none_or(Recent::is_empty);
        match self.live {
            None => !is_empty && age < limits.retired_for,
            Some(_) => self.has_subscribers() || (!is_empty && age < limits.abandoned_after),
        }
    }
}

impl Default for LocalBus {
    fn default() -> Self {
        Self::new(LocalBusLimits::default())
    }
}

impl LocalBus {
    /// Makes a bus without topics.
    pub fn new(limits: LocalBusLimits) -> Self {
        Self(Arc::new(Shared { limits, topics: Mutex::default() }))
    }

    /// Returns the number of topics that take memory.
    pub fn topics(&self) -> usize {
        self.0.lock().len()
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, HashMap<Topic, Entry>> {
        // No code panics while it holds the lock; the map is whole all the same.
        self.topics.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Forgets what nobody can want any more. Called when a topic comes or ends, so the map cannot grow by itself.
    fn sweep(&self, topics: &mut HashMap<Topic, Entry>) {
        let now = Instant::now();
        topics.retain(|_, entry| entry.is_of_use(&self.limits, now));
    }

    /// Returns the topic, made if it is new.
    fn entry<'a>(&self, topics: &'a mut HashMap<Topic, Entry>, topic: Topic) -> &'a mut Entry {
        if !topics.contains_key(&topic) {
            self.sweep(topics);
        }
        topics.entry(topic).or_insert_with(|| Entry::new(topic, &self.limits))
    }
}

#[async_trait]
impl StatusBus for LocalBus {
    async fn publish(&self, topic: Topic, message: BusMessage) -> Result<(), BusError> {
        let mut topics = self.0.lock();
        let keeps_recent = matches!(topic, Topic::Captions(_));
        if !keeps_recent && !topics.contains_key(&topic) {
            return Ok(());
        }
        let entry = self.0.entry(&mut topics, topic);
        let Some(live) = &entry.live else { return Ok(()) };
        // Fails without subscribers only, which is well.
        let _ = live.send(message.clone());
        entry.touched = Instant::now();
        if let Some(recent) = &mut entry.recent {
            recent.push(message);
        }
        Ok(())
    }

    async fn subscribe(&self, topic: Topic, since: Option<u64>) -> Result<Box<dyn Subscription>, BusError> {
        let mut topics = self.0.lock();
        let entry = self.0.entry(&mut topics, topic);
        // Under the same lock as the send: what is not replayed is received, and nothing twice.
        let live = match &entry.live {
            Some(live) => {
                entry.touched = Instant::now();
                live.subscribe()
            }
            None => broadcast::Sender::new(1).subscribe(),
        };
        let mut replay = VecDeque::new();
        if let Some(recent) = &entry.recent {
            let missed = recent.after(since);
            replay.extend(missed.has_gap.then_some(BusItem::Gap));
            replay.extend(missed.messages.into_iter().map(BusItem::Message));
        }
        let bus = Arc::downgrade(&self.0);
        Ok(Box::new(LocalSubscription { topic, replay, live: Some(live), bus }))
    }

    async fn retire(&self, topic: Topic) {
        let mut topics = self.0.lock();
        if let Some(entry) = topics.get_mut(&topic) {
            // Without its sender the channel ends once subscribers have read what is in it.
            entry.live = None;
            entry.touched = Instant::now();
        }
        self.0.sweep(&mut topics);
    }
}

struct LocalSubscription {
    topic: Topic,
    replay: VecDeque<BusItem>,
    live: Option<broadcast::Receiver<BusMessage>>,
    bus: Weak<Shared>,
}

#[async_trait]
impl Subscription for LocalSubscription {
    async fn next(&mut self) -> Option<BusItem> {
        if let Some(item) = self.replay.pop_front() {
            return Some(item);
        }
        match self.live.as_mut()?.recv().await {
            Ok(message) => Some(BusItem::Message(message)),
            Err(RecvError::Lagged(_)) => Some(BusItem::Gap),
            Err(RecvError::Closed) => None,
        }
    }
}

impl Drop for LocalSubscription {
    fn drop(&mut self) {
        self.live = None;
        let Some(bus) = self.bus.upgrade() else { return };
        let mut topics = bus.lock();
        let now = Instant::now();
        if topics.get(&self.topic).is_some_and(|entry| !entry.is_of_use(&bus.limits, now)) {
            topics.remove(&self.topic);
        }
    }
}
