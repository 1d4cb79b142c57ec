//! Carries a case out over raw TCP and reads how the server ends it.

use super::cases::{Case, Leave, Seen};
use super::frame::{Parsed, opcode, parse};
use crate::endpoint::Endpoint;
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::time::timeout;

/// How long a case may take: the server's idle limit is 10 s.
const CASE_LIMIT: Duration = Duration::from_secs(30);
/// How often a full server (429, 503) is asked again.
const ATTEMPTS: usize = 30;
/// The largest answer that is read.
const ANSWER_LIMIT_BYTES: usize = 4 << 20;

/// Carries out a case; a server that is full is asked again.
pub async fn carry_out(endpoint: &Endpoint, case: &Case) -> Seen {
    for _ in 1..ATTEMPTS {
        match timeout(CASE_LIMIT, attempt(endpoint, case)).await.unwrap_or(Seen::Silence) {
            Seen::Status { status: 429 | 503, .. } => tokio::time::sleep(Duration::from_secs(1)).await,
            seen => return seen,
        }
    }
    timeout(CASE_LIMIT, attempt(endpoint, case)).await.unwrap_or(Seen::Silence)
}

async fn attempt(endpoint: &Endpoint, case: &Case) -> Seen {
    let stream: TcpStream = match endpoint.dial(None).await {
        Ok(stream) => stream,
        Err(error) => return Seen::Unreachable(error.to_string()),
    };
    let (read, mut write) = stream.into_split();
    let mut reader = Reader { read, bytes: Vec::new() };
    let speaks_http = case.handshake.ends_with(b"\r\n\r\n");
    let half_close = case.leave == Leave::HalfClose && !speaks_http;
    // Writing and reading go on together: the server may answer and stop reading in the middle of a long request.
    let ((), head) = tokio::join!(send(&mut write, &case.handshake, half_close), reader.read_head());
    let head = match head {
        Some(head) => head,
        None => return Seen::Ended,
    };
    if head.status != 101 {
        let has_body = reader.has_error_code(&head).await;
        return Seen::Status { status: head.status, has_body };
    }
    if case.leave == Leave::Vanish {
        let _ = write.write_all(&case.frames).await;
        return Seen::Left;
    }
    let half_close = case.leave == Leave::HalfClose;
    let ((), seen) = tokio::join!(send(&mut write, &case.frames, half_close), reader.read_close());
    seen
}

/// A failed write is no result: what the server said before is read on the other side.
async fn send(write: &mut OwnedWriteHalf, bytes: &[u8], half_close: bool) {
    let sent = write.write_all(bytes).await;
    if half_close && sent.is_ok() {
        let _ = write.shutdown().await;
    }
}

struct Head {
    status: u16,
    is_json: bool,
    content_bytes: Option<usize>,
}

struct Reader {
    read: OwnedReadHalf,
    bytes: Vec<u8>,
}

impl Reader {
    /// Returns false at the end of the connection.
    async fn more(&mut self) -> bool {
        let mut piece = [0_u8; 16_384];
        match self.read.read(&mut piece).await {
            Ok(n) if n > 0 && self.bytes.len() < ANSWER_LIMIT_BYTES => {
                self.bytes.extend_from_slice(&piece[..n]);
                true
            }
            _ => false,
        }
    }

    /// Reads the head of the answer; `None` when the connection ends before, or what comes is not HTTP.
    async fn read_head(&mut self) -> Option<Head> {
        loop {
            if let Some(end) = self.bytes.windows(4).position(|w| w == b"\r\n\r\n") {
                let head = String::from_utf8_lossy(&self.bytes[..end]).to_lowercase();
                self.bytes.drain(..end + 4);
                let header =
                    |name: &str| head.lines().find_map(|l| Some(l.strip_prefix(name)?.trim().to_owned()));
                return Some(Head {
                    status: head.strip_prefix("http/1.")?.split(' ').nth(1)?.parse().ok()?,
                    is_json: header("content-type:").is_some_and(|kind| kind.contains("json")),
                    content_bytes: header("content-length:").and_then(|length| length.parse().ok()),
                });
            }
            if !self.more().await {
                return None;
            }
        }
    }

    async fn has_error_code(&mut self, head: &Head) -> bool {
        let wanted = head.content_bytes.unwrap_or(usize::MAX);
        while self.bytes.len() < wanted && self.more().await {}
        let body: Option<serde_json::Value> = serde_json::from_slice(&self.bytes).ok();
        head.is_json
            && body.is_some_and(|body| body.get("err_code").is_some_and(serde_json::Value::is_string))
    }

    async fn read_close(&mut self) -> Seen {
        loop {
            while let Parsed::Frame(code, payload, used) = parse(&self.bytes) {
                self.bytes.drain(..used);
                if code == opcode::CLOSE {
                    let (code, reason) = match payload.split_at_checked(2) {
                        Some((code, reason)) => (u16::from_be_bytes([code[0], code[1]]), reason),
                        None => (1005, &[][..]),
                    };
                    return Seen::Closed { code, reason: String::from_utf8_lossy(reason).into_owned() };
                }
            }
            if !self.more().await {
                return Seen::Ended;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::cases::Expect;
    use super::*;
    use tokio::net::TcpListener;

    /// Answers one connection with `answer` once its first byte has come, then ends it.
    async fn seen_for(answer: &'static [u8], expect: Expect) -> (Seen, bool) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let endpoint = Endpoint::new(&format!("ws://{}", listener.local_addr().unwrap()), "sv_k").unwrap();
        let server = async {
            let (mut stream, _) = listener.accept().await.unwrap();
            let mut request = [0_u8; 1_024];
            let _ = stream.read(&mut request).await.unwrap();
            stream.write_all(answer).await.unwrap();
            stream.shutdown().await.unwrap();
            while stream.read(&mut request).await.is_ok_and(|n| n > 0) {}
        };
        let case = Case {
            kind: "test",
            handshake: b"GET / HTTP/1.1\r\n\r\n".to_vec(),
            frames: b"anything".to_vec(),
            leave: Leave::Stay,
            expect,
        };
        let (seen, ()) = tokio::join!(carry_out(&endpoint, &case), server);
        let allowed = expect.allows(&seen);
        (seen, allowed)
    }

    #[tokio::test]
    async fn a_close_frame_is_found_behind_other_frames() {
        let answer = b"HTTP/1.1 101 Switching Protocols\r\n\r\n\x81\x02{}\x88\x04\x03\xeahm";
        let (seen, allowed) = seen_for(answer, Expect::closes(&[1002])).await;
        assert_eq!((seen.label().as_str(), allowed), ("close 1002 hm", true));
        let (_, allowed) = seen_for(answer, Expect::closes(&[1000])).await;
        assert!(!allowed);
    }

    #[tokio::test]
    async fn a_status_counts_only_with_its_documented_body() {
        let answer = b"HTTP/1.1 401 Unauthorized\r\nContent-Type: application/json\r\nContent-Length: 16\r\n\r\n{\"err_code\":\"X\"}";
        let (seen, allowed) = seen_for(answer, Expect::statuses(&[401])).await;
        assert_eq!((seen.label().as_str(), allowed), ("HTTP 401", true));
        let (seen, allowed) =
            seen_for(b"HTTP/1.1 401 No\r\nContent-Length: 0\r\n\r\n", Expect::statuses(&[401])).await;
        assert_eq!((seen.label().as_str(), allowed), ("HTTP 401 without err_code", false));
    }

    #[tokio::test]
    async fn an_end_without_an_answer_is_an_answer_only_where_none_can_be_asked_for() {
        assert_eq!(seen_for(b"", Expect::statuses(&[400])).await, (Seen::Ended, false));
        let may_end = Expect { end: true, ..Expect::statuses(&[400]) };
        assert_eq!(seen_for(b"", may_end).await, (Seen::Ended, true));
        let upgraded = b"HTTP/1.1 101 Switching Protocols\r\n\r\n";
        assert_eq!(seen_for(upgraded, Expect::closes(&[1002])).await, (Seen::Ended, false));
    }
}
