//! What the dispatcher can be told and asked.

use crate::supervise::Exit;
use actix::prelude::Message;
use sottovoce_protocol::ids::{JobId, NodeId};
use std::time::Duration;
use tokio::sync::oneshot;

/// How jobs are leased.
#[derive(Clone, Debug)]
pub struct DispatcherConfig {
    /// This process.
    pub node: NodeId,
    /// No other process shares the index (SQLite), so leases of other nodes are dead.
    pub lone_node: bool,
    /// Jobs that run at the same time.
    pub concurrency: usize,
    /// Jobs beyond that, for accounts of which none runs.
    pub guests: usize,
    /// How often the queue is asked without a hint.
    pub poll_every: Duration,
    /// How often leases that ran out are looked for.
    pub sweep_every: Duration,
    /// Dead leases dealt with in one go.
    pub sweep_limit: u32,
}

/// A hint from the edge; a lost one costs only time.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Message)]
#[rtype(result = "()")]
pub enum JobHint {
    /// A job was queued.
    Enqueued,
    /// The owner of a running job cancelled it.
    CancelRequested(JobId),
}

/// Stop leasing, give running jobs back, then stop.
#[derive(Debug, Message)]
#[rtype(result = "()")]
pub struct Drain {
    /// How long running jobs may take.
    pub within: Duration,
    /// Told once all have ended, or the time is over.
    pub reply: oneshot::Sender<Drained>,
}

/// How draining went.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Drained {
    /// Jobs that did not end in time; their leases run out.
    pub cut: usize,
}

/// Asks for a `Status`.
#[derive(Debug, Message)]
#[rtype(result = "()")]
pub struct Snapshot {
    /// Where to.
    pub reply: oneshot::Sender<Status>,
}

/// What the dispatcher does now.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Status {
    /// Jobs that run here.
    pub running: Vec<JobId>,
    /// It takes no more jobs.
    pub draining: bool,
}

/// A job actor ended.
#[derive(Clone, Copy, Debug, Message)]
#[rtype(result = "()")]
pub(crate) struct JobExited {
    pub job: JobId,
    pub exit: Exit,
}
