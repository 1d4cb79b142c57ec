//! Reads a stored file step by step: decoder, voice activity, cuts. Each step runs on a blocking thread and ends at the
//! next utterance, so that nothing is parked and nothing piles up while the engine is busy.

use crate::job::cutter::{Cutter, Utterance};
use crate::job::messages::VoiceMaker;
use crate::ports::engine::{EngineError, SAMPLE_RATE_HZ};
use crate::ports::files::ReadSeek;
use crate::ports::media::{AudioReader, Hears, MediaDecoder, MediaError};
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
    /// Speech of a channel.
    Utterance(u16, Utterance),
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
    pub hears: Hears,
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
    /// One of each heard channel; none after the end.
    cutters: Vec<Cutter>,
    ended: VecDeque<(u16, Utterance)>,
    samples: u64,
    reported: u64,
}

impl FileReader {
    /// Runs to the next thing worth telling; blocking.
    pub fn step(self) -> (Self, Input) {
        match self {
            Self::Closed(file, config) => match config.media.open(file, config.max_s, config.hears) {
                Ok(audio) => {
                    let announced_s = audio.announced_s().filter(|length_s| *length_s > 0.0);
                    let announced_ms = announced_s.map(|length_s| (length_s * 1000.0) as u64);
                    let cutters = (0..audio.channels().max(1))
                        .map(|_| Cutter::new((config.voice)(), config.segment))
                        .collect();
                    let decoding =
                        Decoding { audio, cutters, ended: VecDeque::new(), samples: 0, reported: 0 };
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
            if let Some((channel, utterance)) = self.ended.pop_front() {
                return Ok(Input::Utterance(channel, utterance));
            }
            // Nothing before this sample is still to come, on any channel.
            let Some(settled) = self.cutters.iter().map(Cutter::settled_samples).min() else {
                return Ok(Input::Ended { samples: self.samples });
            };
            if settled >= self.reported + REPORT_SAMPLES {
                self.reported = settled;
                return Ok(Input::Passed { samples: settled });
            }
            match self.audio.next().map_err(Fault::Media)? {
                Some(samples) => self.push(samples).map_err(Fault::Voice)?,
                None => {
                    let ended = &mut self.ended;
                    for (channel, cutter) in (0..).zip(self.cutters.drain(..)) {
                        let mut keep = |utterance| ended.push_back((channel, utterance));
                        cutter.finish(&mut keep).map_err(Fault::Voice)?;
                    }
                }
            }
        }
    }

    fn push(&mut self, samples: Vec<f32>) -> Result<(), EngineError> {
        let channels = self.cutters.len();
        self.samples += (samples.len() / channels) as u64;
        let ended = &mut self.ended;
        for (channel, cutter) in self.cutters.iter_mut().enumerate() {
            let mut keep = |utterance| ended.push_back((channel as u16, utterance));
            if channels == 1 {
                return cutter.push(&samples, &mut keep);
            }
            let own: Vec<f32> = samples.iter().skip(channel).step_by(channels).copied().collect();
            cutter.push(&own, &mut keep)?;
        }
        Ok(())
    }
}
