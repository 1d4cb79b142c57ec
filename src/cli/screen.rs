//! Captions for eyes: on a terminal the growing line is rewritten until it settles; elsewhere each is a plain line.

use std::fs::File;
use std::io::{self, IsTerminal, Write};
use std::process::{Command, Stdio};

/// Columns used where the terminal does not tell.
const DEFAULT_COLUMNS: usize = 80;
const CLEAR_LINE: &str = "\r\x1b[2K";
const DIM: &str = "\x1b[2m";
const PLAIN: &str = "\x1b[0m";

/// How captions are shown.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Style {
    /// Escape sequences; the growing caption stays on one line of this many columns.
    Terminal {
        /// Width of the terminal.
        columns: usize,
    },
    /// Plain lines, growing captions too.
    Lines,
    /// Plain lines, settled captions only.
    SettledLines,
}

impl Style {
    /// Returns the style for standard output: a terminal's, or `otherwise`.
    pub(super) fn for_stdout(otherwise: Self) -> Self {
        if !io::stdout().is_terminal() {
            return otherwise;
        }
        Self::Terminal { columns: terminal_columns().unwrap_or(DEFAULT_COLUMNS).max(20) }
    }
}

/// Returns the width that the terminal tells `stty`.
fn terminal_columns() -> Option<usize> {
    let terminal = File::open("/dev/tty").ok()?;
    let size = Command::new("stty").arg("size").stdin(terminal).stderr(Stdio::null()).output().ok()?;
    let columns = String::from_utf8(size.stdout).ok()?.split_whitespace().nth(1)?.parse().ok()?;
    // A terminal that does not know its size says 0.
    (columns > 0).then_some(columns)
}

/// Writes captions as they come.
pub(super) struct Screen<W> {
    style: Style,
    out: W,
    grown: String,
}

impl<W: Write> Screen<W> {
    /// Starts with nothing shown.
    pub(super) fn new(style: Style, out: W) -> Self {
        Self { style, out, grown: String::new() }
    }

    /// Shows a caption that may still change.
    pub(super) fn grow(&mut self, start_s: f64, text: &str) -> io::Result<()> {
        if text.is_empty() || text == self.grown {
            return Ok(());
        }
        match self.style {
            Style::Terminal { columns } => {
                let line = last_columns(&format!("{} {text}", clock(start_s)), columns - 1);
                write!(self.out, "{CLEAR_LINE}{DIM}{line}{PLAIN}")?;
            }
            Style::Lines => writeln!(self.out, "{}   … {text}", clock(start_s))?,
            Style::SettledLines => {}
        }
        self.grown = text.to_owned();
        self.out.flush()
    }

    /// Shows a caption that will not change any more.
    pub(super) fn settle(&mut self, start_s: f64, text: &str) -> io::Result<()> {
        let shown = !std::mem::take(&mut self.grown).is_empty();
        match self.style {
            Style::Terminal { .. } if text.is_empty() && !shown => return Ok(()),
            Style::Terminal { .. } if text.is_empty() => write!(self.out, "{CLEAR_LINE}")?,
            Style::Terminal { .. } => writeln!(self.out, "{CLEAR_LINE}{} {text}", clock(start_s))?,
            Style::Lines | Style::SettledLines if text.is_empty() => return Ok(()),
            Style::Lines | Style::SettledLines => writeln!(self.out, "{} {text}", clock(start_s))?,
        }
        self.out.flush()
    }
}

/// Returns `MM:SS.s` of a time in seconds.
fn clock(seconds: f64) -> String {
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "a time of a stream, clamped"
    )]
    let tenths = (seconds.clamp(0.0, 1e9) * 10.0).round() as u64;
    format!("{:02}:{:02}.{}", tenths / 600, tenths / 10 % 60, tenths % 10)
}

/// Returns the end of a text that fits, marked where it was cut.
fn last_columns(text: &str, columns: usize) -> String {
    let count = text.chars().count();
    if count <= columns {
        return text.to_owned();
    }
    std::iter::once('…').chain(text.chars().skip(count - columns + 1)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(style: Style) -> String {
        let mut out = Vec::new();
        let mut screen = Screen::new(style, &mut out);
        screen.grow(0.0, "hello").expect("memory");
        screen.grow(0.0, "hello").expect("memory");
        screen.grow(0.0, "hello there my friend of old").expect("memory");
        screen.settle(0.0, "Hello there.").expect("memory");
        screen.settle(61.26, "").expect("memory");
        String::from_utf8(out).expect("text")
    }

    #[test]
    fn a_terminal_line_is_rewritten_until_it_settles() {
        assert_eq!(
            shown(Style::Terminal { columns: 20 }),
            "\r\x1b[2K\x1b[2m00:00.0 hello\x1b[0m\r\x1b[2K\x1b[2m…lo there my friend\x1b[0m"
                .replace("…lo there my friend", "…e my friend of old")
                + "\r\x1b[2K00:00.0 Hello there.\n"
        );
    }

    #[test]
    fn elsewhere_lines_are_plain() {
        let growing = "00:00.0   … hello\n00:00.0   … hello there my friend of old\n";
        assert_eq!(shown(Style::Lines), format!("{growing}00:00.0 Hello there.\n"));
        assert_eq!(shown(Style::SettledLines), "00:00.0 Hello there.\n");
    }

    #[test]
    fn times_are_minutes_and_seconds() {
        assert_eq!(clock(61.26), "01:01.3");
        assert_eq!(clock(3599.96), "60:00.0");
    }
}
