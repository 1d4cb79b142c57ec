//! Whether a live client is still there. Pure: instants come in, verdicts go out; the actor owns the timer.

use std::time::Duration;
use tokio::time::Instant;

/// The windows of a live socket.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct LivenessConfig {
    /// No audio and no text for so long ends the stream.
    pub idle_timeout: Duration,
    /// Pause between pings.
    pub ping_interval: Duration,
    /// A ping unanswered for so long, while the socket was being read, ends the stream.
    pub pong_timeout: Duration,
    /// A spent credit window for so long ends the stream.
    pub stall_timeout: Duration,
}

/// What is to be done now.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Verdict {
    /// Nothing.
    Fine,
    /// Send a ping.
    Ping,
    /// The client sent nothing for too long.
    Idle,
    /// The client does not read.
    NotReading,
}

/// What was last seen of a client.
#[derive(Debug)]
pub struct Liveness {
    config: LivenessConfig,
    last_input: Instant,
    audio_came: bool,
    last_ping: Instant,
    /// The oldest ping without an answer.
    unanswered: Option<Instant>,
    stalled_since: Option<Instant>,
}

impl Liveness {
    /// Starts at the handshake.
    pub fn new(config: LivenessConfig, now: Instant) -> Self {
        Self {
            config,
            last_input: now,
            audio_came: false,
            last_ping: now,
            unanswered: None,
            stalled_since: None,
        }
    }

    /// Notes audio.
    pub fn on_audio(&mut self, now: Instant) {
        self.audio_came = true;
        self.last_input = now;
    }

    /// Notes a text frame. Without any audio ever, text does not keep a stream open (`wire.md` §4d).
    pub fn on_text(&mut self, now: Instant) {
        if self.audio_came {
            self.last_input = now;
        }
    }

    /// Notes a pong.
    pub fn on_pong(&mut self) {
        self.unanswered = None;
    }

    /// Decides. `reading` says that the gate is open, i.e. a pong could have arrived; `stalled` that the credit window
    /// is spent.
    pub fn check(&mut self, now: Instant, reading: bool, stalled: bool) -> Verdict {
        if !reading {
            // What the client sent waits unread: neither its silence nor a missing pong can be held against it.
            self.last_input = now;
            self.unanswered = self.unanswered.map(|_| now);
        }
        self.stalled_since = if stalled { self.stalled_since.or(Some(now)) } else { None };
        let over = |since: Option<Instant>, limit| since.is_some_and(|since| now - since >= limit);
        if over(self.stalled_since, self.config.stall_timeout)
            || over(self.unanswered, self.config.pong_timeout)
        {
            return Verdict::NotReading;
        }
        if now - self.last_input >= self.config.idle_timeout {
            return Verdict::Idle;
        }
        if now - self.last_ping >= self.config.ping_interval {
            self.last_ping = now;
            self.unanswered = self.unanswered.or(Some(now));
            return Verdict::Ping;
        }
        Verdict::Fine
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const CONFIG: LivenessConfig = LivenessConfig {
        idle_timeout: Duration::from_secs(10),
        ping_interval: Duration::from_secs(8),
        pong_timeout: Duration::from_secs(15),
        stall_timeout: Duration::from_secs(15),
    };

    fn seconds(start: Instant, seconds: u64) -> Instant {
        start + Duration::from_secs(seconds)
    }

    #[test]
    fn keep_alive_extends_only_after_audio() {
        let start = Instant::now();
        let mut silent = Liveness::new(CONFIG, start);
        silent.on_text(seconds(start, 5));
        assert_eq!(silent.check(seconds(start, 10), true, false), Verdict::Idle);

        let mut heard = Liveness::new(CONFIG, start);
        heard.on_audio(seconds(start, 1));
        heard.on_text(seconds(start, 7));
        assert_eq!(heard.check(seconds(start, 10), true, false), Verdict::Ping);
        assert_eq!(heard.check(seconds(start, 17), true, false), Verdict::Idle);
    }

    #[test]
    fn a_missing_pong_ends_it_only_while_the_socket_is_read() {
        let start = Instant::now();
        for reading in [true, false] {
            let mut live = Liveness::new(CONFIG, start);
            let mut verdicts = Vec::new();
            for second in 1..40 {
                live.on_audio(seconds(start, second));
                verdicts.push(live.check(seconds(start, second), reading, false));
            }
            assert_eq!(verdicts.contains(&Verdict::NotReading), reading);
        }
    }

    #[test]
    fn answered_pings_keep_it_alive() {
        let start = Instant::now();
        let mut live = Liveness::new(CONFIG, start);
        for second in 1..100 {
            live.on_audio(seconds(start, second));
            match live.check(seconds(start, second), true, false) {
                Verdict::Ping => live.on_pong(),
                verdict => assert_eq!(verdict, Verdict::Fine),
            }
        }
    }

    #[test]
    fn a_spent_window_ends_it_unless_credit_returns() {
        let start = Instant::now();
        let mut live =
            Liveness::new(LivenessConfig { ping_interval: Duration::from_secs(999), ..CONFIG }, start);
        for second in 1..10 {
            live.on_audio(seconds(start, second));
            assert_eq!(live.check(seconds(start, second), true, true), Verdict::Fine);
        }
        live.on_audio(seconds(start, 10));
        assert_eq!(live.check(seconds(start, 10), true, false), Verdict::Fine);
        for second in 11..26 {
            live.on_audio(seconds(start, second));
            assert_eq!(live.check(seconds(start, second), true, true), Verdict::Fine);
        }
        live.on_audio(seconds(start, 26));
        assert_eq!(live.check(seconds(start, 26), true, true), Verdict::NotReading);
    }
}
