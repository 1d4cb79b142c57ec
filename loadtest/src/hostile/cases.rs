//! What a case is, what it may lead to, and the choice of the next one.

use super::seed::{Random, Seed};
use super::{handshakes, messages};
use crate::endpoint::Endpoint;

/// How a case ends its side of the connection.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Leave {
    /// Waits for the server.
    Stay,
    /// Shuts its sending side, then waits for the server.
    HalfClose,
    /// Drops the connection at once.
    Vanish,
}

/// One hostile connection.
#[derive(Clone, Debug)]
pub struct Case {
    /// What it tries.
    pub kind: &'static str,
    /// The bytes in place of a handshake.
    pub handshake: Vec<u8>,
    /// The bytes to follow a 101.
    pub frames: Vec<u8>,
    /// How it leaves.
    pub leave: Leave,
    /// What is right.
    pub expect: Expect,
}

/// The documented ends of a case.
#[derive(Clone, Copy, Debug)]
pub struct Expect {
    /// HTTP statuses instead of 101.
    pub statuses: &'static [u16],
    /// Close codes after 101.
    pub closes: &'static [u16],
    /// Whether the connection may just end: only where no answer can be asked for.
    pub end: bool,
}

impl Expect {
    /// Only these close codes.
    pub const fn closes(closes: &'static [u16]) -> Self {
        Self { statuses: &[], closes, end: false }
    }

    /// Only these statuses.
    pub const fn statuses(statuses: &'static [u16]) -> Self {
        Self { statuses, closes: &[], end: false }
    }

    /// Returns whether `seen` is one of them.
    pub fn allows(&self, seen: &Seen) -> bool {
        match seen {
            Seen::Status { status, has_body } => self.statuses.contains(status) && (*has_body || self.end),
            Seen::Closed { code, .. } => self.closes.contains(code),
            Seen::Ended => self.end,
            Seen::Left => true,
            Seen::Unreachable(_) | Seen::Silence => false,
        }
    }
}

/// How a case ended.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Seen {
    /// The handshake was answered with another status than 101.
    Status {
        /// The status.
        status: u16,
        /// Whether the body is a Deepgram error with `err_code`.
        has_body: bool,
    },
    /// The server sent a close frame.
    Closed {
        /// Its code; 1005 when it had none.
        code: u16,
        /// Its reason.
        reason: String,
    },
    /// The server ended the connection without a close frame.
    Ended,
    /// The client vanished, as planned.
    Left,
    /// The connection could not be made.
    Unreachable(String),
    /// Nothing came within the limit.
    Silence,
}

impl Seen {
    /// Returns the end in a few words.
    pub fn label(&self) -> String {
        match self {
            Self::Status { status, has_body: true } => format!("HTTP {status}"),
            Self::Status { status, has_body: false } => format!("HTTP {status} without err_code"),
            Self::Closed { code, reason } => format!("close {code} {reason}").trim_end().to_owned(),
            Self::Ended => "connection ended".into(),
            Self::Left => "client left".into(),
            Self::Unreachable(why) => format!("unreachable: {why}"),
            Self::Silence => "no answer in time".into(),
        }
    }
}

/// Makes the case with this number.
pub fn make(endpoint: &Endpoint, seed: Seed, index: usize) -> Case {
    let mut random: Random = seed.of_case(index);
    let request = handshakes::Request::of(endpoint);
    if random.one_in(3) {
        handshakes::make(&mut random, &request)
    } else {
        messages::make(&mut random, &request)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn some_hundred_cases_cover_every_kind_and_repeat() {
        let endpoint = Endpoint::new("ws://127.0.0.1:1", "sv_k").unwrap();
        let kinds: BTreeSet<&str> = (0..400).map(|index| make(&endpoint, Seed(1), index).kind).collect();
        assert_eq!(kinds.len(), handshakes::KINDS + messages::KINDS, "{kinds:?}");
        let (a, b) = (make(&endpoint, Seed(1), 5), make(&endpoint, Seed(1), 5));
        assert_eq!((a.kind, a.handshake, a.frames), (b.kind, b.handshake, b.frames));
    }
}
