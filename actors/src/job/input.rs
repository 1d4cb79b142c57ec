//! Reads a stored file step by step: decoder, voice activity, cuts. Each step runs on a blocking thread and ends at the
//! next utterance, so that nothing is parked and nothing piles up while the engine is busy.

use crate::job::cutter::{Cutter, Utterance};
use crate::job::messages::VoiceMaker;
use crate::ports::engine::{EngineError, SAMPLE_RATE_HZ};
use crate::ports::files::ReadSeek;
use crate::ports::media::{AudioReader, MediaDecoder, MediaError};
use crate::segment::SegmentConfig;
use std::collections::VecDeque;
use std::sync::Arc;

/// Silence is reported at least this often, in samples, so that progress moves and a step ends.
const REPORT_SAMPLES: u64 = 30 * SAMPLE_RATE_HZ as u64;

/// What a step found, in order of the audio; nothing follows the last three.
#[derive(Debug)]
pub(crate) enum Input {
    /// The file is open and announces this length.
    Opened { announced_ms: Option<u64> },
    /// Speech.
    Utterance(Utterance),
    /// Everything before this sample is out.
    Passed { samples: u64 },
    /// The audio is over.
    Ended { samples: u64 },
    /// The file is at fault.
    Refused(MediaError),
    /// The voice detector is at fault.
    Failed(EngineError),
}

/// How a file is read.
#[derive(Clone)]
pub(crate) struct InputConfig {
    pub media: Arc<dyn MediaDecoder>,
    pub voice: VoiceMaker,
    pub max_s: u64,
    pub segment: SegmentConfig,
}

/// A file being read.
pub(crate) enum FileReader {
    /// Not looked at yet.
    Closed(Box<dyn ReadSeek>, InputConfig),
    /// Being decoded.
    Open(Box<Decoding>),
    /// Told its last.
    Over,
}

pub(crate) struct Decoding {
    audio: Box<dyn AudioReader>,
    cutter: Option<Cutter>,
    ended: VecDeque<Utterance>,
    samples: u64,
    reported: u64,
}

impl FileReader {
    /// Runs to the next thing worth telling; blocking.
    pub fn step(self) -> (Self, Input) {
        match self {
            Self::Closed(file, config) => match config.media.open(file, config.max_s) {
                Ok(audio) => {
                    let announced_s = audio.announced_s().filter(|length_s| *length_s > 0.0);
                    let announced_ms = announced_s.map(|length_s| (length_s * 1000.0) as u64);
                    let cutter = Some(Cutter::new((config.voice)(), config.segment));
                    let decoding =
                        Decoding { audio, cutter, ended: VecDeque::new(), samples: 0, reported: 0 };
                    (Self::Open(Box::new(decoding)), Input::Opened { announced_ms })
                }
                Err(error) => (Self::Over, Input::Refused(error)),
            },
            Self::Open(mut decoding) => match decoding.step() {
                Ok(input @ Input::Ended { .. }) => (Self::Over, input),
                Ok(input) => (Self::Open(decoding), input),
                Err(Fault::Media(error)) => (Self::Over, Input::Refused(error)),
                Err(Fault::Voice(error)) => (Self::Over, Input::Failed(error)),
            },
            Self::Over => (Self::Over, Input::Ended { samples: 0 }),
        }
    }
}

enum Fault {
    Media(MediaError),
    Voice(EngineError),
}

impl Decoding {
    fn step(&mut self) -> Result<Input, Fault> {
        loop {
            if let Some(utterance) = self.ended.pop_front() {
                return Ok(Input::Utterance(utterance));
            }
            let Some(cutter) = &mut self.cutter else { return Ok(Input::Ended { samples: self.samples }) };
            let settled = cutter.settled_samples();
            if settled >= self.reported + REPORT_SAMPLES {
                self.reported = settled;
                return Ok(Input::Passed { samples: settled });
            }
            let ended = &mut self.ended;
            let mut keep = |utterance| ended.push_back(utterance);
            match self.audio.next().map_err(Fault::Media)? {
                Some(samples) => {
                    self.samples += samples.len() as u64;
                    cutter.push(&samples, &mut keep).map_err(Fault::Voice)?;
                }
                None => {
                    if let Some(cutter) = self.cutter.take() {
                        cutter.finish(&mut keep).map_err(Fault::Voice)?;
                    }
                }
            }
        }
    }
}
