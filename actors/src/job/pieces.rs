//! Takes a file's utterances through the engine, a few at a time, and gives back what was heard in order. Knows no index
//! and no state of the job.

use crate::job::cutter::Utterance;
use crate::job::input::{FileReader, Input};
use crate::job::retry::Fault;
use crate::ports::engine::{EngineError, Outcome, SAMPLE_RATE_HZ, StreamKey, Unit, UnitKind};
use crate::ports::recogniser::Recogniser;
use crate::ports::store::Permille;
use crate::transcript::{Document, segment_of};
use futures_util::stream::{FuturesOrdered, Stream, StreamExt, unfold};
use sottovoce_protocol::error_code::ErrorCode;
use sottovoce_protocol::ids::ModelId;
use sottovoce_protocol::transcript::Segment;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;
use tokio::task::{JoinError, JoinHandle, spawn_blocking};

/// What became known of the audio, in its order; nothing follows `Ended`, `Refused` and `Failed`, but the translation's
/// pieces, where there is one.
#[derive(Clone, PartialEq, Debug)]
pub(crate) enum Piece {
    /// The file announces this length.
    Opened { announced_ms: Option<u64> },
    /// Everything before `to_ms` was heard; here is what was said last.
    Heard { segment: Option<Segment>, to_ms: u64 },
    /// The audio is over and all of it was heard.
    Ended { duration_ms: u64 },
    /// So much of the text is translated.
    Translating { done: Permille },
    /// All of it is.
    Translated { document: Box<Document> },
    /// The file (or what was asked of it) is at fault.
    Refused { code: ErrorCode, detail: String },
    /// We are at fault.
    Failed { fault: Fault, detail: String },
}

type Answer = Pin<Box<dyn Future<Output = (u16, Utterance, Result<Outcome, ()>)> + Send>>;

pub(crate) struct Hearing {
    recogniser: Arc<dyn Recogniser>,
    model: ModelId,
    within: Duration,
    lanes: Vec<StreamKey>,
    submitted: usize,
    in_flight: FuturesOrdered<Answer>,
    /// The step that is being read; one step ahead of the engine.
    reading: Option<JoinHandle<(FileReader, Input)>>,
    /// An utterance that waits for a lane, with the reader that waits for it.
    waiting: Option<(FileReader, u16, Utterance)>,
    duration_ms: Option<u64>,
    over: bool,
}

impl Hearing {
    pub fn new(
        recogniser: Arc<dyn Recogniser>,
        model: ModelId,
        within: Duration,
        lanes: usize,
        reader: FileReader,
    ) -> Self {
        // The engine takes one waiting unit per key, so each lane has a key of its own.
        let lanes = (0..lanes.max(1)).map(|_| recogniser.batch_key()).collect();
        Self {
            recogniser,
            model,
            within,
            lanes,
            submitted: 0,
            in_flight: FuturesOrdered::new(),
            reading: Some(spawn_blocking(|| reader.step())),
            waiting: None,
            duration_ms: None,
            over: false,
        }
    }

    /// Returns the pieces as a stream, which ends after the last one.
    pub fn into_stream(self) -> impl Stream<Item = Piece> {
        unfold(self, |mut hearing| async move {
            if hearing.over {
                return None;
            }
            let piece = hearing.next().await;
            hearing.over =
                matches!(piece, Piece::Ended { .. } | Piece::Refused { .. } | Piece::Failed { .. });
            Some((piece, hearing))
        })
    }

    async fn next(&mut self) -> Piece {
        loop {
            if self.in_flight.len() < self.lanes.len()
                && let Some((reader, channel, utterance)) = self.waiting.take()
            {
                self.submit(channel, utterance);
                self.read_on(reader);
            }
            tokio::select! {
                biased;
                Some((channel, utterance, outcome)) = self.in_flight.next() => {
                    return heard(channel, &utterance, outcome);
                }
                Some(step) = step(&mut self.reading) => {
                    self.reading = None;
                    if let Some(piece) = self.take(step) {
                        return piece;
                    }
                }
                else => {
                    let duration_ms = self.duration_ms.unwrap_or_default();
                    return Piece::Ended { duration_ms };
                }
            }
        }
    }

    /// Takes what a step read; gives back what is to be told at once.
    fn take(&mut self, step: Result<(FileReader, Input), JoinError>) -> Option<Piece> {
        let Ok((reader, input)) = step else {
            return Some(Piece::Failed { fault: Fault::Bug, detail: "the file reader panicked".into() });
        };
        match input {
            Input::Utterance(channel, utterance) => {
                self.waiting = Some((reader, channel, utterance));
                None
            }
            Input::Opened { announced_ms } => {
                self.read_on(reader);
                Some(Piece::Opened { announced_ms })
            }
            Input::Passed { samples } => {
                self.read_on(reader);
                self.in_flight.is_empty().then(|| Piece::Heard { segment: None, to_ms: to_ms(samples) })
            }
            Input::Ended { samples } => {
                self.duration_ms = Some(to_ms(samples));
                None
            }
            Input::Refused(error) => Some(match error.code {
                // The decoder could not read the object: not the file's fault.
                ErrorCode::StorageUnavailable => {
                    Piece::Failed { fault: Fault::Storage, detail: error.detail }
                }
                ErrorCode::Internal => Piece::Failed { fault: Fault::Bug, detail: error.detail },
                code => Piece::Refused { code, detail: error.detail },
            }),
            Input::Failed(error) => Some(Piece::Failed { fault: Fault::Engine, detail: error.to_string() }),
        }
    }

    fn read_on(&mut self, reader: FileReader) {
        self.reading = Some(spawn_blocking(|| reader.step()));
    }

    fn submit(&mut self, channel: u16, utterance: Utterance) {
        // Answers come back in order, so the lane of the oldest one is free by now.
        let key = self.lanes[self.submitted % self.lanes.len()];
        self.submitted += 1;
        let unit = Unit {
            audio: utterance.audio.clone(),
            draft: Vec::new(),
            kind: UnitKind::Batch,
            model: self.model.clone(),
        };
        let answer = self.recogniser.submit(key, 0, unit, self.within);
        self.in_flight.push_back(Box::pin(async move { (channel, utterance, answer.await.map_err(|_| ())) }));
    }
}

async fn step(
    reading: &mut Option<JoinHandle<(FileReader, Input)>>,
) -> Option<Result<(FileReader, Input), JoinError>> {
    match reading {
        Some(reading) => Some(reading.await),
        None => None,
    }
}

fn heard(channel: u16, utterance: &Utterance, outcome: Result<Outcome, ()>) -> Piece {
    let rate = f64::from(SAMPLE_RATE_HZ);
    let offset_s = utterance.from_sample as f64 / rate;
    let length_s = utterance.audio.len() as f64 / rate;
    let failed = |fault, detail: &str| Piece::Failed { fault, detail: detail.to_owned() };
    match outcome {
        Ok(Outcome::Heard(hypothesis)) => Piece::Heard {
            segment: segment_of(&hypothesis, 0, channel, offset_s, length_s),
            to_ms: to_ms(utterance.from_sample + utterance.audio.len() as u64),
        },
        Ok(Outcome::Failed(EngineError::Stopping)) | Err(()) => {
            failed(Fault::Stopping, "the engine is stopping")
        }
        Ok(Outcome::Failed(error @ EngineError::UnknownModel(_))) => {
            Piece::Refused { code: ErrorCode::ModelUnknown, detail: error.to_string() }
        }
        Ok(Outcome::Failed(error)) => failed(Fault::Engine, &error.to_string()),
        Ok(Outcome::Superseded) => failed(Fault::Bug, "a batch unit was superseded"),
    }
}

fn to_ms(samples: u64) -> u64 {
    samples * 1000 / u64::from(SAMPLE_RATE_HZ)
}
