//! The client against a stand-in for the server, on real loopback sockets.

#![expect(clippy::unwrap_used, reason = "a failed step of a test is a failed test")]

mod fake;
mod jobs;
mod live;
mod program;
