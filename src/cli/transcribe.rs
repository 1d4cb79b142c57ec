//! `transcribe FILE…`: has files transcribed, and translated, by a server; or with `--live` captions one as it plays.

use super::batch_client::{BatchClient, BatchFailure};
use super::listen_client::{Listen, ListenFailure};
use super::progress_bar::ProgressBar;
use super::screen::{Screen, Style};
use super::{Failure, audio_file};
use clap::{Args, ValueEnum};
use sottovoce_protocol::jobs::{ArtifactKind, JobParams, JobType};
use sottovoce_protocol::live::ServerFrame;
use std::cell::Cell;
use std::collections::HashSet;
use std::io::Write;
use std::path::{Path, PathBuf};

/// What is written.
#[derive(Clone, Copy, PartialEq, Eq, Debug, ValueEnum)]
pub(super) enum Format {
    /// Plain text
    Text,
    /// SubRip subtitles
    Srt,
    /// WebVTT subtitles
    Vtt,
    /// Segments and words with times and confidence
    Json,
}

#[derive(Args, Debug)]
pub(super) struct TranscribeArgs {
    /// Audio or video: wav, flac, mp3, ogg, m4a, mp4, mkv, webm; with --translate also txt, srt, vtt
    #[arg(required = true)]
    files: Vec<PathBuf>,
    /// The server
    #[arg(long, visible_alias = "url", env = "SOTTOVOCE_SERVER", default_value = "http://127.0.0.1:7070")]
    server: String,
    /// API key (see `keys create`); better given as the variable, which other users of the machine cannot see
    #[arg(long, env = "SOTTOVOCE_KEY", hide_env_values = true)]
    key: String,
    /// What to write; one file's goes to standard output
    #[arg(long, value_enum, default_value = "text")]
    format: Format,
    /// Folder for what is written, each as NAME.FORMAT (with --translate NAME.LANGUAGE.FORMAT); needed for several files
    #[arg(long, value_name = "DIR")]
    output_dir: Option<PathBuf>,
    /// Translate into this language, e.g. pt
    #[arg(long, value_name = "LANGUAGE")]
    translate: Option<String>,
    /// Language of the speech or text [default: the server's]
    #[arg(long)]
    language: Option<String>,
    /// Model [default: the server's]
    #[arg(long)]
    model: Option<String>,
    /// Caption one file as it plays, as a live stream
    #[arg(long, conflicts_with_all = ["format", "output_dir", "translate", "language"])]
    live: bool,
    /// With --live: as fast as the server takes it, not as it plays
    #[arg(long, requires = "live")]
    fast: bool,
}

/// Runs the command.
pub(super) async fn transcribe(args: TranscribeArgs) -> Result<(), Failure> {
    if args.live {
        return live(&args).await;
    }
    check_outputs(&args)?;
    let client = BatchClient::new(&args.server, &args.key).map_err(Failure::of)?;
    let mut failed = 0;
    for file in &args.files {
        if let Err(failure) = one(&client, &args, file).await {
            eprintln!("sottovoce: {}: {failure}", file.display());
            failed += 1;
        }
    }
    match (failed, args.files.len()) {
        (0, _) => Ok(()),
        (failed, all) => Err(Failure::Failed(format!("{failed} of {all} files gave nothing"))),
    }
}

/// Refuses what would mix or overwrite outputs, before anything is uploaded.
fn check_outputs(args: &TranscribeArgs) -> Result<(), Failure> {
    let Some(folder) = &args.output_dir else {
        return match args.files.len() {
            1 => Ok(()),
            _ => Err(Failure::Usage("several files need --output-dir DIR to be written to".into())),
        };
    };
    let mut names = HashSet::new();
    for file in &args.files {
        if !names.insert(output_name(args, file)) {
            return Err(Failure::Usage(format!(
                "two files would both be written to {}; rename one, or use another --output-dir for it",
                output_name(args, file).display()
            )));
        }
    }
    std::fs::create_dir_all(folder).map_err(|error| Failure::of(format!("{}: {error}", folder.display())))
}

fn output_name(args: &TranscribeArgs, file: &Path) -> PathBuf {
    let extension = match args.format {
        Format::Text => "txt",
        Format::Srt => "srt",
        Format::Vtt => "vtt",
        Format::Json => "json",
    };
    let mut name = file.file_stem().unwrap_or_default().to_os_string();
    if let Some(language) = &args.translate {
        name.push(".");
        name.push(language);
    }
    name.push(".");
    name.push(extension);
    args.output_dir.as_deref().unwrap_or(Path::new("")).join(name)
}

/// Submits a file, follows its job and writes what it left. Ctrl-C takes the job back.
async fn one(client: &BatchClient<'_>, args: &TranscribeArgs, file: &Path) -> Result<(), BatchFailure> {
    let bar = ProgressBar::new(&file.file_name().unwrap_or_default().to_string_lossy());
    let submitted = Cell::new(None);
    let working = async {
        bar.uploading();
        let job = client.submit(file, &params(args)).await?;
        submitted.set(Some(job.id));
        let job = client.follow(job, |job| bar.show(job)).await?;
        let (kind, lang) = wanted(args);
        client.artifact(job.id, kind, lang).await
    };
    let done = tokio::select! {
        done = working => done,
        _ = tokio::signal::ctrl_c() => {
            bar.clear();
            if let Some(job) = submitted.get() {
                client.cancel(job).await;
            }
            return Err(BatchFailure::Failed("interrupted; the job was taken back".into()));
        }
    };
    bar.clear();
    write(args, file, &done?)?;
    Ok(())
}

fn params(args: &TranscribeArgs) -> JobParams {
    let job_type = if args.translate.is_some() { JobType::Translation } else { JobType::Transcription };
    JobParams {
        language: args.language.clone(),
        target_language: args.translate.clone(),
        model: args.model.clone(),
        ..JobParams::of(job_type)
    }
}

fn wanted(args: &TranscribeArgs) -> (ArtifactKind, Option<&str>) {
    let lang = args.translate.as_deref();
    match (args.format, lang) {
        (Format::Text, Some(_)) => (ArtifactKind::Translation, lang),
        (Format::Text, None) => (ArtifactKind::Transcript, None),
        (Format::Srt, _) => (ArtifactKind::Srt, lang),
        (Format::Vtt, _) => (ArtifactKind::Vtt, lang),
        // The document holds the translations beside the original.
        (Format::Json, _) => (ArtifactKind::Json, None),
    }
}

fn write(args: &TranscribeArgs, file: &Path, text: &str) -> std::io::Result<()> {
    let end = if text.ends_with('\n') { "" } else { "\n" };
    if args.output_dir.is_none() {
        let mut out = std::io::stdout().lock();
        return write!(out, "{text}{end}").and_then(|()| out.flush());
    }
    let name = output_name(args, file);
    std::fs::write(&name, format!("{text}{end}"))?;
    println!("{}", name.display());
    Ok(())
}

async fn live(args: &TranscribeArgs) -> Result<(), Failure> {
    let [file] = &args.files[..] else {
        return Err(Failure::Usage("--live captions one file at a time".into()));
    };
    let listen = Listen { url: &args.server, key: &args.key, model: args.model.as_deref(), fast: args.fast };
    let mut screen = Screen::new(Style::for_stdout(Style::SettledLines), std::io::stdout());
    caption(file, &listen, &mut screen).await.map_err(Failure::of)
}

/// Streams a file and shows its captions.
pub(super) async fn caption(
    file: &Path,
    listen: &Listen<'_>,
    screen: &mut Screen<impl Write>,
) -> Result<(), ListenFailure> {
    let audio = audio_file::pieces(file).map_err(ListenFailure::Audio)?;
    listen
        .run(audio, |frame| match frame {
            ServerFrame::Results { start, is_final, channel, .. } => {
                let alternative = channel.alternatives.first();
                let text = alternative.map_or("", |alternative| alternative.transcript.as_str());
                let start_s = alternative.and_then(|a| a.words.first()).map_or(start, |word| word.start);
                if is_final { screen.settle(start_s, text) } else { screen.grow(start_s, text) }
            }
            _ => Ok(()),
        })
        .await
}
