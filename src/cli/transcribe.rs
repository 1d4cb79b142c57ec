//! `transcribe FILE`: captions a file of one's own through a running server, as it plays.

use super::listen_client::{Listen, ListenFailure};
use super::screen::{Screen, Style};
use super::{Failure, audio_file};
use clap::Args;
use sottovoce_protocol::live::ServerFrame;
use std::io::Write;
use std::path::{Path, PathBuf};

#[derive(Args, Debug)]
pub(super) struct TranscribeArgs {
    /// Audio or video: wav, flac, mp3, ogg, m4a, mp4, mkv, webm
    file: PathBuf,
    /// The server
    #[arg(long, default_value = "http://127.0.0.1:7070")]
    url: String,
    /// API key (see `keys create`); better given as the variable, which other users of the machine cannot see
    #[arg(long, env = "SOTTOVOCE_KEY", hide_env_values = true)]
    key: String,
    /// Model [default: the server's]
    #[arg(long)]
    model: Option<String>,
    /// As fast as the server takes it, not as it plays
    #[arg(long)]
    fast: bool,
}

/// Runs the command.
pub(super) async fn transcribe(args: TranscribeArgs) -> Result<(), Failure> {
    let listen = Listen { url: &args.url, key: &args.key, model: args.model.as_deref(), fast: args.fast };
    let mut screen = Screen::new(Style::for_stdout(Style::SettledLines), std::io::stdout());
    caption(&args.file, &listen, &mut screen).await.map_err(Failure::of)
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
