//! Leases queued rows and runs them as `JobActor`s, a few at a time; deals with jobs whose node died. Does no I/O of its
//! own and holds no job's data: the index is the queue.

mod actor;
mod messages;
mod recovery;
#[cfg(test)]
mod tests;

pub use actor::Dispatcher;
pub use messages::{DispatcherConfig, Drain, Drained, JobHint, Snapshot, Status};
