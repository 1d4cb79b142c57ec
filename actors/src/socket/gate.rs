//! The gate between a socket and its session: how many received bytes may wait unheard. Over the limit the socket is not
//! read, so TCP slows the sender; nothing is dropped and nobody is closed for sending fast.

use futures_util::task::AtomicWaker;
use sottovoce_protocol::close_code::Close;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::task::{Context, Poll};

/// Counts bytes between the socket and the session. Shared by the payload stream (reads) and the session (releases).
#[derive(Debug)]
pub struct Gate {
    limit_bytes: u64,
    waiting_bytes: AtomicU64,
    gone: AtomicBool,
    broken: OnceLock<Close>,
    reader: AtomicWaker,
}

impl Gate {
    /// Opens a gate. The limit must exceed the largest message, or such a message could never arrive.
    pub fn new(limit_bytes: u64) -> Self {
        Self {
            limit_bytes,
            waiting_bytes: AtomicU64::new(0),
            gone: AtomicBool::new(false),
            broken: OnceLock::new(),
            reader: AtomicWaker::new(),
        }
    }

    /// Returns `Ready` if the socket may be read on; otherwise the task is woken when it may.
    pub fn poll_open(&self, context: &Context<'_>) -> Poll<()> {
        if self.is_open() {
            return Poll::Ready(());
        }
        self.reader.register(context.waker());
        if self.is_open() { Poll::Ready(()) } else { Poll::Pending }
    }

    /// Returns whether the socket may be read on.
    pub fn is_open(&self) -> bool {
        self.waiting_bytes.load(Ordering::Acquire) < self.limit_bytes
    }

    /// Notes bytes read from the socket.
    pub fn take(&self, bytes: usize) {
        self.waiting_bytes.fetch_add(bytes as u64, Ordering::AcqRel);
    }

    /// Notes bytes that were heard or need no hearing.
    pub fn release(&self, bytes: u64) {
        let before = self
            .waiting_bytes
            .fetch_update(Ordering::AcqRel, Ordering::Acquire, |waiting| Some(waiting.saturating_sub(bytes)));
        if before.is_ok_and(|waiting| waiting >= self.limit_bytes) {
            self.reader.wake();
        }
    }

    /// Notes that the peer broke the protocol before its bytes could be understood; the first reason stays.
    pub fn mark_broken(&self, close: Close) {
        let _ = self.broken.set(close);
    }

    /// Returns how the peer broke the protocol.
    pub fn broken(&self) -> Option<Close> {
        self.broken.get().copied()
    }

    /// Notes that the socket is gone, even where no message could say so.
    pub fn mark_gone(&self) {
        self.gone.store(true, Ordering::Release);
    }

    /// Returns whether the socket is gone.
    pub fn is_gone(&self) -> bool {
        self.gone.load(Ordering::Acquire)
    }
}

/// Returns the bytes that a masked client frame of this payload takes on the wire (RFC 6455 §5.2).
pub const fn wire_bytes(payload_bytes: usize) -> u64 {
    let header = match payload_bytes {
        0..126 => 2,
        126..65_536 => 4,
        _ => 10,
    };
    (payload_bytes + header + 4) as u64
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::task::Waker;

    #[test]
    fn closes_at_the_limit_and_opens_below_it() {
        let gate = Gate::new(100);
        let context = Context::from_waker(Waker::noop());
        gate.take(99);
        assert!(gate.poll_open(&context).is_ready());
        gate.take(1);
        assert!(gate.poll_open(&context).is_pending());
        gate.release(1);
        assert!(gate.poll_open(&context).is_ready());
    }

    #[test]
    fn releasing_too_much_is_harmless() {
        let gate = Gate::new(10);
        gate.take(5);
        gate.release(50);
        gate.take(9);
        assert!(gate.is_open());
    }

    #[test]
    fn frame_sizes_are_those_of_the_standard() {
        assert_eq!(
            [wire_bytes(0), wire_bytes(125), wire_bytes(126), wire_bytes(65_536)],
            [6, 131, 134, 65_550]
        );
    }
}
