//! CPU time of the calling thread.

use std::time::{Duration, Instant};

/// A running measurement. Must be read on the thread that started it.
pub(crate) struct CpuClock {
    thread: Option<Duration>,
    wall: Instant,
}

impl CpuClock {
    /// Starts measuring.
    #[expect(
        clippy::disallowed_methods,
        reason = "measures CPU and wall time of an engine thread, no virtual time"
    )]
    pub(crate) fn start() -> Self {
        Self { thread: thread_time(), wall: Instant::now() }
    }

    /// Returns the CPU time since the start; the wall time where the system does not tell (not Linux).
    pub(crate) fn elapsed(&self) -> Duration {
        match (self.thread, thread_time()) {
            (Some(before), Some(now)) => now.saturating_sub(before),
            _ => self.wall.elapsed(),
        }
    }
}

/// Returns the time this thread has run (first field of `schedstat`, nanoseconds).
fn thread_time() -> Option<Duration> {
    let text = std::fs::read_to_string("/proc/thread-self/schedstat").ok()?;
    let nanoseconds = text.split_whitespace().next()?.parse().ok()?;
    Some(Duration::from_nanos(nanoseconds))
}
