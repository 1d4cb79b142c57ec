//! `accuracy`: every recording of a manifest through the server, as batch jobs or live streams, and what was heard
//! written beside what was said. Scores to quote come from `scripts/`; the table here uses the compact normaliser.

use crate::audio::Clip;
use crate::endpoint::{Endpoint, ServerArgs};
use crate::error::LoadError;
use crate::hypotheses::{self, Hypothesis};
use crate::jobs::{self, Manner, run_jobs};
use crate::live::{self, Behaviour, End, Plan, Record, base_query, end_label, play};
use crate::manifest::{Entry, Manifest};
use crate::playlist::{Arrangement, Programme};
use crate::proc::{Machine, Watch};
use crate::report::{Envelope, ReportArgs, Table};
use crate::rest::Upload;
use crate::words::{WordErrors, normalised_words, text_errors};
use futures_util::StreamExt;
use serde::Serialize;
use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

/// How recordings reach the server.
#[derive(clap::ValueEnum, Clone, Copy, PartialEq, Eq, Debug)]
enum Mode {
    /// `POST /saas/jobs`.
    Batch,
    /// `/v1/listen`.
    Live,
}

/// How fast live audio is sent.
#[derive(clap::ValueEnum, Clone, Copy, PartialEq, Eq, Debug)]
enum Speed {
    /// As it was spoken.
    RealTime,
    /// As fast as the server reads.
    Fast,
}

/// Arguments of `accuracy`.
#[derive(clap::Args, Clone, Debug)]
pub struct AccuracyArgs {
    #[command(flatten)]
    server: ServerArgs,
    #[command(flatten)]
    report: ReportArgs,
    /// The recordings.
    #[arg(long)]
    manifest: PathBuf,
    /// How they reach the server.
    #[arg(long, value_enum)]
    mode: Mode,
    /// Only this language and non-speech.
    #[arg(long)]
    only: Option<String>,
    /// Only recordings with this tag.
    #[arg(long)]
    tag: Option<String>,
    /// Live: how fast.
    #[arg(long, value_enum, default_value_t = Speed::RealTime)]
    speed: Speed,
    /// Recordings under way at once.
    #[arg(long, default_value_t = 6)]
    parallel: usize,
    /// Live: ask for interim results (they cost CPU; finals should not depend on them).
    #[arg(long, default_value_t = true, action = clap::ArgAction::Set)]
    interim: bool,
    /// Live: query parameter NAME=VALUE (repeatable).
    #[arg(long = "param", value_parser = live::parse_param)]
    params: Vec<(String, String)>,
    /// Batch: model id.
    #[arg(long)]
    model: Option<String>,
    /// The hypotheses.
    #[arg(long, default_value = "hypotheses.tsv")]
    out: PathBuf,
}

/// One recording's outcome.
#[derive(Clone, Debug, Serialize)]
struct Heard {
    file: String,
    outcome: String,
    errors: WordErrors,
    #[serde(skip)]
    well: bool,
    #[serde(skip)]
    line: Hypothesis,
}

#[derive(Clone, Debug, Serialize)]
struct AccuracyFigures {
    /// Seconds of audio.
    audio_s: f64,
    cpu_per_audio_s: Option<f64>,
    /// Errors by group: language, then language and tag.
    groups: BTreeMap<String, WordErrors>,
    /// Words heard where nobody speaks.
    words_in_non_speech: usize,
    /// Recordings that did not end well.
    failed: usize,
    recordings: Vec<Heard>,
}

/// The language of recordings in which nobody speaks.
const NON_SPEECH: &str = "none";

impl AccuracyArgs {
    fn entries(&self, manifest: &Manifest) -> Vec<Entry> {
        let wanted = |entry: &&Entry| {
            let language =
                self.only.as_ref().is_none_or(|l| entry.language == *l || entry.language == NON_SPEECH);
            language && self.tag.as_ref().is_none_or(|tag| entry.tags.contains(tag))
        };
        manifest.entries.iter().filter(wanted).cloned().collect()
    }

    /// Runs the recordings and writes the hypotheses. Returns whether every one ended well.
    ///
    /// # Errors
    /// When a file cannot be used.
    pub async fn run(self) -> Result<bool, LoadError> {
        let endpoint = Endpoint::new(&self.server.url, &self.server.key)?;
        let manifest = Manifest::load(&self.manifest)?;
        let entries = self.entries(&manifest);
        if entries.is_empty() {
            return Err(LoadError::usage("no recording of the manifest is wanted"));
        }
        let machine = Machine::now();
        let watch = Watch::start(self.server.server_pid);
        let recordings = match self.mode {
            Mode::Batch => self.batch(&endpoint, &manifest, &entries).await?,
            Mode::Live => self.live(&endpoint, &manifest, &entries).await?,
        };
        let usage = watch.finish(None);
        let lines: Vec<Hypothesis> = recordings.iter().map(|heard| heard.line.clone()).collect();
        hypotheses::write(&self.out, &lines)?;
        let figures = summarise(recordings, &usage);
        let well = figures.failed == 0 && !usage.server_died;
        let report = Envelope::new(machine, usage, figures);
        report.save(&self.report)?;
        report.print_head();
        print(&report.figures);
        println!("\nhypotheses in {}", self.out.display());
        Ok(well)
    }

    async fn batch(
        &self,
        endpoint: &Endpoint,
        manifest: &Manifest,
        entries: &[Entry],
    ) -> Result<Vec<Heard>, LoadError> {
        let uploads: Vec<Upload> =
            entries.iter().map(|entry| Upload::load(&manifest.path_of(entry))).collect::<Result<_, _>>()?;
        let language = self.only.as_deref();
        let manner = Manner::transcription(language, self.model.as_deref(), self.parallel);
        let outcomes = run_jobs(endpoint, &uploads, &manner).await;
        let heard = entries.iter().zip(outcomes).map(|(entry, outcome)| {
            let line = jobs::hypothesis(&outcome, None);
            Heard::new(entry, outcome.outcome.clone(), outcome.is_done(), line)
        });
        Ok(heard.collect())
    }

    async fn live(
        &self,
        endpoint: &Endpoint,
        manifest: &Manifest,
        entries: &[Entry],
    ) -> Result<Vec<Heard>, LoadError> {
        let mut query = base_query(1);
        query.push(("interim_results".into(), self.interim.to_string()));
        query.extend(self.only.as_ref().map(|language| ("language".into(), language.clone())));
        query.extend(self.params.iter().cloned());
        let query = &query;
        let streams = entries.iter().map(|entry| async move {
            let clip = Arc::new(Clip::load(&manifest.path_of(entry))?);
            let once = Arrangement { fill_frames: None, stop_frames: None, gap_frames: 0, channels: 1 };
            let programme = Arc::new(Programme::new(&[clip], 0, once));
            let plan = Plan {
                programme: Arc::clone(&programme),
                query: query.clone(),
                start_after: Duration::ZERO,
                chunk_ms: 100,
                paced: self.speed == Speed::RealTime,
                behaviour: Behaviour::Good,
                close_limit: Duration::from_secs(600),
                keep_raw: false,
            };
            let record = play_patiently(endpoint, plan).await;
            let well = matches!(record.ended.end, End::Closed { code: 1000, .. });
            let line = live::hypothesis(&record, &programme, 0, None);
            Ok(Heard::new(entry, end_label(&record.ended.end), well, line))
        });
        let heard: Vec<Result<Heard, LoadError>> =
            futures_util::stream::iter(streams).buffered(self.parallel.max(1)).collect().await;
        heard.into_iter().collect()
    }
}

/// How often a full server is asked again.
const ATTEMPTS: usize = 60;

/// Plays a stream; a server that is full is asked again after its `Retry-After`.
async fn play_patiently(endpoint: &Endpoint, plan: Plan) -> Record {
    let mut attempt = 1;
    loop {
        let record = play(endpoint.clone(), plan.clone(), None).await;
        let End::Refused(refusal) = &record.ended.end else { return record };
        if !matches!(refusal.status, 429 | 503) || attempt == ATTEMPTS {
            return record;
        }
        attempt += 1;
        let seconds = refusal.retry_after.as_ref().and_then(|after| after.parse().ok()).unwrap_or(1);
        tokio::time::sleep(Duration::from_secs(seconds)).await;
    }
}

impl Heard {
    fn new(entry: &Entry, outcome: String, well: bool, line: Hypothesis) -> Self {
        let line = Hypothesis {
            file: entry.file.clone(),
            language: entry.language.clone(),
            tags: entry.tags.clone(),
            seconds: entry.seconds,
            reference: entry.text.clone(),
            ..line
        };
        let errors = text_errors(&line.reference, &line.hypothesis);
        Self { file: entry.file.clone(), outcome, errors, well, line }
    }
}

fn summarise(recordings: Vec<Heard>, usage: &crate::proc::Usage) -> AccuracyFigures {
    let audio_s = recordings.iter().map(|heard| heard.line.seconds).sum();
    let mut groups: BTreeMap<String, WordErrors> = BTreeMap::new();
    for heard in recordings.iter().filter(|heard| heard.line.language != NON_SPEECH) {
        let language = &heard.line.language;
        let tagged = heard.line.tags.iter().map(|tag| format!("{language} {tag}"));
        for group in std::iter::once(language.clone()).chain(tagged) {
            groups.entry(group).or_default().add(&heard.errors);
        }
    }
    let silent = recordings.iter().filter(|heard| heard.line.language == NON_SPEECH);
    AccuracyFigures {
        audio_s,
        cpu_per_audio_s: usage.cpu_per_audio_s(audio_s),
        groups,
        words_in_non_speech: silent.map(|heard| normalised_words(&heard.line.hypothesis).len()).sum(),
        failed: recordings.iter().filter(|heard| !heard.well).count(),
        recordings,
    }
}

fn print(figures: &AccuracyFigures) {
    println!("audio     {:.1} s in {} recordings", figures.audio_s, figures.recordings.len());
    if let Some(cpu) = figures.cpu_per_audio_s {
        println!("cost      {cpu:.4} server CPU seconds per audio second");
    }
    println!("silence   {} words heard where nobody speaks", figures.words_in_non_speech);
    for heard in figures.recordings.iter().filter(|heard| !heard.well) {
        println!("FAILED    {}: {}", heard.file, heard.outcome);
    }
    let mut table =
        Table::new(&["group (compact normaliser)", "words", "WER %", "changed", "lost", "made up"]);
    for (group, e) in &figures.groups {
        let wer = e.rate().map_or_else(|| "-".into(), |rate| format!("{:.2}", rate * 100.0));
        let counts = [e.substituted, e.deleted, e.inserted].map(|n| n.to_string());
        table.row([group.clone(), e.reference.to_string(), wer].into_iter().chain(counts).collect());
    }
    table.print();
}
