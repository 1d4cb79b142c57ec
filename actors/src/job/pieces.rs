//! Takes a file's utterances through the engine, a few at a time, and gives back what was heard in order. Knows no index
//! and no state of the job.

use crate::job::cutter::Utterance;
use crate::job::input::Input;
use crate::job::retry::Fault;
use crate::ports::engine::{EngineError, Outcome, SAMPLE_RATE_HZ, StreamKey, Unit, UnitKind};
use crate::ports::recogniser::Recogniser;
use crate::transcript::segment_of;
use futures_util::stream::{FuturesOrdered, Stream, StreamExt, unfold};
use sottovoce_protocol::error_code::ErrorCode;
use sottovoce_protocol::ids::ModelId;
use sottovoce_protocol::transcript::Segment;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::mpsc;

/// What became known of the audio, in its order; nothing follows `Ended`, `Refused` and `Failed`.
#[derive(Clone, PartialEq, Debug)]
pub(crate) enum Piece {
    /// The file announces this length.
    Opened { announced_ms: Option<u64> },
    /// Everything before `to_ms` was heard; here is what was said last.
    Heard { segment: Option<Segment>, to_ms: u64 },
    /// The audio is over and all of it was heard.
    Ended { duration_ms: u64 },
    /// The file (or what was asked of it) is at fault.
    Refused { code: ErrorCode, detail: String },
    /// We are at fault.
    Failed { fault: Fault, detail: String },
}

type Answer = Pin<Box<dyn Future<Output = (Utterance, Result<Outcome, ()>)> + Send>>;

pub(crate) struct Hearing {
    pub recogniser: Arc<dyn Recogniser>,
    pub model: ModelId,
    pub within: Duration,
    pub input: mpsc::Receiver<Input>,
    lanes: Vec<StreamKey>,
    submitted: usize,
    in_flight: FuturesOrdered<Answer>,
    duration_ms: Option<u64>,
    over: bool,
}

impl Hearing {
    pub fn new(
        recogniser: Arc<dyn Recogniser>,
        model: ModelId,
        within: Duration,
        lanes: usize,
        input: mpsc::Receiver<Input>,
    ) -> Self {
        // The engine takes one waiting unit per key, so each lane has a key of its own.
        let lanes = (0..lanes.max(1)).map(|_| recogniser.batch_key()).collect();
        Self {
            recogniser,
            model,
            within,
            input,
            lanes,
            submitted: 0,
            in_flight: FuturesOrdered::new(),
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
            if let (Some(duration_ms), true) = (self.duration_ms, self.in_flight.is_empty()) {
                return Piece::Ended { duration_ms };
            }
            let room = self.duration_ms.is_none() && self.in_flight.len() < self.lanes.len();
            tokio::select! {
                biased;
                Some((utterance, outcome)) = self.in_flight.next() => return heard(&utterance, outcome),
                input = self.input.recv(), if room => match input {
                    Some(Input::Opened { announced_ms }) => return Piece::Opened { announced_ms },
                    Some(Input::Utterance(utterance)) => self.submit(utterance),
                    Some(Input::Passed { samples }) if self.in_flight.is_empty() => {
                        return Piece::Heard { segment: None, to_ms: to_ms(samples) };
                    }
                    Some(Input::Passed { .. }) => {}
                    Some(Input::Ended { samples }) => self.duration_ms = Some(to_ms(samples)),
                    Some(Input::Refused(error)) => {
                        return Piece::Refused { code: error.code, detail: error.detail };
                    }
                    Some(Input::Failed(error)) => {
                        return Piece::Failed { fault: Fault::Engine, detail: error.to_string() };
                    }
                    None => {
                        return Piece::Failed { fault: Fault::Bug, detail: "the file reader stopped".into() };
                    }
                },
            }
        }
    }

    fn submit(&mut self, utterance: Utterance) {
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
        self.in_flight.push_back(Box::pin(async move { (utterance, answer.await.map_err(|_| ())) }));
    }
}

fn heard(utterance: &Utterance, outcome: Result<Outcome, ()>) -> Piece {
    let rate = f64::from(SAMPLE_RATE_HZ);
    let offset_s = utterance.from_sample as f64 / rate;
    let length_s = utterance.audio.len() as f64 / rate;
    let failed = |fault, detail: &str| Piece::Failed { fault, detail: detail.to_owned() };
    match outcome {
        Ok(Outcome::Heard(hypothesis)) => Piece::Heard {
            segment: segment_of(&hypothesis, 0, 0, offset_s, length_s),
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
