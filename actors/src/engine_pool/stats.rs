//! What the pool tells of itself, for metrics.

use crate::ports::engine::UnitKind;
use std::ops::{Index, IndexMut};

/// One value for each kind of unit.
#[derive(Clone, Copy, PartialEq, Debug, Default)]
pub struct ByKind<T> {
    /// Interims.
    pub interim: T,
    /// Finals.
    pub r#final: T,
    /// Batch units.
    pub batch: T,
}

impl<T> Index<UnitKind> for ByKind<T> {
    type Output = T;

    fn index(&self, kind: UnitKind) -> &T {
        match kind {
            UnitKind::Interim => &self.interim,
            UnitKind::Final => &self.r#final,
            UnitKind::Batch => &self.batch,
        }
    }
}

impl<T> IndexMut<UnitKind> for ByKind<T> {
    fn index_mut(&mut self, kind: UnitKind) -> &mut T {
        match kind {
            UnitKind::Interim => &mut self.interim,
            UnitKind::Final => &mut self.r#final,
            UnitKind::Batch => &mut self.batch,
        }
    }
}

/// What the pool counted since it started.
#[derive(Clone, Copy, PartialEq, Debug, Default)]
pub struct Counters {
    /// Units that the engine answered.
    pub done: ByKind<u64>,
    /// Units that failed for good.
    pub failed: ByKind<u64>,
    /// Units tried a second time.
    pub retried: ByKind<u64>,
    /// Interims that a newer one, or a final, took the place of.
    pub superseded: u64,
    /// Worker time spent, in seconds.
    pub busy_s: ByKind<f64>,
    /// Length of the audio recognised, in seconds.
    pub audio_s: ByKind<f64>,
    /// Listening time spent, in seconds.
    pub listening_s: f64,
    /// Streams admitted.
    pub admitted: u64,
    /// Streams refused.
    pub refused: u64,
}

/// How the pool stands.
#[derive(Clone, Copy, PartialEq, Debug, Default)]
pub struct PoolStats {
    /// Counted since the start.
    pub counted: Counters,
    /// Units that wait.
    pub waiting: ByKind<u64>,
    /// Pieces of raw audio that wait to be listened to.
    pub waiting_to_listen: u64,
    /// Age of the oldest waiting unit, in seconds.
    pub oldest_wait_s: f64,
    /// Mean wait of finals lately, in seconds.
    pub final_wait_s: f64,
    /// Factor by which interim steps are stretched.
    pub interim_stretch: f32,
    /// Worker threads.
    pub workers: u64,
    /// Workers that compute now.
    pub busy_workers: u64,
    /// Live streams admitted now.
    pub streams: u64,
    /// Mono streams of the dearest model that the machine carries.
    pub capacity: u64,
}
