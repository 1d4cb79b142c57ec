//! The scheduler over the engine: queues, admission, worker threads.

pub mod admission;
pub mod average;
pub mod pool;
pub mod queue;
pub mod stats;
pub mod stretch;

#[cfg(test)]
mod load_tests;

pub use admission::AdmissionConfig;
pub use pool::{EnginePool, PoolConfig};
pub use stats::{ByKind, PoolStats};

#[cfg(any(test, feature = "testkit"))]
pub(crate) use pool::hear;
