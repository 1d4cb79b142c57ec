//! Hostile handshakes: everything that is wrong before a 101.

use super::cases::{Case, Expect, Leave};
use super::frame;
use super::seed::Random;
use crate::endpoint::Endpoint;

/// Kinds made here.
pub const KINDS: usize = 17;

/// A right request, and its parts to be spoilt.
#[derive(Clone, Debug)]
pub struct Request {
    authority: String,
    authorization: String,
}

/// Headers of a right upgrade, without credentials.
const UPGRADE: &str = "Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n\
                       Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n";
const QUERY: &str = "model=nova-3&encoding=linear16&sample_rate=16000&interim_results=true";

impl Request {
    /// Takes address and key of `endpoint`.
    pub fn of(endpoint: &Endpoint) -> Self {
        let authorization = endpoint.authorization().to_str().unwrap_or_default();
        Self { authority: endpoint.authority(), authorization: format!("Authorization: {authorization}\r\n") }
    }

    fn text(&self, line: &str, headers: &str) -> Vec<u8> {
        format!("{line}\r\nHost: {}\r\n{headers}\r\n", self.authority).into_bytes()
    }

    /// Returns the bytes of a right handshake.
    pub fn good(&self) -> Vec<u8> {
        self.with_query(QUERY)
    }

    fn with_query(&self, query: &str) -> Vec<u8> {
        self.text(&format!("GET /v1/listen?{query} HTTP/1.1"), &format!("{}{UPGRADE}", self.authorization))
    }

    fn with_headers(&self, headers: &str) -> Vec<u8> {
        self.text(&format!("GET /v1/listen?{QUERY} HTTP/1.1"), headers)
    }
}

/// Values that no server can take.
const BAD_VALUES: [&str; 15] = [
    "encoding=bogus&sample_rate=16000",
    "encoding=linear16",
    "encoding=linear16&sample_rate=0",
    "encoding=linear16&sample_rate=-1",
    "encoding=linear16&sample_rate=abc",
    "encoding=linear16&sample_rate=99999999999999999999",
    "encoding=linear16&sample_rate=3.5",
    "encoding=linear16&sample_rate=4000000000",
    "encoding=linear16&sample_rate=16000&channels=0",
    "encoding=linear16&sample_rate=16000&channels=-2",
    "encoding=linear16&sample_rate=16000&channels=65536",
    "encoding=linear16&sample_rate=16000&channels=x",
    "encoding=linear16&sample_rate=16000&multichannel=true&channels=1000",
    "encoding=linear16&sample_rate=16000&interim_results=perhaps",
    "encoding=linear16&sample_rate=16000&endpointing=soon",
];

/// Queries that may be refused or taken.
const ODD_VALUES: [&str; 8] = [
    "endpointing=-5",
    "endpointing=99999999999999999999",
    "utterance_end_ms=never",
    "no_such_thing=%zz%00",
    "model=%F0%9F%92%A9&language=%FF%FE",
    "&&&===&=",
    "sample_rate=8000&sample_rate=16000",
    "tag=%0d%0aInjected:%20yes",
];

/// Refusals of requests that are no right upgrade.
const NOT_AN_UPGRADE: Expect = Expect::statuses(&[400, 426]);
/// Requests over the parser's limits, or not HTTP at all: a status, or the connection just ends.
const NOT_HTTP: Expect = Expect { statuses: &[400, 408, 413, 414, 431], closes: &[], end: true };
/// May be refused or served.
const EITHER: Expect = Expect { statuses: &[400, 414, 431], closes: &[1000], end: false };

/// Makes a case.
pub fn make(random: &mut Random, request: &Request) -> Case {
    let close_stream = frame::text(random, r#"{"type":"CloseStream"}"#);
    let auth = &request.authorization;
    let case = |kind, handshake, expect| Case {
        kind,
        handshake,
        frames: close_stream.clone(),
        leave: Leave::Stay,
        expect,
    };
    match random.below(KINDS) {
        0 => case("no upgrade", request.with_headers(auth), NOT_AN_UPGRADE),
        1 => {
            let headers = UPGRADE.replace("Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n", "");
            case("no websocket key", request.with_headers(&format!("{auth}{headers}")), NOT_AN_UPGRADE)
        }
        2 => {
            // 7 and 8 were drafts that some servers still speak.
            let version = random.pick(&["0", "12", "14", "thirteen", ""]);
            let headers = UPGRADE.replace("Version: 13", &format!("Version: {version}"));
            case("websocket version", request.with_headers(&format!("{auth}{headers}")), NOT_AN_UPGRADE)
        }
        3 => case("no credential", request.with_headers(UPGRADE), Expect::statuses(&[401])),
        4 => {
            let secret: String = random.bytes(40).iter().map(|b| char::from(b'0' + b % 75)).collect();
            let scheme = random.pick(&["Token", "Bearer", "Basic", "token", ""]);
            let header = format!("Authorization: {scheme} {}\r\n", secret.replace(['\\', '^'], "x"));
            case(
                "wrong credential",
                request.with_headers(&format!("{header}{UPGRADE}")),
                Expect::statuses(&[401]),
            )
        }
        5 => {
            let offer =
                random.pick(&["token", "token, nope", "bearer, a.b.c", "bearer", "saas.v1, ticket.x", ", ,"]);
            let header = format!("Sec-WebSocket-Protocol: {offer}\r\n{UPGRADE}");
            // An offer that cannot be read may also be called malformed.
            case("wrong subprotocol credential", request.with_headers(&header), Expect::statuses(&[400, 401]))
        }
        6 => case("bad query value", request.with_query(random.pick(&BAD_VALUES)), Expect::statuses(&[400])),
        7 => {
            let query = format!("{QUERY}&{}", random.pick(&ODD_VALUES));
            case("odd query value", request.with_query(&query), EITHER)
        }
        8 => {
            let header = format!("Origin: http://evil.example\r\n{auth}{UPGRADE}");
            case("foreign origin", request.with_headers(&header), Expect::statuses(&[403]))
        }
        9 => {
            let filler = format!("X-Filler: {}\r\n", "a".repeat(random.between(200_000, 400_000)));
            case("huge header", request.with_headers(&format!("{filler}{auth}{UPGRADE}")), NOT_HTTP)
        }
        10 => {
            let query = format!("{QUERY}&tag={}", "a".repeat(random.between(200_000, 400_000)));
            case("huge query", request.with_query(&query), NOT_HTTP)
        }
        11 => {
            let length = random.between(1, 4_000);
            let garbage = random.bytes(length);
            Case { leave: Leave::HalfClose, ..case("not HTTP", garbage, NOT_HTTP) }
        }
        12 => {
            let audio = random.bytes(640);
            let frames = frame::binary(random, &audio);
            Case { leave: Leave::HalfClose, ..case("frames without a handshake", frames, NOT_HTTP) }
        }
        13 => {
            let good = request.good();
            let part = good[..random.between(1, good.len())].to_vec();
            Case { leave: Leave::HalfClose, ..case("half a handshake", part, NOT_HTTP) }
        }
        14 => {
            let method = random.pick(&["PUT", "DELETE", "PATCH", "TRACE", "FROB"]);
            let line = format!("{method} /v1/listen HTTP/1.1");
            let handshake = request.text(&line, &format!("{auth}{UPGRADE}"));
            case("wrong method", handshake, Expect::statuses(&[400, 404, 405]))
        }
        15 => {
            let line = format!("GET /v1/listen?{QUERY} HTTP/1.0");
            let handshake = request.text(&line, &format!("{auth}{UPGRADE}"));
            case("HTTP/1.0", handshake, Expect { statuses: &[400, 426, 505], closes: &[1000], end: false })
        }
        _ => {
            let header = format!("Content-Length: 5\r\n{auth}{UPGRADE}");
            let mut handshake = request.with_headers(&header);
            handshake.extend_from_slice(b"12345");
            let expect = Expect { statuses: &[400], closes: &[1000, 1002], end: true };
            case("upgrade with a body", handshake, expect)
        }
    }
}
