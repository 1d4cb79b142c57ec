//! `live`: N streams against `/v1/listen`, well behaved or not, and what they show.

mod figures;
mod output;
mod stream;

pub use figures::{LiveFigures, StreamFigures, end_label, measure, summarise};
pub use output::hypothesis;
pub use stream::{Behaviour, End, Ended, Plan, Record, play};

use crate::audio::{Clip, SAMPLE_RATE_HZ};
use crate::endpoint::{Endpoint, ServerArgs};
use crate::error::LoadError;
use crate::manifest::References;
use crate::playlist::{Arrangement, Programme};
use crate::proc::{Machine, Watch};
use crate::report::{Envelope, ReportArgs};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

/// Arguments of `live`.
#[derive(clap::Args, Clone, Debug)]
pub struct LiveArgs {
    #[command(flatten)]
    server: ServerArgs,
    #[command(flatten)]
    report: ReportArgs,
    /// Simultaneous streams.
    #[arg(long, default_value_t = 1)]
    streams: usize,
    /// Recordings; stream I begins with recording I.
    #[arg(long, value_delimiter = ',', required = true)]
    audio: Vec<PathBuf>,
    /// Stop after this many seconds of audio; with --loop the recording being played is finished.
    #[arg(long)]
    seconds: Option<f64>,
    /// Play recordings one after another until --seconds are filled.
    #[arg(long = "loop", requires = "seconds")]
    looped: bool,
    /// Silence between looped recordings.
    #[arg(long, default_value_t = 500)]
    gap_ms: u64,
    /// Time between the starts of two streams.
    #[arg(long, default_value_t = 50)]
    ramp_ms: u64,
    /// Audio per binary frame.
    #[arg(long, default_value_t = 50, value_parser = clap::value_parser!(u64).range(20..=250))]
    chunk_ms: u64,
    /// Ask for interim results.
    #[arg(long, default_value_t = true, action = clap::ArgAction::Set)]
    interim: bool,
    /// Channels; each plays its own recordings, with `multichannel=true` when more than one.
    #[arg(long, default_value_t = 1)]
    channels: u16,
    /// Query parameter NAME=VALUE (repeatable).
    #[arg(long = "param", value_parser = parse_param)]
    params: Vec<(String, String)>,
    /// What is said: a text file for the one recording, or a manifest.jsonl.
    #[arg(long)]
    reference: Option<PathBuf>,
    /// Write each stream's text, events and hypotheses.tsv to this folder.
    #[arg(long)]
    transcripts_out: Option<PathBuf>,
    /// Misbehave: stop reading the socket after this many seconds, but go on sending.
    #[arg(long, group = "misbehaviour")]
    stall_reader_after: Option<f64>,
    /// With --stall-reader-after: send only KeepAlive from then on.
    #[arg(long, requires = "stall_reader_after")]
    stall_idle: bool,
    /// Misbehave: send nothing after the audio and wait for the server to close.
    #[arg(long, group = "misbehaviour")]
    no_close: bool,
    /// Misbehave: drop the connection after this many seconds.
    #[arg(long, group = "misbehaviour")]
    abort_after: Option<f64>,
    /// How many of the streams misbehave (the first ones); default all.
    #[arg(long)]
    bad_streams: Option<usize>,
    /// How long to wait for the server's close after the audio.
    #[arg(long, default_value_t = 60)]
    close_timeout_s: u64,
}

/// Reads NAME=VALUE.
///
/// # Errors
/// When there is no `=`.
pub fn parse_param(text: &str) -> Result<(String, String), String> {
    let (name, value) = text.split_once('=').ok_or("expected NAME=VALUE")?;
    Ok((name.to_owned(), value.to_owned()))
}

impl LiveArgs {
    fn behaviour(&self, stream: usize) -> Behaviour {
        let seconds = Duration::from_secs_f64;
        if stream >= self.bad_streams.unwrap_or(self.streams) {
            Behaviour::Good
        } else if let Some(after) = self.stall_reader_after {
            Behaviour::StallReader { after: seconds(after), idle: self.stall_idle }
        } else if let Some(after) = self.abort_after {
            Behaviour::Abort { after: seconds(after) }
        } else if self.no_close {
            Behaviour::NoClose
        } else {
            Behaviour::Good
        }
    }

    fn query(&self) -> Vec<(String, String)> {
        let mut query = base_query(self.channels);
        query.push(("interim_results".into(), self.interim.to_string()));
        query.retain(|(name, _)| self.params.iter().all(|(given, _)| given != name));
        query.extend(self.params.iter().cloned());
        query
    }

    fn arrangement(&self) -> Result<Arrangement, LoadError> {
        if self.seconds.is_some_and(|s| !(s > 0.0 && s < 1e7)) || self.channels == 0 || self.streams == 0 {
            return Err(LoadError::usage("--seconds, --channels and --streams must be positive"));
        }
        let frames = self.seconds.map(|s| (s * f64::from(SAMPLE_RATE_HZ)) as u64);
        Ok(Arrangement {
            fill_frames: frames.filter(|_| self.looped),
            stop_frames: frames.filter(|_| !self.looped),
            gap_frames: self.gap_ms * u64::from(SAMPLE_RATE_HZ) / 1_000,
            channels: self.channels,
        })
    }

    /// Runs the streams and reports. Returns whether every accepted, well-behaved stream kept the protocol's promises.
    ///
    /// # Errors
    /// When a file cannot be used; refusals and broken streams are results, not errors.
    pub async fn run(self) -> Result<bool, LoadError> {
        let endpoint = Endpoint::new(&self.server.url, &self.server.key)?;
        let references = self.reference.as_deref().map(References::load).transpose()?;
        let clips =
            self.audio.iter().map(|path| Clip::load(path).map(Arc::new)).collect::<Result<Vec<_>, _>>()?;
        if clips.iter().any(|clip| clip.samples.is_empty()) {
            return Err(LoadError::usage("a recording is empty"));
        }
        let arrangement = self.arrangement()?;
        let programmes: Vec<_> =
            (0..self.streams).map(|stream| Arc::new(Programme::new(&clips, stream, arrangement))).collect();
        let machine = Machine::now();
        let watch = Watch::start(self.server.server_pid);
        let tasks = programmes.iter().enumerate().map(|(stream, programme)| {
            let plan = Plan {
                programme: Arc::clone(programme),
                query: self.query(),
                start_after: Duration::from_millis(self.ramp_ms * stream as u64),
                chunk_ms: self.chunk_ms,
                paced: true,
                behaviour: self.behaviour(stream),
                close_limit: Duration::from_secs(self.close_timeout_s),
                keep_raw: self.transcripts_out.is_some(),
            };
            tokio::spawn(play(endpoint.clone(), plan, None))
        });
        let mut records = Vec::with_capacity(programmes.len());
        for task in tasks.collect::<Vec<_>>() {
            records.push(task.await.map_err(|e| LoadError::Answer(format!("a stream's task broke: {e}")))?);
        }
        let usage = watch.finish(records.iter().filter_map(Record::audio_over).min());
        let streams: Vec<StreamFigures> = records
            .iter()
            .zip(&programmes)
            .enumerate()
            .map(|(index, (record, programme))| measure(index, record, programme, references.as_ref()))
            .collect();
        let figures = summarise(streams, &records, &usage);
        if let Some(folder) = &self.transcripts_out {
            output::write_transcripts(folder, &records, &programmes, references.as_ref())?;
        }
        let kept = figures.promises_kept() && !usage.server_died;
        let report = Envelope::new(machine, usage, figures);
        report.save(&self.report)?;
        report.print_head();
        output::print(&report.figures);
        Ok(kept)
    }
}

/// Returns the query that describes the audio of this client.
pub fn base_query(channels: u16) -> Vec<(String, String)> {
    let mut query = vec![
        ("model".to_owned(), "nova-3".to_owned()),
        ("encoding".to_owned(), "linear16".to_owned()),
        ("sample_rate".to_owned(), SAMPLE_RATE_HZ.to_string()),
        ("channels".to_owned(), channels.to_string()),
    ];
    if channels > 1 {
        query.push(("multichannel".to_owned(), "true".to_owned()));
    }
    query
}
