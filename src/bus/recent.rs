//! The last messages of a topic, within a number and a size. Pure.

use sottovoce_actors::ports::bus::BusMessage;
use std::collections::VecDeque;

/// A ring that forgets the oldest first and remembers that it did.
#[derive(Debug)]
pub struct Recent {
    max_messages: usize,
    max_bytes: usize,
    messages: VecDeque<BusMessage>,
    bytes: usize,
    /// The newest message that is gone.
    forgotten: Option<u64>,
}

/// What a subscriber has missed.
#[derive(PartialEq, Eq, Debug)]
pub struct Missed {
    /// Some of it is gone.
    pub has_gap: bool,
    /// The rest, in order.
    pub messages: Vec<BusMessage>,
}

impl Recent {
    /// Makes an empty ring.
    pub const fn new(max_messages: usize, max_bytes: usize) -> Self {
        Self { max_messages, max_bytes, messages: VecDeque::new(), bytes: 0, forgotten: None }
    }

    /// Returns whether it holds nothing.
    pub fn is_empty(&self) -> bool {
        self.messages.is_empty()
    }

    /// Adds a message and forgets what is too much; one that is larger than the ring is forgotten at once.
    pub fn push(&mut self, message: BusMessage) {
        self.bytes += message.body.len();
        self.messages.push_back(message);
        while self.messages.len() > self.max_messages || self.bytes > self.max_bytes {
            let Some(oldest) = self.messages.pop_front() else { break };
            self.bytes -= oldest.body.len();
            self.forgotten = Some(oldest.seq);
        }
    }

    /// Returns what came after `since`; without it, all there is. A subscriber that is ahead has seen another life of the
    /// topic: to it, all is new and something is gone.
    pub fn after(&self, since: Option<u64>) -> Missed {
        let newest = self.messages.back().map(|message| message.seq).or(self.forgotten);
        let Some(since) = since else {
            return Missed { has_gap: false, messages: self.messages.iter().cloned().collect() };
        };
        if newest.is_none_or(|newest| since > newest) {
            return Missed { has_gap: since > 0, messages: self.messages.iter().cloned().collect() };
        }
        Missed {
            has_gap: self.forgotten.is_some_and(|forgotten| forgotten > since),
            messages: self.messages.iter().filter(|message| message.seq > since).cloned().collect(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use bytes::Bytes;

    fn message(seq: u64, bytes: usize) -> BusMessage {
        BusMessage { seq, body: Bytes::from(vec![b'x'; bytes]) }
    }

    fn missed(recent: &Recent, since: Option<u64>) -> (bool, Vec<u64>) {
        let missed = recent.after(since);
        (missed.has_gap, missed.messages.iter().map(|message| message.seq).collect())
    }

    #[test]
    fn the_number_of_messages_is_bounded() {
        let mut recent = Recent::new(3, 1000);
        for seq in [1, 2, 4, 5, 7] {
            recent.push(message(seq, 1));
        }
        assert_eq!(missed(&recent, None), (false, vec![4, 5, 7]));
        assert_eq!(missed(&recent, Some(0)), (true, vec![4, 5, 7]));
        assert_eq!(missed(&recent, Some(1)), (true, vec![4, 5, 7]));
        assert_eq!(missed(&recent, Some(2)), (false, vec![4, 5, 7]), "nothing between 2 and 4 ever was");
        assert_eq!(missed(&recent, Some(5)), (false, vec![7]));
        assert_eq!(missed(&recent, Some(7)), (false, vec![]));
        assert_eq!(missed(&recent, Some(8)), (true, vec![4, 5, 7]), "ahead of us");
    }

    #[test]
    fn their_size_is_bounded() {
        let mut recent = Recent::new(100, 10);
        for seq in 1..=4 {
            recent.push(message(seq, 4));
        }
        assert_eq!(missed(&recent, Some(0)), (true, vec![3, 4]));
        recent.push(message(5, 11));
        assert_eq!(missed(&recent, Some(4)), (true, vec![]));
        assert_eq!(missed(&recent, Some(5)), (false, vec![]));
        recent.push(message(6, 10));
        assert_eq!(missed(&recent, Some(5)), (false, vec![6]));
    }

    #[test]
    fn an_empty_ring_knows_nothing_of_what_a_subscriber_saw() {
        let recent = Recent::new(3, 10);
        assert!(recent.is_empty());
        assert_eq!(missed(&recent, None), (false, vec![]));
        assert_eq!(missed(&recent, Some(0)), (false, vec![]));
        assert_eq!(missed(&recent, Some(9)), (true, vec![]));
    }
}
