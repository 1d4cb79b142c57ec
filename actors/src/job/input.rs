//! Reads a stored file on a blocking thread: decoder, voice activity, cuts. Hands utterances over a bounded channel and
//! waits there while the engine is busy, so that memory does not grow with the file.

use crate::job::cutter::{Cutter, Utterance};
use crate::ports::engine::{EngineError, SAMPLE_RATE_HZ, VoiceDetector};
use crate::ports::files::ReadSeek;
use crate::ports::media::{MediaDecoder, MediaError};
use crate::segment::SegmentConfig;
use tokio::sync::mpsc;

/// Utterances that wait for the engine; each is at most 30 s, so 2 MB.
pub(crate) const INPUT_CAPACITY: usize = 2;
/// Silence is reported at least this often, in samples, so that progress moves.
const REPORT_SAMPLES: u64 = 30 * SAMPLE_RATE_HZ as u64;

/// What the reader says, in order of the audio.
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

/// Reads to the end, or until nobody listens.
pub(crate) fn read(
    media: &dyn MediaDecoder,
    file: Box<dyn ReadSeek>,
    max_s: u64,
    voice: Box<dyn VoiceDetector>,
    config: SegmentConfig,
    output: &mpsc::Sender<Input>,
) {
    let last = match read_all(media, file, max_s, voice, config, output) {
        Ok(samples) => Input::Ended { samples },
        Err(Stop::Media(error)) => Input::Refused(error),
        Err(Stop::Engine(error)) => Input::Failed(error),
        Err(Stop::Unheard) => return,
    };
    // Nobody listens: the job has ended in another way.
    let _ = output.blocking_send(last);
}

enum Stop {
    Media(MediaError),
    Engine(EngineError),
    Unheard,
}

impl From<MediaError> for Stop {
    fn from(error: MediaError) -> Self {
        Self::Media(error)
    }
}

impl From<EngineError> for Stop {
    fn from(error: EngineError) -> Self {
        Self::Engine(error)
    }
}

fn read_all(
    media: &dyn MediaDecoder,
    file: Box<dyn ReadSeek>,
    max_s: u64,
    voice: Box<dyn VoiceDetector>,
    config: SegmentConfig,
    output: &mpsc::Sender<Input>,
) -> Result<u64, Stop> {
    let send = |input| output.blocking_send(input).map_err(|_| Stop::Unheard);
    let mut reader = media.open(file, max_s)?;
    let announced_ms = reader.announced_s().filter(|length_s| *length_s > 0.0);
    send(Input::Opened { announced_ms: announced_ms.map(|length_s| (length_s * 1000.0) as u64) })?;

    let mut cutter = Cutter::new(voice, config);
    let mut samples_read = 0;
    let mut reported = 0;
    while let Some(samples) = reader.next()? {
        if output.is_closed() {
            return Err(Stop::Unheard);
        }
        samples_read += samples.len() as u64;
        let mut sent = Ok(());
        cutter.push(&samples, &mut |utterance| {
            if sent.is_ok() {
                sent = send(Input::Utterance(utterance));
            }
        })?;
        sent?;
        let settled = cutter.settled_samples();
        if settled >= reported + REPORT_SAMPLES {
            reported = settled;
            send(Input::Passed { samples: settled })?;
        }
    }
    let mut sent = Ok(());
    cutter.finish(&mut |utterance| {
        if sent.is_ok() {
            sent = send(Input::Utterance(utterance));
        }
    })?;
    sent?;
    Ok(samples_read)
}
