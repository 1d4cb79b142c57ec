//! `demo`, what `make run` shows: the server starts in this process, captions a sample through its own WebSocket as it
//! plays, transcribes the same file as a batch job, and goes on serving.
//!
//! Its credential is a key that lives in memory only: stored hashed, ended when the showing ends.

use super::batch_client::{BatchClient, BatchFailure};
use super::keys::{KeyWish, MadeKey, make_key};
use super::listen_client::Listen;
use super::screen::{Screen, Style};
use super::transcribe::caption;
use super::{Failure, FirstKey, first_key};
use crate::config::Config;
use crate::models::{Catalogue, FileState, ModelsFolder};
use crate::storage::{self, OpenedIndex};
use crate::system::{SystemClock, SystemIds};
use sottovoce_actors::ports::clock::Clock;
use sottovoce_actors::ports::store::StoreError;
use sottovoce_protocol::jobs::{ArtifactKind, JobParams, JobType};
use std::cell::Cell;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;
use tokio::sync::oneshot;

const SAMPLE: &str = "sample-speech";
/// The sample is short.
const BATCH_WITHIN: Duration = Duration::from_secs(120);
const DEMO_ACCOUNT: &str = "demo@localhost";
/// If the process dies before it can end the key, the key ends by itself.
const DEMO_KEY_LIFE_MS: i64 = 15 * 60 * 1000;

/// Serves, shows, and goes on serving until a signal.
pub(super) async fn demo(mut config: Config) -> Result<(), Failure> {
    if config.telemetry.log == "info" {
        // The captions are what is to be seen.
        config.telemetry.log = "warn".into();
    }
    let sample = sample(&config)?;
    let index = storage::connect(&config.storage).await.map_err(Failure::of)?;
    let first = first_key(&*index.identity(), &SystemIds, &SystemClock).await.map_err(Failure::of)?;

    let (told, base) = (Cell::new(false), config.http.base_url(&config.http.bind));
    let (tell_ready, ready) = oneshot::channel();
    let serving = crate::app::serve(config, move |address| {
        let _ = tell_ready.send(address);
    });
    let showing = async {
        // No address: the server did not start, and says why itself.
        if let Ok(address) = ready.await {
            let url = reachable(address);
            if let Err(failure) = show(&sample, &url, &index).await {
                failure.print();
            }
            println!();
            tell_where(&url, first.as_ref());
            told.set(true);
        }
        std::future::pending::<()>().await;
    };
    let ended = tokio::select! {
        ended = serving => ended,
        () = showing => Ok(()),
    };
    index.close().await;
    if let Some(first) = first.as_ref().filter(|_| !told.get()) {
        // Nobody would ever see it otherwise.
        first.show(&base);
    }
    ended.map_err(|error| Failure::of_serving(&error))
}

/// Returns the sample's path, whole.
fn sample(config: &Config) -> Result<PathBuf, Failure> {
    let folder = ModelsFolder::new(&config.models.dir);
    let entry = Catalogue::compiled_in().entry(SAMPLE);
    let found = entry.and_then(|entry| entry.files.first().map(|file| (entry, file)));
    match found {
        Some((entry, file)) if folder.state(entry, file).map_err(Failure::of)? == FileState::Present => {
            Ok(folder.file(entry, file))
        }
        _ => Err(Failure::Failed(
            "the sample is missing; run `sottovoce models pull` (or `make setup`)".into(),
        )),
    }
}

/// Shows the live stream and the batch job with a key that ends here.
async fn show(sample: &Path, url: &str, index: &OpenedIndex) -> Result<(), Failure> {
    let identity = index.identity();
    let now = SystemClock.now();
    let expires = Some(now.plus_ms(DEMO_KEY_LIFE_MS));
    let MadeKey { account, id, secret } =
        make_key(&*identity, &SystemIds, now, DEMO_ACCOUNT, KeyWish::whole("demo", expires))
            .await
            .map_err(Failure::of)?;
    let shown = show_with(sample, url, secret.expose()).await;
    match identity.revoke_api_key(account, id, SystemClock.now()).await {
        // It has ended by itself.
        Ok(()) | Err(StoreError::NotFound) => {}
        Err(error) => return Err(Failure::of(error)),
    }
    shown
}

async fn show_with(sample: &Path, url: &str, key: &str) -> Result<(), Failure> {
    let name = sample.file_name().unwrap_or_default().to_string_lossy();
    println!("Live: {name} streamed to {url}/v1/listen as it plays\n");
    let listen = Listen { url, key, model: None, fast: false };
    let mut screen = Screen::new(Style::for_stdout(Style::Lines), std::io::stdout());
    caption(sample, &listen, &mut screen).await.map_err(Failure::of)?;

    println!("\nBatch: {name} submitted to {url}/saas/jobs\n");
    let subtitles = tokio::time::timeout(BATCH_WITHIN, subtitles(sample, url, key)).await;
    let subtitles =
        subtitles.map_err(|_| Failure::Failed("the job took too long; see the server's log".into()))?;
    print!("{}", subtitles.map_err(Failure::of)?);
    Ok(())
}

/// Has a file transcribed as a back end would, and returns its subtitles (SRT).
async fn subtitles(file: &Path, url: &str, key: &str) -> Result<String, BatchFailure> {
    let client = BatchClient::new(url, key)?;
    let job = client.submit(file, &JobParams::of(JobType::Transcription)).await?;
    let job = client.follow(job, |_| {}).await?;
    client.artifact(job.id, ArtifactKind::Srt, None).await
}

/// Says how to go on.
fn tell_where(url: &str, first: Option<&FirstKey>) {
    println!("Serving at {url} (Ctrl-C drains and stops).");
    let program = std::env::args().next().unwrap_or_else(|| "sottovoce".into());
    match first {
        Some(first) => {
            first.show(url);
            println!(
                "Caption a file of your own:\n  SOTTOVOCE_KEY={} {program} transcribe FILE --live --server {url}",
                first.secret.expose()
            );
        }
        None => {
            println!(
                "Caption a file of your own (a new key: {program} keys create --email you@example.org):"
            );
            println!("  SOTTOVOCE_KEY=sv_… {program} transcribe FILE --live --server {url}");
        }
    }
}

/// Returns the address as a client of this machine reaches it.
fn reachable(address: SocketAddr) -> String {
    let mut address = address;
    if address.ip().is_unspecified() {
        address.set_ip(if address.is_ipv4() {
            [127, 0, 0, 1].into()
        } else {
            std::net::Ipv6Addr::LOCALHOST.into()
        });
    }
    format!("http://{address}")
}
