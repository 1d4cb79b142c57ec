//! `jobs`: N files as batch jobs with bounded concurrency, followed to their end.

use crate::endpoint::{Endpoint, ServerArgs};
use crate::error::LoadError;
use crate::hostile::Seed;
use crate::hypotheses::{self, HeardWord, Hypothesis};
use crate::manifest::References;
use crate::proc::{Machine, Watch};
use crate::report::{Envelope, ReportArgs, Table};
use crate::rest::{self, Follow, Submitted, Upload};
use crate::stats::Spread;
use crate::words::{WordErrors, text_errors};
use futures_util::StreamExt;
use serde::Serialize;
use sottovoce_protocol::jobs::{ArtifactKind, JobStatus};
use sottovoce_protocol::transcript::Transcript;
use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;
use tokio::time::Instant;

/// Arguments of `jobs`.
#[derive(clap::Args, Clone, Debug)]
pub struct JobsArgs {
    #[command(flatten)]
    server: ServerArgs,
    #[command(flatten)]
    report: ReportArgs,
    /// Files to submit, one after another and round again.
    #[arg(long, value_delimiter = ',', required = true)]
    files: Vec<PathBuf>,
    /// Jobs in all; default one a file.
    #[arg(long)]
    count: Option<usize>,
    /// Jobs under way at once, from upload to end.
    #[arg(long, default_value_t = 4)]
    concurrency: usize,
    /// Language of the speech.
    #[arg(long, default_value = "en")]
    language: String,
    /// Model id; default the server's.
    #[arg(long)]
    model: Option<String>,
    /// Time between two looks at a job.
    #[arg(long, default_value_t = 250)]
    poll_ms: u64,
    /// Give up on a job after this long.
    #[arg(long, default_value_t = 3600)]
    timeout_s: u64,
    /// Begins each Idempotency-Key; the same value again asks for the same jobs. Default: new for every run.
    #[arg(long)]
    run_id: Option<String>,
    /// What is said: a text file for the one recording, or a manifest.jsonl.
    #[arg(long)]
    reference: Option<PathBuf>,
    /// Write each job's transcript document and hypotheses.tsv to this folder.
    #[arg(long)]
    transcripts_out: Option<PathBuf>,
}

/// How jobs are submitted and followed.
#[derive(Clone, Debug)]
pub struct Manner {
    /// The `params` part.
    pub params: String,
    /// Begins each `Idempotency-Key`.
    pub run_id: String,
    /// Looks.
    pub follow: Follow,
    /// Jobs under way at once.
    pub concurrency: usize,
    /// Fetch the transcript document of each that is done.
    pub fetch: bool,
}

impl Manner {
    /// Returns the manner for transcriptions with the server's default model.
    pub fn transcription(language: Option<&str>, model: Option<&str>, concurrency: usize) -> Self {
        let mut params = serde_json::json!({"type": "transcription"});
        if let Some(language) = language {
            params["language"] = language.into();
        }
        if let Some(model) = model {
            params["model"] = model.into();
        }
        Self {
            params: params.to_string(),
            run_id: new_run_id(),
            follow: Follow { every: Duration::from_millis(250), limit: Duration::from_secs(3_600) },
            concurrency,
            fetch: true,
        }
    }
}

/// Returns a name for this run that no other run has.
pub fn new_run_id() -> String {
    format!("run-{:016x}", Seed::random().0)
}

/// What became of one file. Times in seconds.
#[derive(Clone, Debug, Serialize)]
pub struct JobOutcome {
    /// Its file.
    pub file: PathBuf,
    /// Its job, when accepted.
    pub job: Option<String>,
    /// `done`, `failed CODE`, `refused STATUS CODE` or `lost: WHY`.
    pub outcome: String,
    /// Length of its audio as the server says.
    pub audio_s: f64,
    /// The upload until its answer.
    pub upload_s: f64,
    /// From the answer until first seen off the queue.
    pub queued_s: Option<f64>,
    /// From the beginning of the upload until its end was seen.
    pub total_s: f64,
    /// Looks that found no server.
    pub failed_looks: usize,
    /// Its transcript document.
    #[serde(skip)]
    pub transcript: Option<Transcript>,
}

impl JobOutcome {
    /// Returns whether the job ended well.
    pub fn is_done(&self) -> bool {
        self.outcome == "done"
    }
}

/// Submits every upload and follows each to its end; the outcomes are in the order of the uploads.
pub async fn run_jobs(endpoint: &Endpoint, uploads: &[Upload], manner: &Manner) -> Vec<JobOutcome> {
    let each = uploads.iter().enumerate().map(|(index, upload)| one_job(endpoint, upload, index, manner));
    futures_util::stream::iter(each).buffered(manner.concurrency.max(1)).collect().await
}

async fn one_job(endpoint: &Endpoint, upload: &Upload, index: usize, manner: &Manner) -> JobOutcome {
    let began = Instant::now();
    let mut outcome = JobOutcome {
        file: upload.path.clone(),
        job: None,
        outcome: String::new(),
        audio_s: 0.0,
        upload_s: 0.0,
        queued_s: None,
        total_s: 0.0,
        failed_looks: 0,
        transcript: None,
    };
    outcome.outcome = match follow_one(endpoint, upload, index, manner, &mut outcome).await {
        Ok(label) => label,
        Err(error) => format!("lost: {error}"),
    };
    outcome.total_s = began.elapsed().as_secs_f64();
    outcome
}

async fn follow_one(
    endpoint: &Endpoint,
    upload: &Upload,
    index: usize,
    manner: &Manner,
    outcome: &mut JobOutcome,
) -> Result<String, LoadError> {
    let began = Instant::now();
    let key = format!("{}-{index}", manner.run_id);
    let submitted = rest::submit(endpoint, upload, &manner.params, &key).await?;
    outcome.upload_s = began.elapsed().as_secs_f64();
    let job = match submitted {
        Submitted::Accepted(job) => job,
        Submitted::Refused { status, code, .. } => return Ok(format!("refused {status} {code}")),
    };
    let id = job.id.to_string();
    outcome.job = Some(id.clone());
    let followed = rest::follow(endpoint, &id, manner.follow).await?;
    outcome.queued_s = followed.left_queue.map(|queued| queued.as_secs_f64());
    outcome.failed_looks = followed.failed_looks;
    outcome.audio_s = followed.job.duration_seconds.unwrap_or(0.0);
    if followed.job.status == JobStatus::Failed {
        let code = followed.job.error_code.map_or("without a code", |code| code.as_str());
        return Ok(format!("failed {code}"));
    }
    if manner.fetch {
        let bytes = rest::artifact(endpoint, &id, ArtifactKind::Json).await?;
        let parse = |e: serde_json::Error| LoadError::Answer(format!("json artifact of {id}: {e}"));
        outcome.transcript = Some(serde_json::from_slice(&bytes).map_err(parse)?);
    }
    Ok("done".into())
}

/// Returns what the server heard in a file beside what was said.
pub fn hypothesis(outcome: &JobOutcome, references: Option<&References>) -> Hypothesis {
    let name = outcome.file.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
    let segments = outcome.transcript.as_ref().map(|t| t.segments.as_slice()).unwrap_or_default();
    let words = segments.iter().flat_map(|segment| &segment.words);
    Hypothesis {
        file: name,
        seconds: outcome.audio_s,
        reference: references.and_then(|r| r.of(&outcome.file)).unwrap_or_default().to_owned(),
        hypothesis: outcome.transcript.as_ref().map(|t| t.text.clone()).unwrap_or_default(),
        words: words.map(|w| HeardWord(w.word.clone(), w.start, w.end, f64::from(w.confidence))).collect(),
        cuts: segments.windows(2).map(|pair| (pair[0].end + pair[1].start) / 2.0).collect(),
        ..Hypothesis::default()
    }
}

/// The figures of a run.
#[derive(Clone, Debug, Serialize)]
pub struct JobsFigures {
    /// Jobs asked for.
    pub asked: usize,
    /// Outcomes counted.
    pub outcomes: BTreeMap<String, usize>,
    /// Seconds of audio in jobs that are done.
    pub audio_s: f64,
    /// Seconds of audio per second of wall time.
    pub times_real_time: f64,
    /// Server CPU seconds per audio second.
    pub cpu_per_audio_s: Option<f64>,
    /// Uploads, in seconds.
    pub upload: Spread,
    /// Waiting in the queue, in seconds (looked at every `--poll-ms`).
    pub queued: Spread,
    /// Upload to end, in seconds.
    pub total: Spread,
    /// Errors against references.
    pub word_errors: Option<WordErrors>,
    /// Word error rate by the compact normaliser.
    pub wer: Option<f64>,
    /// Each job.
    pub jobs: Vec<JobOutcome>,
}

fn summarise(jobs: Vec<JobOutcome>, lines: &[Hypothesis], wall_s: f64, cpu_s: Option<f64>) -> JobsFigures {
    let mut outcomes = BTreeMap::new();
    jobs.iter().for_each(|job| *outcomes.entry(job.outcome.clone()).or_default() += 1);
    let done = || jobs.iter().filter(|job| job.is_done());
    let audio_s: f64 = done().map(|job| job.audio_s).sum();
    let spread = |of: fn(&JobOutcome) -> Option<f64>| Spread::of(&done().filter_map(of).collect::<Vec<_>>());
    let word_errors = lines
        .iter()
        .zip(&jobs)
        .filter(|(line, job)| job.is_done() && !line.reference.is_empty())
        .map(|(line, _)| text_errors(&line.reference, &line.hypothesis))
        .reduce(|mut sum, errors| {
            sum.add(&errors);
            sum
        });
    JobsFigures {
        asked: jobs.len(),
        outcomes,
        audio_s,
        times_real_time: audio_s / wall_s,
        cpu_per_audio_s: cpu_s.filter(|_| audio_s > 0.0).map(|cpu| cpu / audio_s),
        upload: spread(|job| Some(job.upload_s)),
        queued: spread(|job| job.queued_s),
        total: spread(|job| Some(job.total_s)),
        wer: word_errors.and_then(|errors| errors.rate()),
        word_errors,
        jobs,
    }
}

impl JobsArgs {
    fn manner(&self) -> Manner {
        let base = Manner::transcription(Some(&self.language), self.model.as_deref(), self.concurrency);
        Manner {
            run_id: self.run_id.clone().unwrap_or(base.run_id),
            follow: Follow {
                every: Duration::from_millis(self.poll_ms),
                limit: Duration::from_secs(self.timeout_s),
            },
            fetch: self.transcripts_out.is_some() || self.reference.is_some(),
            ..base
        }
    }

    /// Runs the jobs and reports. Returns whether every job was done.
    ///
    /// # Errors
    /// When a file cannot be used; failed jobs are results.
    pub async fn run(self) -> Result<bool, LoadError> {
        let endpoint = Endpoint::new(&self.server.url, &self.server.key)?;
        let references = self.reference.as_deref().map(References::load).transpose()?;
        let files = self.files.iter().map(|path| Upload::load(path)).collect::<Result<Vec<_>, _>>()?;
        let count = self.count.unwrap_or(files.len());
        let uploads: Vec<Upload> = files.iter().cycle().take(count).cloned().collect();
        let machine = Machine::now();
        let watch = Watch::start(self.server.server_pid);
        let jobs = run_jobs(&endpoint, &uploads, &self.manner()).await;
        let usage = watch.finish(None);
        let lines: Vec<Hypothesis> = jobs.iter().map(|job| hypothesis(job, references.as_ref())).collect();
        if let Some(folder) = &self.transcripts_out {
            write_transcripts(folder, &jobs, &lines)?;
        }
        let figures = summarise(jobs, &lines, usage.wall_s, usage.server_cpu_s);
        let all_done = figures.jobs.iter().all(JobOutcome::is_done) && !usage.server_died;
        let report = Envelope::new(machine, usage, figures);
        report.save(&self.report)?;
        report.print_head();
        print(&report.figures);
        Ok(all_done)
    }
}

fn write_transcripts(
    folder: &std::path::Path,
    jobs: &[JobOutcome],
    lines: &[Hypothesis],
) -> Result<(), LoadError> {
    std::fs::create_dir_all(folder).map_err(|e| LoadError::file(folder, e))?;
    for (index, transcript) in
        jobs.iter().enumerate().filter_map(|(i, job)| Some((i, job.transcript.as_ref()?)))
    {
        crate::report::write_json(&folder.join(format!("job-{index:03}.json")), transcript)?;
    }
    hypotheses::write(&folder.join("hypotheses.tsv"), lines)
}

fn print(figures: &JobsFigures) {
    println!("jobs      {} asked; {:.1} s of audio done", figures.asked, figures.audio_s);
    figures.outcomes.iter().for_each(|(label, count)| println!("outcome   {count} × {label}"));
    println!("speed     {:.2} × real time", figures.times_real_time);
    if let Some(cpu) = figures.cpu_per_audio_s {
        println!("cost      {cpu:.4} server CPU seconds per audio second");
    }
    if let (Some(e), Some(wer)) = (figures.word_errors, figures.wer) {
        println!("words     WER {:.2} % (compact normaliser) of {} words", wer * 100.0, e.reference);
    }
    let mut table = Table::of_spreads();
    table.spread("upload", &figures.upload);
    table.spread("in the queue", &figures.queued);
    table.spread("upload to end", &figures.total);
    table.print();
}
