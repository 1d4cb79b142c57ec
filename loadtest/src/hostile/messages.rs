//! Hostile frames and messages after a right handshake.

use super::cases::{Case, Expect, Leave};
use super::frame::{FIN, binary, header, masked, opcode, text, unmasked};
use super::handshakes::Request;
use super::seed::Random;

/// Kinds made here.
pub const KINDS: usize = 26;

/// The frames break RFC 6455.
const PROTOCOL: Expect = Expect::closes(&[1002]);
/// A length over the limit; it may also count as a broken frame.
const TOO_BIG: Expect = Expect::closes(&[1002, 1009]);
/// Right frames that the server ignores or refuses; `CloseStream` follows.
const IGNORED_OR_REFUSED: Expect = Expect::closes(&[1000, 1008, 1009]);
/// Right use.
const SERVED: Expect = Expect::closes(&[1000]);

const CLOSE_STREAM: &str = r#"{"type":"CloseStream"}"#;
const KEEP_ALIVE: &str = r#"{"type":"KeepAlive"}"#;

/// JSON that is not a message of the protocol.
const WRONG_MESSAGES: [&str; 18] = [
    "",
    " ",
    "null",
    "42",
    "[]",
    "{}",
    "{\"type\":",
    r#"{"type":null}"#,
    r#"{"type":"Nonsense"}"#,
    r#"{"type":["KeepAlive"]}"#,
    r#"{"type":"keepalive"}"#,
    r#"{"Type":"KeepAlive"}"#,
    r#"{"type":"KeepAlive","type":"CloseStreams"}"#,
    r#"{"type":"Finalize","channel":-1}"#,
    r#"{"type":"Finalize","channel":99999999999999999999}"#,
    r#"{"type":"Configure","keyterms":"no list"}"#,
    r#"{"type":"Configure","features":{"x":1e999}}"#,
    "CloseStream\u{0}\u{202e}",
];

/// Makes a case; half of them send a little real audio first.
pub fn make(random: &mut Random, request: &Request) -> Case {
    let mut frames = Vec::new();
    if random.one_in(2) {
        for _ in 0..random.between(1, 6) {
            let length = random.between(320, 1_600) * 2;
            let audio = quiet_noise(random, length);
            frames.extend(binary(random, &audio));
        }
    }
    let (kind, hostile, leave, expect) = hostile(random);
    frames.extend(hostile);
    Case { kind, handshake: request.good(), frames, leave, expect }
}

/// Noise too quiet to be speech: the cases are about frames, not about the engine.
fn quiet_noise(random: &mut Random, length: usize) -> Vec<u8> {
    random.bytes(length / 2).iter().flat_map(|byte| i16::from(*byte as i8).to_le_bytes()).collect()
}

fn hostile(random: &mut Random) -> (&'static str, Vec<u8>, Leave, Expect) {
    let stay = |kind, frames, expect| (kind, frames, Leave::Stay, expect);
    match random.below(KINDS) {
        0 => stay("continuation without a start", masked(random, FIN | opcode::CONTINUATION, b"x"), PROTOCOL),
        1 => {
            let bits = (random.between(1, 8) as u8) << 4;
            stay("reserved bits", masked(random, FIN | bits | opcode::BINARY, &[0; 64]), PROTOCOL)
        }
        2 => {
            let code = random.pick(&[3, 4, 5, 6, 7, 11, 12, 13, 14, 15]);
            stay("reserved opcode", masked(random, FIN | code, b"x"), PROTOCOL)
        }
        3 => {
            let code = random.pick(&[opcode::TEXT, opcode::BINARY, opcode::PING, opcode::CLOSE]);
            stay("unmasked", unmasked(FIN | code, &[3, 232]), PROTOCOL)
        }
        4 => stay("fragmented control", masked(random, opcode::PING, b"x"), PROTOCOL),
        5 => {
            let length = random.between(126, 2_000);
            stay("long control", masked(random, FIN | opcode::PING, &vec![b'x'; length]), PROTOCOL)
        }
        6 => {
            let mut frames = masked(random, opcode::TEXT, b"{\"type\":");
            frames.extend(text(random, KEEP_ALIVE));
            stay("message inside a message", frames, PROTOCOL)
        }
        7 => {
            let length = 1_u64 << random.between(32, 64);
            let first = FIN | random.pick(&[opcode::TEXT, opcode::BINARY]);
            let mut frames = header(first, 0x80, length);
            frames.extend(random.bytes(104));
            stay("huge announced length", frames, TOO_BIG)
        }
        8 => {
            let padding = "a".repeat(random.between(2 << 20, 4 << 20));
            let mut frames = text(random, &format!("{{\"type\":\"KeepAlive\",\"x\":\"{padding}\"}}"));
            frames.extend(text(random, CLOSE_STREAM));
            stay("huge JSON", frames, IGNORED_OR_REFUSED)
        }
        9 => {
            let silence = vec![0; random.between(1 << 20, 2 << 20) * 2];
            let mut frames = binary(random, &silence);
            frames.extend(text(random, CLOSE_STREAM));
            stay("huge binary", frames, Expect::closes(&[1000, 1009]))
        }
        10 => {
            let mut frames = masked(random, opcode::TEXT, b"{");
            for _ in 0..random.between(2_000, 4_000) {
                frames.extend(masked(random, opcode::CONTINUATION, &[b' '; 1_000]));
            }
            frames.extend(text(random, CLOSE_STREAM));
            stay("endless fragments", frames, TOO_BIG)
        }
        11 => {
            let mut frames = masked(random, opcode::TEXT, b"{");
            for _ in 0..random.between(1_000, 20_000) {
                frames.extend(masked(random, opcode::CONTINUATION, b""));
            }
            frames.extend(text(random, CLOSE_STREAM));
            stay("empty fragments", frames, TOO_BIG)
        }
        12 => {
            let bad =
                random.pick(&[&b"\xff"[..], b"{\"type\":\"\xc3\x28\"}", b"\xed\xa0\x80", b"abc\xf0\x9f"]);
            stay("invalid UTF-8", masked(random, FIN | opcode::TEXT, bad), Expect::closes(&[1007]))
        }
        13 => {
            let mut frames = masked(random, opcode::TEXT, b"{\"type\":\"\xf0\x9f");
            frames.extend(masked(random, FIN | opcode::CONTINUATION, b"\x41\"}"));
            stay("invalid UTF-8 over fragments", frames, Expect::closes(&[1007]))
        }
        14 => {
            let code = random.pick(&[0_u16, 999, 1004, 1005, 1006, 1016, 2_999, 5_000, 65_535]);
            stay(
                "close with a forbidden code",
                masked(random, FIN | opcode::CLOSE, &code.to_be_bytes()),
                PROTOCOL,
            )
        }
        15 => stay("close with one byte", masked(random, FIN | opcode::CLOSE, b"x"), PROTOCOL),
        16 => {
            let frames = masked(random, FIN | opcode::CLOSE, b"\x03\xe8\xff\xfe");
            stay("close with invalid UTF-8", frames, Expect::closes(&[1002, 1007]))
        }
        17 => {
            let wrong = random.pick(&WRONG_MESSAGES);
            stay("wrong message", followed_by_close(random, wrong), IGNORED_OR_REFUSED)
        }
        18 => {
            let depth = random.between(1_000, 30_000);
            let nested = format!("{{\"type\":{}", "[".repeat(depth));
            stay("deeply nested JSON", followed_by_close(random, &nested), IGNORED_OR_REFUSED)
        }
        19 => {
            let mut frames = Vec::new();
            for _ in 0..random.between(1, 20) {
                let length = random.between(0, 500) * 2 + 1;
                let audio = quiet_noise(random, length + 1);
                frames.extend(binary(random, &audio[..length]));
            }
            frames.extend(text(random, CLOSE_STREAM));
            stay("odd-length PCM", frames, Expect::closes(&[1000, 1008]))
        }
        20 => {
            let mut frames = text(random, CLOSE_STREAM);
            for _ in 0..random.between(1, 20) {
                frames.extend(binary(random, &[0; 640]));
            }
            frames.extend(text(random, CLOSE_STREAM));
            stay("audio after CloseStream", frames, SERVED)
        }
        21 => stay("empty binary", binary(random, b""), SERVED),
        22 => {
            let mut frames = Vec::new();
            for _ in 0..random.between(50, 500) {
                let message = random.pick(&[r#"{"type":"Finalize"}"#, KEEP_ALIVE, r#"{"type":"Configure"}"#]);
                frames.extend(text(random, message));
                frames.extend(masked(random, FIN | opcode::PING, b"p"));
            }
            frames.extend(text(random, CLOSE_STREAM));
            stay("message flood", frames, Expect::closes(&[1000, 1008, 4429]))
        }
        23 => {
            let whole = binary(random, &[0; 3_200]);
            let part = whole[..random.between(1, whole.len())].to_vec();
            ("vanishes in a frame", part, Leave::Vanish, SERVED)
        }
        24 => {
            let whole = binary(random, &[0; 3_200]);
            let part = whole[..random.between(1, whole.len())].to_vec();
            let expect = Expect { end: true, ..Expect::closes(&[1000, 1002, 1011]) };
            ("half-closes in a frame", part, Leave::HalfClose, expect)
        }
        _ => {
            let length = random.between(100, 4_000);
            // A header that is right by chance waits for its payload until the idle limit.
            stay("random bytes", random.bytes(length), Expect::closes(&[1000, 1002, 1007, 1008, 1009, 1011]))
        }
    }
}

fn followed_by_close(random: &mut Random, message: &str) -> Vec<u8> {
    let mut frames = text(random, message);
    frames.extend(text(random, CLOSE_STREAM));
    frames
}
