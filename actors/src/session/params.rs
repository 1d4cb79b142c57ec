//! What one live stream was asked for, and the settings of the house that hold for all streams. Plain values.

use crate::ports::ear::AudioFormat;
use crate::segment::{FRAME_MS, SegmentConfig};
use crate::session::channel::ChannelConfig;
use crate::session::liveness::LivenessConfig;
use sottovoce_protocol::ids::{AccountId, JobId, ModelId};
use sottovoce_protocol::live::ModelInfo;
use std::collections::BTreeMap;
use std::time::Duration;

/// Settings of all live streams (`[live]` of the configuration).
#[derive(Clone, Debug)]
pub struct LiveConfig {
    /// Liveness windows.
    pub liveness: LivenessConfig,
    /// Where utterances begin and end.
    pub segment: SegmentConfig,
    /// New audio between interims of a young utterance.
    pub interim_step: Duration,
    /// The same of an older one.
    pub interim_late_step: Duration,
    /// Age at which the step changes.
    pub interim_late_after: Duration,
    /// Silence settled by an empty final.
    pub silence_report: Duration,
    /// How long the answer to a final is of use.
    pub final_within: Duration,
    /// How long the answer to an interim is of use.
    pub interim_within: Duration,
    /// Finals that may wait for the engine on one channel before the socket is not read.
    pub max_pending_finals: usize,
    /// Frames in flight to a client.
    pub credit_window: u32,
    /// Bytes that may wait for a client beyond the window.
    pub outbox_bytes: usize,
    /// Renewal of the job's lease.
    pub heartbeat: Duration,
    /// Length of the lease.
    pub lease: Duration,
    /// How long the last finals and the artifacts may take at the end.
    pub settle_timeout: Duration,
    /// The same when the server stops.
    pub drain_timeout: Duration,
    /// When the stream's credential was revoked, its last words get this long, at most `drain_timeout`.
    pub revoked_timeout: Duration,
    /// Longest session.
    pub max_session: Duration,
}

/// What one client asked for.
#[derive(Clone, Debug)]
pub struct StreamParams {
    /// The stream's job.
    pub job: JobId,
    /// Its owner.
    pub account: AccountId,
    /// Model of the engine.
    pub model: ModelId,
    /// Language of the text (BCP-47).
    pub language: String,
    /// How the model is shown.
    pub model_info: ModelInfo,
    /// Stable UUID of the model.
    pub model_uuid: String,
    /// Raw audio format.
    pub format: AudioFormat,
    /// Growing captions.
    pub interim_results: bool,
    /// Silence for `speech_final`, in milliseconds; `None`: off.
    pub endpointing_ms: Option<u32>,
    /// Silence for `UtteranceEnd`, in milliseconds.
    pub utterance_end_ms: Option<u32>,
    /// Say `SpeechStarted`.
    pub vad_events: bool,
    /// Punctuation and case in the text.
    pub punctuate: bool,
    /// Echoed in `metadata.extra`.
    pub extra: BTreeMap<String, String>,
}

fn frames(duration: Duration) -> u64 {
    duration.as_millis().div_ceil(u128::from(FRAME_MS)) as u64
}

impl StreamParams {
    /// Returns how each channel of this stream cuts and reports.
    pub fn channel_config(&self, live: &LiveConfig) -> ChannelConfig {
        ChannelConfig {
            segment: live.segment,
            interims: self.interim_results,
            step_frames: frames(live.interim_step),
            late_step_frames: frames(live.interim_late_step),
            late_after_frames: frames(live.interim_late_after),
            endpointing_frames: self.endpointing_ms.map(|ms| u64::from(SegmentConfig::frames(ms))),
            utterance_end_frames: self.utterance_end_ms.map(|ms| u64::from(SegmentConfig::frames(ms))),
            silence_report_frames: frames(live.silence_report).max(1),
            vad_events: self.vad_events,
        }
    }

    /// Returns the length in seconds of `bytes` of this stream's audio.
    pub fn seconds(&self, bytes: u64) -> f64 {
        bytes as f64 / self.instant_bytes() as f64 / f64::from(self.format.sample_rate_hz)
    }

    /// Returns the bytes of whole samples of all channels in `duration` of this stream's audio, at least one sample's.
    pub fn bytes(&self, duration: Duration) -> usize {
        let instants = duration.as_secs_f64() * f64::from(self.format.sample_rate_hz);
        (instants.max(1.0) as usize) * self.instant_bytes()
    }

    /// One sample of each channel.
    fn instant_bytes(&self) -> usize {
        self.format.encoding.bytes_per_sample() as usize * usize::from(self.format.channels)
    }
}
