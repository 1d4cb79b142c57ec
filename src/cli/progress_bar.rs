//! How far a job is, on a terminal: one line on standard error that is rewritten. Elsewhere nothing.

use sottovoce_protocol::jobs::{JobStatus, JobView};
use std::io::{self, IsTerminal, Write};

const CLEAR_LINE: &str = "\r\x1b[2K";
const CELLS: u64 = 24;

/// The line of one file.
pub(super) struct ProgressBar {
    name: String,
    is_shown: bool,
}

impl ProgressBar {
    /// Starts with nothing shown.
    pub(super) fn new(name: &str) -> Self {
        Self { name: name.to_owned(), is_shown: io::stderr().is_terminal() }
    }

    /// Says that the file is on its way.
    pub(super) fn uploading(&self) {
        self.write(&format!("{}  uploading …", self.name));
    }

    /// Shows where the job stands.
    pub(super) fn show(&self, job: &JobView) {
        self.write(&line(&self.name, job));
    }

    /// Takes the line away.
    pub(super) fn clear(&self) {
        self.write("");
    }

    fn write(&self, line: &str) {
        if self.is_shown {
            let mut out = io::stderr().lock();
            // A terminal that is gone has no use for a bar.
            let _ = write!(out, "{CLEAR_LINE}{line}").and_then(|()| out.flush());
        }
    }
}

fn line(name: &str, job: &JobView) -> String {
    if job.status == JobStatus::Queued {
        return format!("{name}  waiting in the queue …");
    }
    let percent = u64::from(job.progress.min(100));
    let bar: String = (0..CELLS).map(|cell| if cell * 100 < percent * CELLS { '█' } else { '░' }).collect();
    let left = job.estimated_seconds_left.map(|seconds| format!("  about {} left", duration(seconds)));
    format!("{name}  {bar} {percent:3} %{}", left.unwrap_or_default())
}

fn duration(seconds: u64) -> String {
    match seconds {
        0..90 => format!("{seconds} s"),
        90..5_400 => format!("{} min", (seconds + 30) / 60),
        _ => format!("{} h {:02} min", seconds / 3600, seconds % 3600 / 60),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn job(status: &str, progress: u8, left: Option<u64>) -> JobView {
        serde_json::from_value(serde_json::json!({
            "id": "01920000-0000-7000-8000-000000000000", "type": "transcription", "status": status,
            "progress": progress, "estimated_seconds_left": left, "created_at": "", "artifacts": [],
        }))
        .expect("a job")
    }

    #[test]
    fn the_bar_grows_with_the_job() {
        assert_eq!(line("a.mp3", &job("queued", 0, None)), "a.mp3  waiting in the queue …");
        assert_eq!(line("a.mp3", &job("processing", 0, None)), format!("a.mp3  {}   0 %", "░".repeat(24)));
        let half = format!("a.mp3  {}{}  50 %  about 3 min left", "█".repeat(12), "░".repeat(12));
        assert_eq!(line("a.mp3", &job("processing", 50, Some(170))), half);
        assert_eq!(line("a.mp3", &job("done", 100, None)), format!("a.mp3  {} 100 %", "█".repeat(24)));
    }

    #[test]
    fn durations_are_as_people_say_them() {
        assert_eq!([5, 90, 5_399, 5_400].map(duration), ["5 s", "2 min", "90 min", "1 h 30 min"]);
    }
}
