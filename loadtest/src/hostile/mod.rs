//! `hostile`: seeded bad input. Frames and handshakes against `/v1/listen` over raw TCP, and mutated media files as jobs:
//! each must be answered with a documented close code, HTTP status or error code, and the server must go on answering.
//!
//! Every case is made from the seed and its index alone, so `--seed S --case N` repeats one. The two functions
//! [`frames`] and [`media`] are all that an integration test needs.

mod cases;
mod frame;
mod handshakes;
mod media_cases;
mod messages;
mod raw;
mod seed;

pub use cases::{Case, Expect, Seen};
pub use seed::Seed;

use crate::audio::wav_file;
use crate::endpoint::{Endpoint, ServerArgs};
use crate::error::LoadError;
use crate::jobs::{Manner, run_jobs};
use crate::proc::{Machine, Watch};
use crate::report::{Envelope, ReportArgs, Table, mebibytes};
use crate::rest::{Upload, is_alive};
use bytes::Bytes;
use futures_util::StreamExt;
use serde::Serialize;
use sottovoce_protocol::error_code::ErrorCode;
use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

/// Arguments of `hostile`.
#[derive(clap::Args, Clone, Debug)]
pub struct HostileArgs {
    #[command(flatten)]
    server: ServerArgs,
    #[command(flatten)]
    report: ReportArgs,
    /// Makes the cases; default random, printed.
    #[arg(long)]
    seed: Option<u64>,
    /// Hostile handshakes and frames.
    #[arg(long, default_value_t = 1_000)]
    frames: usize,
    /// Mutated media files.
    #[arg(long, default_value_t = 200)]
    files: usize,
    /// Only this case of each kind of run (its number in a report).
    #[arg(long)]
    case: Option<usize>,
    /// Only handshakes and frames of this kind (a part of its name), e.g. "huge JSON".
    #[arg(long)]
    kind: Option<String>,
    /// Good recordings to mutate (small ones); a made-up WAV file is always among them.
    #[arg(long, value_delimiter = ',')]
    media: Vec<PathBuf>,
    /// Cases under way at once.
    #[arg(long, default_value_t = 8)]
    parallel: usize,
}

/// A case that did not end as documented.
#[derive(Clone, Debug, Serialize)]
pub struct Unexpected {
    /// Its number.
    pub case: usize,
    /// What it tried.
    pub kind: String,
    /// What happened.
    pub outcome: String,
}

/// What became of a set of cases.
#[derive(Clone, Debug, Default, Serialize)]
pub struct HostileReport {
    /// The seed.
    pub seed: u64,
    /// Cases run.
    pub cases: usize,
    /// Outcomes by kind of case.
    pub outcomes: BTreeMap<String, BTreeMap<String, usize>>,
    /// Cases that did not end as documented.
    pub unexpected: Vec<Unexpected>,
    /// Whether the server answered `/livez` afterwards.
    pub alive: bool,
}

impl HostileReport {
    fn new(seed: Seed) -> Self {
        Self { seed: seed.0, ..Self::default() }
    }

    fn count(&mut self, case: usize, kind: &str, outcome: String, expected: bool) {
        self.cases += 1;
        if !expected {
            let outcome = outcome.clone();
            self.unexpected.push(Unexpected { case, kind: kind.into(), outcome });
        }
        *self.outcomes.entry(kind.into()).or_default().entry(outcome).or_default() += 1;
    }

    /// Returns whether every case ended as documented and the server still answers.
    pub fn is_well(&self) -> bool {
        self.unexpected.is_empty() && self.alive
    }
}

/// Runs the hostile handshakes and frames with these numbers.
pub async fn frames(
    endpoint: &Endpoint,
    seed: Seed,
    cases: impl IntoIterator<Item = usize>,
    parallel: usize,
) -> HostileReport {
    let each = cases.into_iter().map(|index| async move {
        let case = cases::make(endpoint, seed, index);
        (index, raw::carry_out(endpoint, &case).await, case)
    });
    let mut report = HostileReport::new(seed);
    let mut running = std::pin::pin!(futures_util::stream::iter(each).buffer_unordered(parallel.max(1)));
    while let Some((index, seen, case)) = running.next().await {
        report.count(index, case.kind, seen.label(), case.expect.allows(&seen));
    }
    report.unexpected.sort_by_key(|unexpected| unexpected.case);
    report.alive = is_alive(endpoint).await;
    report
}

/// Submits the mutated files numbered `cases`, made from `bases`.
pub async fn media(
    endpoint: &Endpoint,
    seed: Seed,
    cases: std::ops::Range<usize>,
    bases: &[Bytes],
    parallel: usize,
) -> HostileReport {
    let first = cases.start;
    let made: Vec<_> = cases.map(|index| media_cases::make(seed, index, bases)).collect();
    let uploads: Vec<Upload> = made.iter().map(|(_, upload)| upload.clone()).collect();
    let manner = Manner { fetch: false, ..Manner::transcription(None, None, parallel) };
    let outcomes = run_jobs(endpoint, &uploads, &manner).await;
    let mut report = HostileReport::new(seed);
    for (index, ((kind, _), outcome)) in made.iter().zip(outcomes).enumerate() {
        let expected = is_documented(&outcome.outcome);
        report.count(first + index, kind, outcome.outcome, expected);
    }
    report.alive = is_alive(endpoint).await;
    report
}

/// What a file may be to blame for; any other code means that the server broke on it.
const FAULTS_OF_A_FILE: [ErrorCode; 7] = [
    ErrorCode::MediaUnsupported,
    ErrorCode::MediaCorrupt,
    ErrorCode::MediaTooLong,
    ErrorCode::NoAudio,
    ErrorCode::DurationMismatch,
    ErrorCode::BadRequest,
    ErrorCode::TooLarge,
];

fn is_documented(outcome: &str) -> bool {
    let code = match outcome.split(' ').collect::<Vec<_>>()[..] {
        ["done"] => return true,
        ["failed", code] => code,
        ["refused", "400" | "413" | "415" | "422", code] => code,
        _ => return false,
    };
    ErrorCode::parse(code).is_some_and(|code| FAULTS_OF_A_FILE.contains(&code))
}

/// Returns two seconds of a made-up sound as a WAV file: harmonics with a swell, so that it is neither silence nor noise.
pub fn made_up_wav() -> Bytes {
    let samples = (0..32_000_u32).map(|i| {
        let t = f64::from(i) / 16_000.0;
        let tone: f64 =
            (1..6).map(|h| (t * 140.0 * f64::from(h) * std::f64::consts::TAU).sin() / f64::from(h)).sum();
        (tone * (t * std::f64::consts::PI * 2.0).sin().abs() * 6_000.0) as i16
    });
    wav_file(&samples.collect::<Vec<_>>()).into()
}

#[derive(Debug, Serialize)]
struct HostileFigures {
    frames: HostileReport,
    media: HostileReport,
    /// Memory at rest afterwards less that before, in bytes.
    rss_growth_bytes: Option<i64>,
}

/// How long the server may take to give back what the cases took.
const REST: Duration = Duration::from_secs(5);

impl HostileArgs {
    /// Returns the numbers of the handshakes and frames to run.
    fn chosen(&self, endpoint: &Endpoint, seed: Seed) -> Vec<usize> {
        let wanted = |index: &usize| {
            self.kind
                .as_ref()
                .is_none_or(|kind| cases::make(endpoint, seed, *index).kind.contains(kind.as_str()))
        };
        match self.case {
            Some(case) => vec![case],
            // The rarest kind comes about once in 80 cases; a name that no kind has must not be sought for ever.
            None => (0..self.frames.saturating_mul(200)).filter(wanted).take(self.frames).collect(),
        }
    }

    /// Runs the cases and reports. Returns whether every one ended as documented and the server still answers.
    ///
    /// # Errors
    /// When a recording to mutate cannot be read.
    pub async fn run(self) -> Result<bool, LoadError> {
        let endpoint = Endpoint::new(&self.server.url, &self.server.key)?;
        let mut bases = vec![made_up_wav()];
        for path in &self.media {
            bases.push(Upload::load(path)?.bytes);
        }
        let seed = self.seed.map_or_else(Seed::random, Seed);
        println!("seed      {}", seed.0);
        let range = |count: usize| self.case.map_or(0..count, |case| case..case + 1);
        let machine = Machine::now();
        let watch = Watch::start(self.server.server_pid);
        let frames = frames(&endpoint, seed, self.chosen(&endpoint, seed), self.parallel).await;
        let media = media(&endpoint, seed, range(self.files), &bases, self.parallel).await;
        tokio::time::sleep(REST).await;
        let usage = watch.finish(None);
        let growth = usage.rss_start_bytes.zip(usage.rss_end_bytes);
        let rss_growth_bytes = growth.map(|(start, end)| end as i64 - start as i64);
        let well = frames.is_well() && media.is_well() && !usage.server_died;
        let report = Envelope::new(machine, usage, HostileFigures { frames, media, rss_growth_bytes });
        report.save(&self.report)?;
        report.print_head();
        print(&report.figures);
        Ok(well)
    }
}

fn print(figures: &HostileFigures) {
    if let Some(bytes) = figures.rss_growth_bytes {
        println!("memory    {} more afterwards than before", mebibytes(bytes as f64));
    }
    for (name, report) in [("frames and handshakes", &figures.frames), ("mutated files", &figures.media)] {
        let mut table = Table::new(&[name, "outcome", "count"]);
        for (kind, outcomes) in &report.outcomes {
            outcomes
                .iter()
                .for_each(|(outcome, n)| table.row(vec![kind.clone(), outcome.clone(), n.to_string()]));
        }
        table.print();
        println!(
            "{} cases, {} not as documented, server {} afterwards",
            report.cases,
            report.unexpected.len(),
            if report.alive { "answers" } else { "DOES NOT ANSWER" }
        );
        let shown = report.unexpected.iter().take(50);
        shown.for_each(|u| println!("UNEXPECTED case {} ({}): {}", u.case, u.kind, u.outcome));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_faults_of_a_file_are_right_answers_to_one() {
        assert!(is_documented("done") && is_documented("failed media_corrupt"));
        assert!(is_documented("refused 415 media_unsupported"));
        assert!(!is_documented("failed internal") && !is_documented("failed lease_expired"));
        assert!(!is_documented("failed surprise") && !is_documented("refused 500 internal"));
        assert!(!is_documented("lost: connection closed"));
    }
}
