//! One line a step on standard error; on a terminal the running step counts its seconds.

use std::io::{IsTerminal, Write};
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

/// Shows what is being fetched. Quiet in tests.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Progress {
    /// On standard error.
    Shown,
    /// Nowhere.
    Quiet,
}

impl Progress {
    /// Prints a line.
    pub fn line(self, text: &str) {
        if self == Self::Shown {
            eprintln!("{text}");
        }
    }

    /// Runs a step that takes long under a line that says so.
    pub fn during<T, E>(self, text: &str, step: impl FnOnce() -> Result<T, E>) -> Result<T, E> {
        if self == Self::Quiet {
            return step();
        }
        let live = std::io::stderr().is_terminal();
        eprint!("{text} …{}", if live { "" } else { "\n" });
        let (stop, stopped) = mpsc::sync_channel::<()>(0);
        let (result, seconds) = thread::scope(|scope| {
            let ticker = scope.spawn(move || {
                let mut seconds = 0u32;
                while matches!(
                    stopped.recv_timeout(Duration::from_secs(1)),
                    Err(mpsc::RecvTimeoutError::Timeout)
                ) {
                    seconds += 1;
                    if live {
                        eprint!("\r{text} … {seconds} s");
                        let _ = std::io::stderr().flush();
                    }
                }
                seconds
            });
            let result = step();
            drop(stop);
            (result, ticker.join().unwrap_or(0))
        });
        let ending = if result.is_ok() { "done" } else { "failed" };
        if live {
            eprintln!("\r{text} … {ending} in {seconds} s");
        } else {
            eprintln!("  {ending} in {seconds} s");
        }
        result
    }
}

/// Returns a size for people, in decimal megabytes.
pub fn megabytes(bytes: u64) -> String {
    #[expect(clippy::cast_precision_loss, reason = "sizes are far below 2^52 bytes")]
    let megabytes = bytes as f64 / 1e6;
    if megabytes < 10.0 { format!("{megabytes:.1} MB") } else { format!("{megabytes:.0} MB") }
}
