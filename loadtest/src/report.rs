//! How a run is shown: tables for people on stdout, one JSON object for machines.

use crate::error::LoadError;
use crate::proc::{Machine, Usage};
use crate::stats::Spread;
use serde::Serialize;
use std::path::Path;

/// The command line's part about the report.
#[derive(clap::Args, Clone, Debug)]
pub struct ReportArgs {
    /// Also write the report as JSON to this file.
    #[arg(long)]
    pub json: Option<std::path::PathBuf>,
}

/// What every report begins with.
#[derive(Debug, Serialize)]
pub struct Envelope<T> {
    /// The command line.
    pub command: Vec<String>,
    /// The machine when the run began.
    pub machine: Machine,
    /// Load average when it ended.
    pub load_average_after: String,
    /// CPU and memory.
    pub usage: Usage,
    /// The figures of the command.
    pub figures: T,
}

impl<T: Serialize> Envelope<T> {
    /// Wraps a run's figures. The key is blanked in the command line.
    pub fn new(machine: Machine, usage: Usage, figures: T) -> Self {
        let load_average_after = Machine::now().load_average;
        Self { command: shown_command(std::env::args()), machine, load_average_after, usage, figures }
    }

    /// Prints the lines that every report shares.
    pub fn print_head(&self) {
        let m = &self.machine;
        println!(
            "machine   {} cores, {}; load {} before, {} after",
            m.cores, m.cpu, m.load_average, self.load_average_after
        );
        let u = &self.usage;
        let client = u.client_cpu_s.map_or_else(|| "unknown".into(), |s| format!("{s:.2} s"));
        println!("run       {:.1} s; the client itself used {client} of CPU", u.wall_s);
        if u.server_died {
            println!("server    DIED during the run");
        }
        if let (Some(cpu), Some(start), Some(end), Some(peak)) =
            (u.server_cpu_s, u.rss_start_bytes, u.rss_end_bytes, u.rss_peak_bytes)
        {
            let minute_2 = u
                .rss_minute_2_bytes
                .map_or_else(String::new, |b| format!(", minute 2 {}", mebibytes(b as f64)));
            println!(
                "server    CPU {cpu:.2} s; memory at start {}{minute_2}, end {}, peak {}",
                mebibytes(start as f64),
                mebibytes(end as f64),
                mebibytes(peak as f64)
            );
        }
    }

    /// Writes the JSON where asked.
    ///
    /// # Errors
    /// When the file cannot be written.
    pub fn save(&self, args: &ReportArgs) -> Result<(), LoadError> {
        match &args.json {
            Some(path) => write_json(path, self),
            None => Ok(()),
        }
    }
}

/// Returns the arguments with the value of `--key` left out.
fn shown_command(arguments: impl Iterator<Item = String>) -> Vec<String> {
    let mut hide = false;
    let shown = arguments.map(|argument| {
        let hidden = std::mem::replace(&mut hide, argument == "--key");
        match argument {
            _ if hidden => "…".to_owned(),
            argument if argument.starts_with("--key=") => "--key=…".to_owned(),
            argument => argument,
        }
    });
    shown.collect()
}

/// Writes a value as indented JSON.
///
/// # Errors
/// When the file cannot be written.
pub fn write_json(path: &Path, value: &impl Serialize) -> Result<(), LoadError> {
    let text = serde_json::to_string_pretty(value).map_err(|e| LoadError::content(path, e.to_string()))?;
    std::fs::write(path, text + "\n").map_err(|e| LoadError::file(path, e))
}

/// Returns bytes as MiB with one decimal.
pub fn mebibytes(bytes: f64) -> String {
    format!("{:.1} MiB", bytes / 1_048_576.0)
}

/// A table with left-aligned first column and right-aligned others.
#[derive(Debug)]
pub struct Table {
    rows: Vec<Vec<String>>,
}

impl Table {
    /// Begins a table with its heading.
    pub fn new(heading: &[&str]) -> Self {
        Self { rows: vec![heading.iter().map(|&cell| cell.to_owned()).collect()] }
    }

    /// Adds a row.
    pub fn row(&mut self, cells: Vec<String>) {
        self.rows.push(cells);
    }

    /// Adds a row with the spread of figures in seconds.
    pub fn spread(&mut self, name: &str, spread: &Spread) {
        let figure = |f: f64| if spread.count == 0 { "-".to_owned() } else { format!("{f:.3}") };
        let figures = [spread.mean, spread.p50, spread.p95, spread.p99, spread.max].map(figure);
        let cells = [name.to_owned(), spread.count.to_string()].into_iter().chain(figures);
        self.row(cells.collect());
    }

    /// Begins a table for [`Table::spread`] rows.
    pub fn of_spreads() -> Self {
        Self::new(&["seconds", "count", "mean", "p50", "p95", "p99", "max"])
    }

    /// Returns the table as text.
    pub fn render(&self) -> String {
        let columns = self.rows.iter().map(Vec::len).max().unwrap_or(0);
        let width =
            |column: usize| self.rows.iter().filter_map(|r| r.get(column)).map(|c| c.chars().count()).max();
        let widths: Vec<usize> = (0..columns).map(|column| width(column).unwrap_or(0)).collect();
        let line = |row: &Vec<String>| {
            let cells = row.iter().zip(&widths).enumerate().map(|(column, (cell, &width))| match column {
                0 => format!("{cell:<width$}"),
                _ => format!("{cell:>width$}"),
            });
            cells.collect::<Vec<_>>().join("  ").trim_end().to_owned()
        };
        self.rows.iter().map(line).collect::<Vec<_>>().join("\n")
    }

    /// Prints the table after an empty line.
    pub fn print(&self) {
        println!("\n{}", self.render());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_line_up_and_empty_spreads_show_no_figures() {
        let mut table = Table::of_spreads();
        table.spread("final lag", &Spread::of(&[0.25, 12.5]));
        table.spread("none", &Spread::of(&[]));
        let lines: Vec<String> = table.render().lines().map(str::to_owned).collect();
        assert_eq!(lines[0], "seconds    count   mean    p50     p95     p99     max");
        assert_eq!(lines[1], "final lag      2  6.375  0.250  12.500  12.500  12.500");
        assert_eq!(lines[2], "none           0      -      -       -       -       -");
    }

    #[test]
    fn a_key_never_reaches_a_report() {
        let given = ["t", "live", "--key", "sv_secret", "--url", "x", "--key=sv_secret"].map(str::to_owned);
        let shown = shown_command(given.into_iter());
        assert_eq!(shown, ["t", "live", "--key", "…", "--url", "x", "--key=…"]);
    }
}
