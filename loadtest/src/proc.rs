//! What the machine and the server's process do during a run, read from `/proc` (Linux only; elsewhere all absent).

use serde::Serialize;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::task::JoinHandle;
use tokio::time::Instant;

/// `USER_HZ`: 100 on every Linux architecture that we build for (proc(5), `utime`).
const TICKS_PER_SECOND: f64 = 100.0;

/// CPU and memory of a process at a moment.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct ProcessSample {
    /// Seconds since the run began.
    pub at_s: f64,
    /// User and system time of all threads, in seconds.
    pub cpu_s: f64,
    /// Resident memory, in bytes.
    pub rss_bytes: u64,
}

/// Reads a process; `None` when it is gone.
pub fn sample(pid: u32, at: Duration) -> Option<ProcessSample> {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
    Some(ProcessSample { at_s: at.as_secs_f64(), cpu_s: cpu_seconds(&stat)?, rss_bytes: rss_bytes(&status)? })
}

/// The fields after the command name, which may hold anything, even `)`: utime is 14th, stime 15th of the line.
fn cpu_seconds(stat: &str) -> Option<f64> {
    let mut fields = stat.get(stat.rfind(')')? + 1..)?.split_whitespace().skip(11);
    let user: f64 = fields.next()?.parse().ok()?;
    let system: f64 = fields.next()?.parse().ok()?;
    Some((user + system) / TICKS_PER_SECOND)
}

fn rss_bytes(status: &str) -> Option<u64> {
    let line = status.lines().find(|line| line.starts_with("VmRSS:"))?;
    let kibibytes: u64 = line.split_whitespace().nth(1)?.parse().ok()?;
    Some(kibibytes * 1024)
}

/// Watches the server's process and the client's own during a run.
#[derive(Debug)]
pub struct Watch {
    pid: Option<u32>,
    began: Instant,
    own_before: Option<ProcessSample>,
    samples: Arc<Mutex<Vec<ProcessSample>>>,
    task: Option<JoinHandle<()>>,
}

impl Watch {
    /// Begins to watch; the server is sampled every second when `pid` is given.
    pub fn start(pid: Option<u32>) -> Self {
        let began = Instant::now();
        let samples = Arc::new(Mutex::new(Vec::new()));
        let task = pid.map(|pid| {
            let samples = Arc::clone(&samples);
            tokio::spawn(async move {
                let mut tick = tokio::time::interval(Duration::from_secs(1));
                loop {
                    tick.tick().await;
                    let Some(now) = sample(pid, began.elapsed()) else { break };
                    samples.lock().unwrap_or_else(PoisonError::into_inner).push(now);
                }
            })
        });
        if let Some(first) = pid.and_then(|pid| sample(pid, Duration::ZERO)) {
            samples.lock().unwrap_or_else(PoisonError::into_inner).push(first);
        }
        Self { pid, began, own_before: sample(std::process::id(), Duration::ZERO), samples, task }
    }

    /// Returns the time since the watch began.
    pub fn elapsed(&self) -> Duration {
        self.began.elapsed()
    }

    /// Ends the watch. `busy_until`: the moment whose memory counts as that of the end (default: now).
    pub fn finish(self, busy_until: Option<Instant>) -> Usage {
        if let Some(task) = &self.task {
            task.abort();
        }
        let wall = self.began.elapsed();
        let mut samples = std::mem::take(&mut *self.samples.lock().unwrap_or_else(PoisonError::into_inner));
        samples.extend(self.pid.and_then(|pid| sample(pid, wall)));
        let own = sample(std::process::id(), wall)
            .zip(self.own_before)
            .map(|(after, before)| after.cpu_s - before.cpu_s);
        let busy_s = busy_until.map(|until| until.saturating_duration_since(self.began).as_secs_f64());
        let died = self.pid.is_some_and(|pid| sample(pid, wall).is_none());
        Usage {
            wall_s: wall.as_secs_f64(),
            server_died: died,
            client_cpu_s: own,
            ..Usage::of(&samples, busy_s)
        }
    }
}

/// What a run cost.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Usage {
    /// Length of the run, in seconds.
    pub wall_s: f64,
    /// The server's CPU time, in seconds.
    pub server_cpu_s: Option<f64>,
    /// The server's memory at the start.
    pub rss_start_bytes: Option<u64>,
    /// At minute 2 (when the run was longer).
    pub rss_minute_2_bytes: Option<u64>,
    /// At the end: when the first stream had sent its last audio, otherwise when the run was over.
    pub rss_end_bytes: Option<u64>,
    /// The highest seen.
    pub rss_peak_bytes: Option<u64>,
    /// Whether the server's process was gone at the end.
    pub server_died: bool,
    /// The client's own CPU time, in seconds.
    pub client_cpu_s: Option<f64>,
}

/// Seconds after which a server is taken to have warmed up.
const MINUTE_2_S: f64 = 120.0;

impl Usage {
    fn of(samples: &[ProcessSample], busy_s: Option<f64>) -> Self {
        let (first, last) = (samples.first(), samples.last());
        let busy = samples.iter().rfind(|s| busy_s.is_none_or(|until| s.at_s <= until)).or(first);
        Self {
            server_cpu_s: first.zip(last).map(|(first, last)| last.cpu_s - first.cpu_s),
            rss_start_bytes: first.map(|s| s.rss_bytes),
            rss_minute_2_bytes: samples.iter().find(|s| s.at_s >= MINUTE_2_S).map(|s| s.rss_bytes),
            rss_end_bytes: busy.map(|s| s.rss_bytes),
            rss_peak_bytes: samples.iter().map(|s| s.rss_bytes).max(),
            ..Self::default()
        }
    }

    /// Returns the server's CPU seconds per second of audio.
    pub fn cpu_per_audio_s(&self, audio_s: f64) -> Option<f64> {
        self.server_cpu_s.filter(|_| audio_s > 0.0).map(|cpu| cpu / audio_s)
    }

    /// Returns the growth from the start to the peak, in bytes, per one of `count` streams or sockets.
    pub fn growth_per(&self, count: usize) -> Option<f64> {
        let (start, peak) = self.rss_start_bytes.zip(self.rss_peak_bytes)?;
        (count > 0).then(|| peak.saturating_sub(start) as f64 / count as f64)
    }

    /// Returns the growth from minute 2 to the end, in bytes; negative when memory was given back.
    pub fn growth_after_minute_2(&self) -> Option<i64> {
        let (then, end) = self.rss_minute_2_bytes.zip(self.rss_end_bytes)?;
        Some(end as i64 - then as i64)
    }
}

/// The machine a run was made on.
#[derive(Clone, Debug, Serialize)]
pub struct Machine {
    /// Cores that this process may use.
    pub cores: usize,
    /// CPU model.
    pub cpu: String,
    /// Load average over 1, 5 and 15 minutes, as the system writes it.
    pub load_average: String,
}

impl Machine {
    /// Reads the machine as it is now.
    pub fn now() -> Self {
        let read = |path| std::fs::read_to_string(path).unwrap_or_default();
        let cpuinfo = read("/proc/cpuinfo");
        let model = cpuinfo
            .lines()
            .find(|line| line.starts_with("model name"))
            .and_then(|line| line.split(':').nth(1));
        Self {
            cores: std::thread::available_parallelism().map_or(1, usize::from),
            cpu: model.map_or_else(|| "unknown".into(), |model| model.trim().into()),
            load_average: read("/proc/loadavg").split_whitespace().take(3).collect::<Vec<_>>().join(" "),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_are_found_behind_an_awkward_command_name() {
        let stat = "17 (a) b) S 1 17 17 0 -1 4194560 1 2 3 4 250 50 0 0 20 0 9 0 1 2 3";
        assert_eq!(cpu_seconds(stat), Some(3.0));
        assert_eq!(rss_bytes("Name:\tx\nVmRSS:\t   2048 kB\n"), Some(2_097_152));
    }

    #[test]
    fn usage_reads_start_minute_2_end_and_peak() {
        let at = |at_s, cpu_s, rss_bytes| ProcessSample { at_s, cpu_s, rss_bytes };
        let samples = [at(0.0, 1.0, 100), at(60.0, 5.0, 300), at(120.5, 9.0, 200), at(180.0, 13.0, 210)];
        let usage = Usage::of(&samples, Some(179.0));
        assert_eq!(usage.server_cpu_s, Some(12.0));
        assert_eq!(usage.cpu_per_audio_s(120.0), Some(0.1));
        assert_eq!((usage.rss_minute_2_bytes, usage.rss_peak_bytes), (Some(200), Some(300)));
        assert_eq!((usage.growth_after_minute_2(), usage.growth_per(2)), (Some(0), Some(100.0)));
    }

    #[tokio::test]
    async fn a_process_that_does_not_exist_has_no_figures() {
        let usage = Watch::start(Some(u32::MAX)).finish(None);
        assert!(usage.server_died && usage.server_cpu_s.is_none());
        assert!(sample(std::process::id(), Duration::ZERO).is_some_and(|s| s.rss_bytes > 0));
    }
}
