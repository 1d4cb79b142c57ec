//! What waits to be sent to a client: a credit window, finals kept, interims conflated. Pure.

use std::collections::VecDeque;

/// How a frame may be treated while it waits.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Keep {
    /// It must be sent.
    Always,
    /// A newer one of the same key takes its place.
    NewestOf(u64),
}

/// The client reads too slowly: more waits than may.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Overflow;

/// Frames that wait for credit.
#[derive(Debug)]
pub struct Outbox {
    credit: u32,
    limit_bytes: usize,
    waiting_bytes: usize,
    waiting: VecDeque<(Keep, String)>,
}

impl Outbox {
    /// Starts with a full window of `credit` frames; at most `limit_bytes` may wait beyond it.
    pub fn new(credit: u32, limit_bytes: usize) -> Self {
        Self { credit, limit_bytes, waiting_bytes: 0, waiting: VecDeque::new() }
    }

    /// Queues a frame. A waiting interim of the same channel is replaced in any case.
    pub fn push(&mut self, keep: Keep, frame: String) -> Result<(), Overflow> {
        if let Keep::NewestOf(_) = keep {
            let waiting_bytes = &mut self.waiting_bytes;
            self.waiting.retain(|(other, text)| {
                let stays = *other != keep;
                if !stays {
                    *waiting_bytes -= text.len();
                }
                stays
            });
        }
        if self.waiting_bytes + frame.len() > self.limit_bytes {
            return Err(Overflow);
        }
        self.waiting_bytes += frame.len();
        self.waiting.push_back((keep, frame));
        Ok(())
    }

    /// Returns the next frame to send now, spending one credit.
    #[expect(clippy::should_implement_trait, reason = "taking a frame spends credit: no iterator")]
    pub fn next(&mut self) -> Option<String> {
        if self.credit == 0 {
            return None;
        }
        let (_, frame) = self.waiting.pop_front()?;
        self.credit -= 1;
        self.waiting_bytes -= frame.len();
        Some(frame)
    }

    /// Notes that the socket took `frames` frames.
    pub fn credit(&mut self, frames: u32) {
        self.credit += frames;
    }

    /// Returns whether everything was handed to the socket.
    pub fn is_empty(&self) -> bool {
        self.waiting.is_empty()
    }

    /// Returns whether the window is spent.
    pub fn is_stalled(&self) -> bool {
        self.credit == 0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sends_within_the_window_in_order() {
        let mut outbox = Outbox::new(2, 100);
        for text in ["a", "b", "c"] {
            outbox.push(Keep::Always, text.into()).unwrap();
        }
        assert_eq!([outbox.next(), outbox.next(), outbox.next()], [Some("a".into()), Some("b".into()), None]);
        assert!(outbox.is_stalled());
        outbox.credit(1);
        assert_eq!(outbox.next().as_deref(), Some("c"));
        assert!(outbox.is_empty());
    }

    #[test]
    fn interims_of_a_channel_conflate_and_finals_do_not() {
        let mut outbox = Outbox::new(0, 100);
        outbox.push(Keep::NewestOf(0), "old".into()).unwrap();
        outbox.push(Keep::NewestOf(1), "other".into()).unwrap();
        outbox.push(Keep::Always, "final".into()).unwrap();
        outbox.push(Keep::NewestOf(0), "new".into()).unwrap();
        outbox.credit(9);
        let sent: Vec<_> = std::iter::from_fn(|| outbox.next()).collect();
        assert_eq!(sent, ["other", "final", "new"]);
    }

    #[test]
    fn overflow_is_said_and_room_comes_back() {
        let mut outbox = Outbox::new(0, 8);
        outbox.push(Keep::Always, "12345".into()).unwrap();
        assert_eq!(outbox.push(Keep::Always, "6789".into()), Err(Overflow));
        outbox.credit(1);
        outbox.next();
        assert_eq!(outbox.push(Keep::Always, "6789".into()), Ok(()));
    }
}
