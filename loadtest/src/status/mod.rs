//! `status`: M sockets on `/ws`, subscribed to job states or to a stream's captions, while this client itself submits
//! the jobs or plays the stream. It measures how long an event takes to reach them all, and that none comes out of order.

mod tally;

pub use tally::{Arrival, Tally, tally};

use crate::audio::Clip;
use crate::endpoint::{Endpoint, OpenError, ServerArgs, Socket};
use crate::error::LoadError;
use crate::jobs::{Manner, run_jobs};
use crate::live::{Behaviour, Plan, Record, base_query, play};
use crate::playlist::{Arrangement, Programme};
use crate::proc::{Machine, Usage, Watch};
use crate::report::{Envelope, ReportArgs, Table};
use crate::rest::Upload;
use crate::stats::Spread;
use futures_util::{SinkExt, StreamExt};
use serde::Serialize;
use sottovoce_protocol::status::ServerMessage;
use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{Semaphore, oneshot, watch};
use tokio::task::JoinHandle;
use tokio::time::Instant;
use tokio_tungstenite::tungstenite::Message;

/// Arguments of `status`.
#[derive(clap::Args, Clone, Debug)]
pub struct StatusArgs {
    #[command(flatten)]
    server: ServerArgs,
    #[command(flatten)]
    report: ReportArgs,
    /// Sockets.
    #[arg(long, default_value_t = 100)]
    sockets: usize,
    /// Submit these files as jobs and watch the states of all jobs.
    #[arg(long, value_delimiter = ',', required_unless_present = "audio")]
    files: Vec<PathBuf>,
    /// Play this recording as a live stream and watch its captions.
    #[arg(long, conflicts_with = "files")]
    audio: Option<PathBuf>,
    /// Jobs in all; default one a file.
    #[arg(long)]
    count: Option<usize>,
    /// Stop the stream after this many seconds.
    #[arg(long)]
    seconds: Option<f64>,
    /// How long to go on listening afterwards.
    #[arg(long, default_value_t = 3.0)]
    linger_s: f64,
    /// Handshakes under way at once.
    #[arg(long, default_value_t = 64)]
    dialling: usize,
}

/// The figures of a run.
#[derive(Clone, Debug, Serialize)]
pub struct StatusFigures {
    /// Sockets asked for.
    pub asked: usize,
    /// Sockets that opened.
    pub opened: usize,
    /// Handshakes that did not succeed, by reason.
    pub refused: BTreeMap<String, usize>,
    /// Sockets that the server closed before the end.
    pub closed_early: usize,
    /// Handshakes, in seconds.
    pub handshake: Spread,
    /// Memory from start to peak per socket, in bytes (with what the jobs or the stream took).
    pub rss_per_socket_bytes: Option<f64>,
    /// Memory with all sockets open and idle, less that before, per socket, in bytes.
    pub rss_per_idle_socket_bytes: Option<f64>,
    /// What they received.
    pub tally: Tally,
}

/// One socket's part in the run.
struct Listener {
    arrivals: Vec<Arrival>,
    unknown: usize,
    closed_early: bool,
}

type Opened = Result<f64, String>;

impl StatusArgs {
    /// Opens the sockets, makes the events, and reports. Returns whether all sockets opened and stayed, and nothing came
    /// out of order.
    ///
    /// # Errors
    /// When a file cannot be used.
    pub async fn run(self) -> Result<bool, LoadError> {
        let endpoint = Endpoint::new(&self.server.url, &self.server.key)?;
        let clip = self.audio.as_deref().map(Clip::load).transpose()?.map(Arc::new);
        let files = self.files.iter().map(|path| Upload::load(path)).collect::<Result<Vec<_>, _>>()?;
        let machine = Machine::now();
        let server = Watch::start(self.server.server_pid);
        let before = self.server_rss();
        let (say, hear) = watch::channel(None::<String>);
        let began = Instant::now();
        let (sockets, opened) = self.open_all(&endpoint, began, &hear);
        let opened: Vec<Opened> =
            futures_util::future::join_all(opened).await.into_iter().flatten().collect();
        let open = opened.iter().filter(|o| o.is_ok()).count();
        let idle = self.server_rss().zip(before).filter(|_| open > 0);
        let idle = idle.map(|(after, before)| (after as f64 - before as f64) / open as f64);

        let record = match clip {
            Some(clip) => Some(self.play_stream(&endpoint, clip, &say).await),
            None => {
                say.send_replace(Some(r#"{"op":"subscribe","jobs":"all"}"#.into()));
                let count = self.count.unwrap_or(files.len());
                let uploads: Vec<Upload> = files.iter().cycle().take(count).cloned().collect();
                let manner = Manner { fetch: false, ..Manner::transcription(None, None, count) };
                run_jobs(&endpoint, &uploads, &manner).await;
                None
            }
        };
        tokio::time::sleep(Duration::from_secs_f64(self.linger_s)).await;
        drop(say);
        let mut listeners = Vec::with_capacity(sockets.len());
        for socket in sockets {
            listeners
                .extend(socket.await.map_err(|e| LoadError::Answer(format!("a socket's task broke: {e}")))?);
        }
        let usage = server.finish(None);
        let figures = self.figures(&opened, listeners, record.as_ref(), began, idle, &usage);
        let tally = &figures.tally;
        let kept = figures.opened == figures.asked && figures.closed_early == 0 && !usage.server_died;
        let kept = kept && tally.order_violations + tally.errors + tally.unknown == 0;
        let report = Envelope::new(machine, usage, figures);
        report.save(&self.report)?;
        report.print_head();
        print(&report.figures);
        Ok(kept && report.figures.tally.events > 0)
    }

    fn server_rss(&self) -> Option<u64> {
        crate::proc::sample(self.server.server_pid?, Duration::ZERO).map(|sample| sample.rss_bytes)
    }

    fn open_all(
        &self,
        endpoint: &Endpoint,
        began: Instant,
        hear: &watch::Receiver<Option<String>>,
    ) -> (Vec<JoinHandle<Option<Listener>>>, Vec<oneshot::Receiver<Opened>>) {
        let dialling = Arc::new(Semaphore::new(self.dialling.max(1)));
        let one = |_| {
            let (tell, told) = oneshot::channel();
            let (endpoint, hear, dialling) = (endpoint.clone(), hear.clone(), Arc::clone(&dialling));
            let task = tokio::spawn(async move {
                let permit = dialling.acquire_owned().await.ok()?;
                let dialled = Instant::now();
                let opened = endpoint.open("/ws", &[], None).await;
                drop(permit);
                match opened {
                    Ok((socket, _)) => {
                        let _ = tell.send(Ok(dialled.elapsed().as_secs_f64()));
                        Some(listen(socket, began, hear).await)
                    }
                    Err(OpenError::Refused(refusal)) => {
                        let code = crate::rest::problem_code(refusal.body.as_bytes());
                        let _ = tell.send(Err(format!("{} {code}", refusal.status)));
                        None
                    }
                    Err(OpenError::Failed(detail)) => {
                        let _ = tell.send(Err(detail));
                        None
                    }
                }
            });
            (task, told)
        };
        (0..self.sockets).map(one).unzip()
    }

    async fn play_stream(
        &self,
        endpoint: &Endpoint,
        clip: Arc<Clip>,
        say: &watch::Sender<Option<String>>,
    ) -> (Instant, Record) {
        let stop_frames = self.seconds.map(|s| (s.max(0.0) * f64::from(crate::audio::SAMPLE_RATE_HZ)) as u64);
        let once = Arrangement { fill_frames: None, stop_frames, gap_frames: 0, channels: 1 };
        let mut query = base_query(1);
        query.push(("interim_results".into(), "true".into()));
        let (tell_id, told_id) = oneshot::channel();
        let plan = Plan {
            programme: Arc::new(Programme::new(&[clip], 0, once)),
            query,
            start_after: Duration::ZERO,
            chunk_ms: 50,
            paced: true,
            behaviour: Behaviour::Good,
            close_limit: Duration::from_secs(60),
            keep_raw: false,
        };
        let playing = play(endpoint.clone(), plan, Some(tell_id));
        let subscribing = async {
            if let Ok(id) = told_id.await {
                say.send_replace(Some(format!(r#"{{"op":"subscribe","captions":"{id}"}}"#)));
            }
        };
        let (record, ()) = tokio::join!(playing, subscribing);
        (record.opened.unwrap_or_else(Instant::now), record)
    }

    fn figures(
        &self,
        opened: &[Opened],
        listeners: Vec<Listener>,
        stream: Option<&(Instant, Record)>,
        began: Instant,
        idle: Option<f64>,
        usage: &Usage,
    ) -> StatusFigures {
        let handshakes: Vec<f64> = opened.iter().filter_map(|o| o.as_ref().ok()).copied().collect();
        let mut refused = BTreeMap::new();
        opened
            .iter()
            .filter_map(|o| o.as_ref().err())
            .for_each(|why| *refused.entry(why.clone()).or_default() += 1);
        let seen_on_stream = |message: &ServerMessage| {
            let ((opened, record), ServerMessage::Caption(caption)) = (stream?, message) else { return None };
            let same = |c: &&crate::caption::Caption| {
                c.is_final == caption.is_final
                    && c.text == caption.text
                    && (c.end_s - caption.end).abs() < 0.01
            };
            let owner = record.captions.iter().find(same)?;
            Some(opened.saturating_duration_since(began) + owner.at)
        };
        let unknown = listeners.iter().map(|listener| listener.unknown).sum();
        let closed_early = listeners.iter().filter(|listener| listener.closed_early).count();
        let arrivals: Vec<Vec<Arrival>> = listeners.into_iter().map(|listener| listener.arrivals).collect();
        StatusFigures {
            asked: self.sockets,
            opened: handshakes.len(),
            refused,
            closed_early,
            handshake: Spread::of(&handshakes),
            rss_per_socket_bytes: usage.growth_per(handshakes.len()),
            rss_per_idle_socket_bytes: idle,
            tally: Tally { unknown, ..tally(&arrivals, &seen_on_stream) },
        }
    }
}

/// Subscribes when told to, and listens until the run is over.
async fn listen(mut socket: Socket, began: Instant, mut hear: watch::Receiver<Option<String>>) -> Listener {
    let mut listener = Listener { arrivals: Vec::new(), unknown: 0, closed_early: false };
    loop {
        tokio::select! {
            changed = hear.changed() => {
                let Ok(()) = changed else {
                    let _ = tokio::time::timeout(Duration::from_secs(1), socket.close(None)).await;
                    return listener;
                };
                let subscription = hear.borrow_and_update().clone().unwrap_or_default();
                let _ = socket.send(Message::text(subscription)).await;
            }
            message = socket.next() => match message {
                Some(Ok(Message::Text(text))) => match serde_json::from_str(&text) {
                    Ok(message) => listener.arrivals.push(Arrival { at: began.elapsed(), message }),
                    Err(_) => listener.unknown += 1,
                },
                Some(Ok(Message::Close(_)) | Err(_)) | None => {
                    listener.closed_early = true;
                    return listener;
                }
                Some(Ok(_)) => {}
            }
        }
    }
}

fn print(figures: &StatusFigures) {
    println!(
        "sockets   {} asked, {} opened, {} closed early by the server",
        figures.asked, figures.opened, figures.closed_early
    );
    figures.refused.iter().for_each(|(label, count)| println!("refused   {count} × {label}"));
    if let Some(bytes) = figures.rss_per_idle_socket_bytes {
        println!("memory    {:.1} KiB per idle socket", bytes / 1_024.0);
    }
    let t = &figures.tally;
    println!(
        "messages  {} of {} events; gaps {}, order violations {}, without snapshot {}, errors {}, unknown {}",
        t.messages, t.events, t.gaps, t.order_violations, t.without_snapshot, t.errors, t.unknown
    );
    let mut table = Table::of_spreads();
    table.spread("handshake", &figures.handshake);
    table.spread("to each socket", &t.fan_out);
    table.spread("to the last socket", &t.last_socket);
    table.print();
}
