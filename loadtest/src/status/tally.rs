//! Order, gaps and latency of what many sockets received. Pure: no clock, no socket.

use crate::stats::Spread;
use serde::Serialize;
use sottovoce_protocol::status::ServerMessage;
use std::collections::HashMap;
use std::time::Duration;

/// A message of `/ws` and when it arrived, from the run's start.
#[derive(Clone, Debug)]
pub struct Arrival {
    /// Arrival.
    pub at: Duration,
    /// The message.
    pub message: ServerMessage,
}

/// What is told apart on a socket: a job's states and a stream's captions count on their own.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
enum Topic {
    State,
    Caption,
}

/// What all sockets received.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Tally {
    /// Messages received over all sockets.
    pub messages: usize,
    /// Different events among them (job and sequence number).
    pub events: usize,
    /// Sequence numbers that a socket did not receive between two that it did.
    pub gaps: usize,
    /// Messages whose sequence number was not above the one before.
    pub order_violations: usize,
    /// Jobs whose first message on a socket was no snapshot: right only for jobs made after subscribing to all.
    pub without_snapshot: usize,
    /// `error` messages.
    pub errors: usize,
    /// Messages that the protocol does not know.
    pub unknown: usize,
    /// Arrival at each socket less the earliest known time of the event, in seconds.
    pub fan_out: Spread,
    /// Arrival at the last socket less the earliest known time, per event, in seconds.
    pub last_socket: Spread,
}

/// Tallies all sockets. `seen_elsewhere` gives an earlier time for an event, where the run knows one (a REST look; the
/// caption's arrival at the stream itself). Snapshots tell the past, so they take no part in the latency.
pub fn tally(sockets: &[Vec<Arrival>], seen_elsewhere: &dyn Fn(&ServerMessage) -> Option<Duration>) -> Tally {
    let mut found = Tally::default();
    let mut arrivals: HashMap<(Topic, String, u64), Vec<Duration>> = HashMap::new();
    let mut elsewhere: HashMap<(Topic, String, u64), Duration> = HashMap::new();
    for socket in sockets {
        let mut last: HashMap<(Topic, String), u64> = HashMap::new();
        for arrival in socket {
            found.messages += 1;
            let (topic, job, seq) = match &arrival.message {
                ServerMessage::Snapshot(state) => {
                    last.insert((Topic::State, state.job.to_string()), state.seq);
                    continue;
                }
                ServerMessage::Status(state) => (Topic::State, state.job.to_string(), state.seq),
                ServerMessage::Caption(caption) => (Topic::Caption, caption.job.to_string(), caption.seq),
                ServerMessage::Error { .. } => {
                    found.errors += 1;
                    continue;
                }
            };
            match last.insert((topic, job.clone()), seq) {
                Some(before) if seq <= before => found.order_violations += 1,
                Some(before) => found.gaps += (seq - before - 1) as usize,
                None => found.without_snapshot += usize::from(topic == Topic::State),
            }
            let event = (topic, job, seq);
            if let Some(earlier) = seen_elsewhere(&arrival.message) {
                elsewhere.insert(event.clone(), earlier);
            }
            arrivals.entry(event).or_default().push(arrival.at);
        }
    }
    found.events = arrivals.len();
    let (mut each, mut last) = (Vec::new(), Vec::new());
    for (event, times) in &arrivals {
        let first = times.iter().copied().chain(elsewhere.get(event).copied()).min().unwrap_or_default();
        each.extend(times.iter().map(|&at| (at - first).as_secs_f64()));
        last.extend(times.iter().max().map(|&at| (at - first).as_secs_f64()));
    }
    found.fan_out = Spread::of(&each);
    found.last_socket = Spread::of(&last);
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    const JOB: &str = "0192f0c0-0000-7000-8000-000000000001";

    fn arrival(at_ms: u64, ev: &str, seq: u64) -> Arrival {
        let text = format!(r#"{{"ev":"{ev}","job":"{JOB}","seq":{seq},"status":"processing","progress":5}}"#);
        Arrival { at: Duration::from_millis(at_ms), message: serde_json::from_str(&text).unwrap() }
    }

    #[test]
    fn order_gaps_and_missing_snapshots_are_counted_per_socket() {
        let good = vec![arrival(10, "snapshot", 1), arrival(20, "status", 2), arrival(30, "status", 3)];
        let gap = vec![arrival(10, "snapshot", 1), arrival(40, "status", 4), arrival(50, "status", 4)];
        let bare = vec![arrival(25, "status", 2)];
        let found = tally(&[good, gap, bare], &|_| None);
        assert_eq!((found.gaps, found.order_violations, found.without_snapshot), (2, 1, 1));
        assert_eq!((found.messages, found.events), (7, 3));
    }

    #[test]
    fn latency_counts_from_the_earliest_time_known() {
        let sockets = [vec![arrival(120, "status", 2)], vec![arrival(150, "status", 2)]];
        let found = tally(&sockets, &|_| None);
        assert_eq!((found.fan_out.p50, found.fan_out.max, found.last_socket.count), (0.0, 0.03, 1));
        let found = tally(&sockets, &|_| Some(Duration::from_millis(100)));
        assert_eq!((found.fan_out.p50, found.fan_out.max), (0.02, 0.05));
    }
}
