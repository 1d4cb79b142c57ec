//! Which unit runs next. A pure state machine: it owns the order of waiting units, never a thread, a clock or an engine.
//!
//! Finals come before interims, interims before batch. Finals go by deadline, so none waits behind later ones. Of each
//! stream and channel one interim waits, and streams are served in turn. Batch takes what is left: while live streams are
//! admitted it may hold all workers but one, and none while their interims are stretched; but once none of it has run for
//! `batch_patience` it gets the next worker, so that it never starves.

use crate::engine_pool::stats::ByKind;
use crate::ports::engine::{StreamKey, UnitKind};
use std::collections::{BTreeMap, HashMap, HashSet, VecDeque};
use std::time::Duration;

/// Time since the pool started.
pub type Moment = Duration;

/// Work whose owner may have gone.
pub trait Work {
    /// Returns whether nobody waits for the answer any more.
    fn is_abandoned(&self) -> bool;
}

/// The queue's limits.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct QueueConfig {
    /// Workers that take units.
    pub workers: usize,
    /// How long batch work may go without a worker while live work keeps all of them.
    pub batch_patience: Duration,
    /// Finals of one key that may wait; more are refused.
    pub finals_per_key: usize,
}

/// A unit and its place in the order.
#[derive(Debug)]
pub struct Entry<W> {
    /// Stream or job.
    pub key: StreamKey,
    /// Channel of the stream.
    pub channel: u16,
    /// Rank.
    pub kind: UnitKind,
    /// When the answer is wanted; orders finals.
    pub deadline: Moment,
    /// Since when it waits. An interim that takes another's place inherits its wait.
    pub since: Moment,
    /// Attempts already failed.
    pub failures: u8,
    /// What is to be done.
    pub work: W,
}

/// What `submit` did with the entry.
#[derive(Debug)]
pub enum Submitted<W> {
    /// It waits; this interim lost its place to it.
    Waits(Option<W>),
    /// The queue is full for its key: it was not taken.
    Refused(W),
}

/// What remains of an entry while it runs; hand it back with [`Queue::done`].
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Running {
    key: StreamKey,
    channel: u16,
    kind: UnitKind,
}

/// The waiting units.
#[derive(Debug)]
pub struct Queue<W> {
    config: QueueConfig,
    arrivals: u64,
    finals: BTreeMap<(Moment, u64), Entry<W>>,
    finals_of: HashMap<StreamKey, usize>,
    interims: HashMap<(StreamKey, u16), Entry<W>>,
    running_interims: HashSet<(StreamKey, u16)>,
    /// The admitted streams, each with the turn in which it was last served.
    streams: HashMap<StreamKey, u64>,
    turns: u64,
    batch: VecDeque<Entry<W>>,
    running_batch: usize,
    batch_ended: Moment,
}

impl<W: Work> Queue<W> {
    /// Makes an empty queue.
    pub fn new(config: QueueConfig) -> Self {
        Self {
            config,
            arrivals: 0,
            finals: BTreeMap::new(),
            finals_of: HashMap::new(),
            interims: HashMap::new(),
            running_interims: HashSet::new(),
            streams: HashMap::new(),
            turns: 0,
            batch: VecDeque::new(),
            running_batch: 0,
            batch_ended: Moment::ZERO,
        }
    }

    /// Notes that a live stream was admitted; its first interim is next in turn.
    pub fn stream_opened(&mut self, key: StreamKey) {
        self.streams.insert(key, 0);
    }

    /// Notes that a live stream left; its turn is forgotten. What of it waits stays until its owner abandons it.
    pub fn stream_closed(&mut self, key: StreamKey) {
        self.streams.remove(&key);
    }

    /// Takes a unit.
    pub fn submit(&mut self, mut entry: Entry<W>) -> Submitted<W> {
        match entry.kind {
            UnitKind::Final => {
                let waiting = self.finals_of.get(&entry.key).copied().unwrap_or(0);
                if waiting >= self.config.finals_per_key {
                    return Submitted::Refused(entry.work);
                }
                let overtaken = self.interims.remove(&(entry.key, entry.channel)).map(|older| older.work);
                self.insert_final(entry);
                Submitted::Waits(overtaken)
            }
            UnitKind::Interim => {
                let place = (entry.key, entry.channel);
                let older = self.interims.remove(&place);
                if let Some(older) = &older {
                    entry.since = entry.since.min(older.since);
                }
                self.interims.insert(place, entry);
                Submitted::Waits(older.map(|older| older.work))
            }
            UnitKind::Batch => {
                self.batch.retain(|waiting| !waiting.work.is_abandoned());
                // One that failed waits again through no fault of its owner, who may have sent the next meanwhile.
                if self.batch.iter().any(|waiting| waiting.key == entry.key && waiting.failures == 0) {
                    return Submitted::Refused(entry.work);
                }
                self.batch.push_back(entry);
                Submitted::Waits(None)
            }
        }
    }

    /// Puts a final or batch unit that failed back to be tried again; it keeps its rank. Interims are not tried again.
    pub fn resubmit(&mut self, entry: Entry<W>) {
        match entry.kind {
            UnitKind::Final => self.insert_final(entry),
            UnitKind::Batch => self.batch.push_front(entry),
            UnitKind::Interim => {}
        }
    }

    /// Returns the unit that a free worker runs now, if there is one; what was abandoned is dropped on the way.
    /// `crowded` says that live streams get less than they want, so that nothing is left for batch.
    pub fn next(&mut self, now: Moment, crowded: bool) -> Option<(Entry<W>, Running)> {
        let entry = if self.batch_is_starved(now) {
            self.take_batch()
        } else {
            self.take_final().or_else(|| self.take_interim()).or_else(|| self.take_allowed_batch(crowded))
        }?;
        let running = Running { key: entry.key, channel: entry.channel, kind: entry.kind };
        match entry.kind {
            UnitKind::Interim => {
                self.running_interims.insert((entry.key, entry.channel));
            }
            UnitKind::Batch => self.running_batch += 1,
            UnitKind::Final => {}
        }
        Some((entry, running))
    }

    /// Notes that a unit ended, well or badly.
    pub fn done(&mut self, running: Running, now: Moment) {
        match running.kind {
            UnitKind::Interim => {
                self.running_interims.remove(&(running.key, running.channel));
            }
            UnitKind::Batch => {
                self.running_batch = self.running_batch.saturating_sub(1);
                self.batch_ended = now;
            }
            UnitKind::Final => {}
        }
    }

    /// Removes and returns everything that waits and is not a final.
    pub fn drain_but_finals(&mut self) -> Vec<W> {
        let interims = self.interims.drain().map(|(_, entry)| entry.work);
        interims.chain(self.batch.drain(..).map(|entry| entry.work)).collect()
    }

    /// Removes and returns all waiting finals.
    pub fn drain_finals(&mut self) -> Vec<W> {
        self.finals_of.clear();
        std::mem::take(&mut self.finals).into_values().map(|entry| entry.work).collect()
    }

    /// Returns how many units wait; abandoned ones count until they are met.
    pub fn depth(&self) -> ByKind<usize> {
        ByKind { interim: self.interims.len(), r#final: self.finals.len(), batch: self.batch.len() }
    }

    /// Returns since when the oldest waiting final waits.
    pub fn oldest_final(&self) -> Option<Moment> {
        self.finals.values().map(|entry| entry.since).min()
    }

    /// Returns since when the oldest waiting interim waits.
    pub fn oldest_interim(&self) -> Option<Moment> {
        self.interims.values().map(|entry| entry.since).min()
    }

    /// Returns since when the oldest waiting unit of any kind waits.
    pub fn oldest(&self) -> Option<Moment> {
        let waiting = self.finals.values().chain(self.interims.values()).chain(self.batch.iter());
        waiting.map(|entry| entry.since).min()
    }

    fn insert_final(&mut self, entry: Entry<W>) {
        *self.finals_of.entry(entry.key).or_default() += 1;
        self.arrivals += 1;
        self.finals.insert((entry.deadline, self.arrivals), entry);
    }

    fn take_final(&mut self) -> Option<Entry<W>> {
        while let Some((_, entry)) = self.finals.pop_first() {
            if let Some(count) = self.finals_of.get_mut(&entry.key) {
                *count -= 1;
                if *count == 0 {
                    self.finals_of.remove(&entry.key);
                }
            }
            if !entry.work.is_abandoned() {
                return Some(entry);
            }
        }
        None
    }

    /// The stream served longest ago (never served: first), and of its channels the one that waits longest. A channel
    /// whose interim still runs waits for that one: its answer is the next one's draft.
    fn take_interim(&mut self) -> Option<Entry<W>> {
        self.interims.retain(|_, entry| !entry.work.is_abandoned());
        let place = self
            .interims
            .values()
            .filter(|entry| !self.running_interims.contains(&(entry.key, entry.channel)))
            .min_by_key(|entry| {
                (self.streams.get(&entry.key).copied().unwrap_or(0), entry.since, entry.key, entry.channel)
            })
            .map(|entry| (entry.key, entry.channel))?;
        self.turns += 1;
        if let Some(last) = self.streams.get_mut(&place.0) {
            *last = self.turns;
        }
        self.interims.remove(&place)
    }

    fn take_batch(&mut self) -> Option<Entry<W>> {
        self.batch.retain(|entry| !entry.work.is_abandoned());
        self.batch.pop_front()
    }

    fn take_allowed_batch(&mut self, crowded: bool) -> Option<Entry<W>> {
        let limit = if self.streams.is_empty() {
            self.config.workers
        } else if crowded {
            0
        } else {
            // A lone worker serves batch too, but only when no live unit waits.
            self.config.workers.saturating_sub(1).max(1)
        };
        if self.running_batch < limit { self.take_batch() } else { None }
    }

    fn batch_is_starved(&self, now: Moment) -> bool {
        let waiting = self.batch.iter().filter(|entry| !entry.work.is_abandoned());
        self.running_batch == 0
            && waiting.map(|entry| entry.since).min().is_some_and(|since| {
                now.saturating_sub(since.max(self.batch_ended)) >= self.config.batch_patience
            })
    }
}

#[cfg(test)]
#[path = "queue_tests.rs"]
mod tests;
