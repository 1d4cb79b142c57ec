//! One stream from handshake to close: sends on schedule, records what arrives and when. It judges nothing.

use crate::audio::SAMPLE_RATE_HZ;
use crate::caption::Caption;
use crate::endpoint::{Endpoint, OpenError, Refusal, Socket};
use crate::pacing::{Schedule, SendLog};
use crate::playlist::Programme;
use futures_util::stream::{SplitSink, SplitStream};
use futures_util::{SinkExt, StreamExt};
use sottovoce_protocol::live::{ClientFrame, ServerFrame};
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::oneshot;
use tokio::time::{Instant, sleep_until, timeout, timeout_at};
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::protocol::CloseFrame;

/// How a stream behaves.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Behaviour {
    /// As a client should.
    Good,
    /// Stops reading but goes on sending.
    StallReader {
        /// When, from the stream's start.
        after: Duration,
        /// Sends only `KeepAlive` from then on.
        idle: bool,
    },
    /// Sends neither audio nor `CloseStream` after its audio.
    NoClose,
    /// Drops the connection without a close frame.
    Abort {
        /// When, from the stream's start.
        after: Duration,
    },
}

/// What a stream is to do.
#[derive(Clone, Debug)]
pub struct Plan {
    /// Its audio.
    pub programme: Arc<Programme>,
    /// The query of `/v1/listen`.
    pub query: Vec<(String, String)>,
    /// Delay before the handshake.
    pub start_after: Duration,
    /// Audio per binary frame.
    pub chunk_ms: u64,
    /// In real time; else as fast as the server reads.
    pub paced: bool,
    /// Its manners.
    pub behaviour: Behaviour,
    /// How long to wait for the server's close once the audio is sent.
    pub close_limit: Duration,
    /// Keep the text of every event.
    pub keep_raw: bool,
}

/// How a stream ended.
#[derive(Clone, PartialEq, Eq, Debug, serde::Serialize)]
#[serde(rename_all = "snake_case", tag = "end")]
pub enum End {
    /// The handshake was refused.
    Refused(Refusal),
    /// The connection or handshake broke.
    NotOpened {
        /// Why.
        detail: String,
    },
    /// The server sent a close frame.
    Closed {
        /// Its code; 1005 when it had none.
        code: u16,
        /// Its reason.
        reason: String,
    },
    /// The connection ended without a close frame.
    Broken {
        /// What the socket said.
        detail: String,
    },
    /// The client dropped the connection, as planned.
    Aborted,
    /// The server did not close within the limit.
    TimedOut,
}

/// An end and when it was noticed, from the stream's start.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Ended {
    /// How.
    pub end: End,
    /// When.
    pub at: Duration,
}

/// An event as it arrived.
#[derive(Clone, Debug)]
pub struct RawEvent {
    /// Arrival, from the stream's start.
    pub at: Duration,
    /// The text frame.
    pub text: String,
}

/// Everything that happened on a stream. Times count from its start: the moment its handshake had succeeded.
#[derive(Clone, Debug)]
pub struct Record {
    /// `dg-request-id`: the stream's job.
    pub request_id: Option<String>,
    /// When the handshake had succeeded.
    pub opened: Option<Instant>,
    /// How it ended.
    pub ended: Ended,
    /// What was sent when.
    pub sent: SendLog,
    /// The captions in order of arrival.
    pub captions: Vec<Caption>,
    /// Text frames that the protocol does not know.
    pub unknown_frames: usize,
    /// `Metadata.duration`, where it came.
    pub metadata_s: Option<f64>,
    /// Every text frame, when asked for.
    pub raw: Vec<RawEvent>,
    /// How the client behaved.
    pub behaviour: Behaviour,
}

impl Record {
    fn unopened(behaviour: Behaviour, end: End) -> Self {
        Self {
            request_id: None,
            opened: None,
            ended: Ended { end, at: Duration::ZERO },
            sent: SendLog::default(),
            captions: Vec::new(),
            unknown_frames: 0,
            metadata_s: None,
            raw: Vec::new(),
            behaviour,
        }
    }

    /// Returns whether the handshake succeeded.
    pub fn is_accepted(&self) -> bool {
        self.opened.is_some()
    }

    /// Returns when the last of its audio was sent.
    pub fn audio_over(&self) -> Option<Instant> {
        Some(self.opened? + self.sent.last_at()?)
    }
}

/// A stalled client gives the kernel this little room, so that the server feels it soon.
const STALLED_RECEIVE_BUFFER_BYTES: u32 = 4_096;
/// How long the server may take to end the connection after its close frame.
const CLOSE_ANSWER_LIMIT: Duration = Duration::from_secs(1);
/// How often a stalled client without audio sends `KeepAlive`: it learns of a closed connection by its second write.
const KEEP_ALIVE_EVERY: Duration = Duration::from_secs(1);

/// Plays one stream. `tell_id` hears the stream's job as soon as the handshake has succeeded.
pub async fn play(endpoint: Endpoint, plan: Plan, tell_id: Option<oneshot::Sender<String>>) -> Record {
    tokio::time::sleep(plan.start_after).await;
    let small =
        matches!(plan.behaviour, Behaviour::StallReader { .. }).then_some(STALLED_RECEIVE_BUFFER_BYTES);
    let (socket, response) = match endpoint.open("/v1/listen", &plan.query, small).await {
        Ok(opened) => opened,
        Err(OpenError::Refused(refusal)) => return Record::unopened(plan.behaviour, End::Refused(refusal)),
        Err(OpenError::Failed(detail)) => return Record::unopened(plan.behaviour, End::NotOpened { detail }),
    };
    let request_id = response.headers().get("dg-request-id").and_then(|v| v.to_str().ok()).map(str::to_owned);
    if let (Some(tell), Some(id)) = (tell_id, &request_id) {
        // The listener may have gone; the stream goes on.
        let _ = tell.send(id.clone());
    }
    let mut record = Record { request_id, ..Record::unopened(plan.behaviour, End::TimedOut) };
    talk(socket, &plan, &mut record).await;
    record
}

async fn talk(socket: Socket, plan: &Plan, record: &mut Record) {
    let began = Instant::now();
    record.opened = Some(began);
    let (sink, source) = socket.split();
    let mut sender = Sender { sink, sent: SendLog::default(), began };
    let mut reader = Reader { source, began, keep_raw: plan.keep_raw, record };
    let ended = match plan.behaviour {
        Behaviour::Abort { after } => {
            // Whatever either side is doing then is dropped with the socket.
            let whole = well_behaved(&mut sender, &mut reader, plan);
            timeout_at(began + after, whole).await.unwrap_or(Ended { end: End::Aborted, at: after })
        }
        Behaviour::StallReader { after, idle } => stalled(&mut sender, &mut reader, plan, after, idle).await,
        Behaviour::Good | Behaviour::NoClose => well_behaved(&mut sender, &mut reader, plan).await,
    };
    record.ended = ended;
    record.sent = sender.sent;
}

/// Sends all and reads to the end, whichever is over first; the server has `close_limit` to close.
async fn well_behaved(sender: &mut Sender, reader: &mut Reader<'_>, plan: &Plan) -> Ended {
    let began = sender.began;
    let sending = async {
        // A failed write is told by the reader with more detail.
        let _ = sender.send_audio(plan, None).await;
        if plan.behaviour != Behaviour::NoClose {
            let _ = sender.send_frame(&ClientFrame::CloseStream).await;
        }
        tokio::time::sleep(plan.close_limit).await;
    };
    tokio::select! {
        ended = reader.read_until_end() => ended,
        () = sending => Ended { end: End::TimedOut, at: began.elapsed() },
    }
}

/// Reads until `after`, sends on until a write fails.
async fn stalled(
    sender: &mut Sender,
    reader: &mut Reader<'_>,
    plan: &Plan,
    after: Duration,
    idle: bool,
) -> Ended {
    let limit = sender.began + after + plan.close_limit;
    let reading = timeout_at(sender.began + after, reader.read_until_end());
    let sending = timeout_at(limit, sender.send_until_broken(plan, idle.then_some(after)));
    let (read, wrote) = tokio::join!(reading, sending);
    let at = sender.began.elapsed();
    let broken = match (read, wrote) {
        (Ok(ended), _) => return ended,
        (_, Err(_)) => return Ended { end: End::TimedOut, at },
        (_, Ok(detail)) => Ended { end: End::Broken { detail }, at },
    };
    // The close frame may still lie in the buffer; without it the failed write is all there is.
    match timeout(Duration::from_secs(1), reader.find_close()).await {
        Ok(Some(end)) => Ended { end, at },
        _ => broken,
    }
}

struct Sender {
    sink: SplitSink<Socket, Message>,
    sent: SendLog,
    began: Instant,
}

impl Sender {
    /// Sends audio (until `until`), then `KeepAlive`, and returns why a write failed.
    async fn send_until_broken(&mut self, plan: &Plan, until: Option<Duration>) -> String {
        let mut outcome = self.send_audio(plan, until).await;
        loop {
            if let Err(detail) = outcome {
                return detail;
            }
            tokio::time::sleep(KEEP_ALIVE_EVERY).await;
            outcome = self.send_frame(&ClientFrame::KeepAlive).await;
        }
    }

    async fn send_audio(&mut self, plan: &Plan, until: Option<Duration>) -> Result<(), String> {
        let schedule = Schedule { rate_hz: SAMPLE_RATE_HZ };
        let piece_frames = u64::from(SAMPLE_RATE_HZ) * plan.chunk_ms / 1_000;
        let mut from = 0;
        while from < plan.programme.frames {
            let to = (from + piece_frames).min(plan.programme.frames);
            if plan.paced {
                let due = schedule.due(to);
                if until.is_some_and(|until| due > until) {
                    break;
                }
                sleep_until(self.began + due).await;
            }
            // The time before the write: what a full socket adds counts as lag.
            self.sent.push(to, self.began.elapsed());
            let piece = plan.programme.piece(from, to);
            self.sink.send(Message::Binary(piece)).await.map_err(|e| e.to_string())?;
            from = to;
        }
        Ok(())
    }

    async fn send_frame(&mut self, frame: &ClientFrame) -> Result<(), String> {
        let text = serde_json::to_string(frame).map_err(|e| e.to_string())?;
        self.sink.send(Message::text(text)).await.map_err(|e| e.to_string())
    }
}

fn closed(frame: Option<CloseFrame>) -> End {
    let (code, reason) = frame.map_or((1005, String::new()), |f| (f.code.into(), f.reason.to_string()));
    End::Closed { code, reason }
}

struct Reader<'a> {
    source: SplitStream<Socket>,
    began: Instant,
    keep_raw: bool,
    record: &'a mut Record,
}

impl Reader<'_> {
    async fn read_until_end(&mut self) -> Ended {
        while let Some(message) = self.source.next().await {
            let at = self.began.elapsed();
            match message {
                Ok(Message::Text(text)) => self.take(at, &text),
                Ok(Message::Close(frame)) => {
                    // Reading on answers the close and waits for the end of the connection.
                    let _ = timeout(CLOSE_ANSWER_LIMIT, self.source.next()).await;
                    return Ended { end: closed(frame), at };
                }
                Ok(_) => {}
                Err(error) => return Ended { end: End::Broken { detail: error.to_string() }, at },
            }
        }
        Ended { end: End::Broken { detail: "connection ended".into() }, at: self.began.elapsed() }
    }

    /// Passes over what was not read in its time, looking for the close frame only.
    async fn find_close(&mut self) -> Option<End> {
        while let Some(Ok(message)) = self.source.next().await {
            if let Message::Close(frame) = message {
                return Some(closed(frame));
            }
        }
        None
    }

    fn take(&mut self, at: Duration, text: &str) {
        if self.keep_raw {
            self.record.raw.push(RawEvent { at, text: text.to_owned() });
        }
        match serde_json::from_str::<ServerFrame>(text) {
            Ok(ServerFrame::Metadata { duration, .. }) => self.record.metadata_s = Some(duration),
            Ok(frame) => self.record.captions.extend(Caption::from_frame(at, frame)),
            Err(_) => self.record.unknown_frames += 1,
        }
    }
}
