//! From records to figures. Pure: no clock, no socket.

use super::stream::{Behaviour, End, Record};
use crate::audio::SAMPLE_RATE_HZ;
use crate::caption::final_text;
use crate::contiguity::{self, Contiguity};
use crate::lag::{Drift, drift, lags};
use crate::manifest::References;
use crate::pacing::Schedule;
use crate::playlist::Programme;
use crate::proc::Usage;
use crate::stats::{Spread, mean};
use crate::words::{WordErrors, normalised_words, text_errors};
use serde::Serialize;
use std::collections::BTreeMap;

/// What one stream showed. Lags and times in seconds.
#[derive(Clone, Debug, Serialize)]
pub struct StreamFigures {
    /// Number of the stream, from 0.
    pub stream: usize,
    /// Its job.
    pub request_id: Option<String>,
    /// Whether the client behaved.
    pub well_behaved: bool,
    /// How it ended.
    pub end: End,
    /// When, from its start.
    pub ended_at_s: f64,
    /// Seconds of audio sent, times channels.
    pub audio_s: f64,
    /// Lag of interims with words.
    pub interim_lag: Spread,
    /// Lag of finals with words.
    pub final_lag: Spread,
    /// Lag of finals without words.
    pub empty_final_lag: Spread,
    /// Arrival of the first words less the time their first sample was sent.
    pub first_words: Option<f64>,
    /// How late the client itself was with its pieces.
    pub sending_late: Spread,
    /// Final lag at the beginning and at the end.
    pub drift: Option<Drift>,
    /// The promises about spans.
    pub contiguity: Contiguity,
    /// Captions that cover audio which was not sent.
    pub beyond_sent: usize,
    /// Text frames that the protocol does not know.
    pub unknown_frames: usize,
    /// `Metadata.duration` less the seconds sent.
    pub metadata_off: Option<f64>,
    /// Words heard (finals, all channels).
    pub words: usize,
    /// Errors against the reference, all channels.
    pub word_errors: Option<WordErrors>,
    #[serde(skip)]
    samples: LagSamples,
}

/// The single figures behind the spreads, to be pooled.
#[derive(Clone, Debug, Default)]
struct LagSamples {
    interim: Vec<f64>,
    finals: Vec<f64>,
    sending_late: Vec<f64>,
}

/// Computes the figures of one stream.
pub fn measure(
    stream: usize,
    record: &Record,
    programme: &Programme,
    references: Option<&References>,
) -> StreamFigures {
    let channels = programme.channels();
    let sent_s = record.sent.frames() as f64 / f64::from(SAMPLE_RATE_HZ);
    let in_order = matches!(record.ended.end, End::Closed { code: 1000, .. });
    let found = lags(&record.captions, &record.sent, SAMPLE_RATE_HZ);
    let finals: Vec<f64> = found.finals.iter().map(|f| f.lag_s).collect();
    let late = record.sent.lateness_s(Schedule { rate_hz: SAMPLE_RATE_HZ });
    let texts: Vec<String> = (0..channels).map(|channel| final_text(&record.captions, channel)).collect();
    StreamFigures {
        stream,
        request_id: record.request_id.clone(),
        well_behaved: record.behaviour == Behaviour::Good,
        end: record.ended.end.clone(),
        ended_at_s: record.ended.at.as_secs_f64(),
        audio_s: sent_s * f64::from(channels),
        interim_lag: Spread::of(&found.interim_s),
        final_lag: Spread::of(&finals),
        empty_final_lag: Spread::of(&found.empty_final_s),
        first_words: found.first_words_s,
        sending_late: Spread::of(&late),
        drift: drift(&found.finals, sent_s),
        contiguity: contiguity::check(&record.captions, channels, in_order.then_some(sent_s)),
        beyond_sent: found.beyond_sent,
        unknown_frames: record.unknown_frames,
        metadata_off: record.metadata_s.map(|duration| duration - sent_s),
        words: texts.iter().map(|text| normalised_words(text).len()).sum(),
        word_errors: references.filter(|_| in_order).and_then(|r| errors(&texts, programme, r)),
        samples: LagSamples { interim: found.interim_s, finals, sending_late: late },
    }
}

fn errors(texts: &[String], programme: &Programme, references: &References) -> Option<WordErrors> {
    let mut sum = WordErrors::default();
    for (channel, text) in (0..).zip(texts) {
        sum.add(&text_errors(&programme.reference(channel, references)?, text));
    }
    Some(sum)
}

/// What all streams showed together.
#[derive(Clone, Debug, Serialize)]
pub struct LiveFigures {
    /// Streams asked for.
    pub asked: usize,
    /// Streams whose handshake succeeded.
    pub accepted: usize,
    /// Refused handshakes by `status retry-after err_code`.
    pub refused: BTreeMap<String, usize>,
    /// Ends of accepted streams by close code and reason.
    pub ends: BTreeMap<String, usize>,
    /// Seconds of audio sent over all streams and channels.
    pub audio_s: f64,
    /// Server CPU seconds per audio second.
    pub cpu_per_audio_s: Option<f64>,
    /// Memory from start to peak, per accepted stream, in bytes.
    pub rss_per_stream_bytes: Option<f64>,
    /// Memory from minute 2 to the end, in bytes.
    pub rss_after_minute_2_bytes: Option<i64>,
    /// Lag of interims with words, well-behaved streams pooled.
    pub interim_lag: Spread,
    /// Lag of finals with words, pooled.
    pub final_lag: Spread,
    /// The largest p95 of final lag of any one stream.
    pub worst_final_p95: f64,
    /// Latency of first words, over streams.
    pub first_words: Spread,
    /// Lateness of the client itself, pooled.
    pub sending_late: Spread,
    /// Mean drift over streams.
    pub drift: Option<Drift>,
    /// Faults summed over well-behaved streams.
    pub contiguity: Contiguity,
    /// Captions that cover audio not sent.
    pub beyond_sent: usize,
    /// Frames that the protocol does not know.
    pub unknown_frames: usize,
    /// Errors against references.
    pub word_errors: Option<WordErrors>,
    /// Word error rate by the compact normaliser.
    pub wer: Option<f64>,
    /// Each stream.
    pub streams: Vec<StreamFigures>,
}

/// Sums the streams up.
pub fn summarise(streams: Vec<StreamFigures>, records: &[Record], usage: &Usage) -> LiveFigures {
    let accepted = records.iter().filter(|record| record.is_accepted()).count();
    let good: Vec<&StreamFigures> = streams
        .iter()
        .zip(records)
        .filter(|(s, r)| s.well_behaved && r.is_accepted())
        .map(|(s, _)| s)
        .collect();
    let pool = |of: fn(&LagSamples) -> &Vec<f64>| {
        Spread::of(&good.iter().flat_map(|s| of(&s.samples)).copied().collect::<Vec<_>>())
    };
    let audio_s = streams.iter().map(|s| s.audio_s).sum();
    let mut contiguity = Contiguity::default();
    good.iter().for_each(|s| contiguity.add(&s.contiguity));
    let word_errors = good.iter().filter_map(|s| s.word_errors).reduce(|mut sum, errors| {
        sum.add(&errors);
        sum
    });
    let firsts: Vec<f64> = good.iter().filter_map(|s| s.first_words).collect();
    LiveFigures {
        asked: records.len(),
        accepted,
        refused: count(records.iter().filter_map(|record| refusal_label(&record.ended.end))),
        ends: count(records.iter().filter(|r| r.is_accepted()).map(|record| end_label(&record.ended.end))),
        audio_s,
        cpu_per_audio_s: usage.cpu_per_audio_s(audio_s),
        rss_per_stream_bytes: usage.growth_per(accepted),
        rss_after_minute_2_bytes: usage.growth_after_minute_2(),
        interim_lag: pool(|s| &s.interim),
        final_lag: pool(|s| &s.finals),
        worst_final_p95: good.iter().map(|s| s.final_lag.p95).fold(0.0, f64::max),
        first_words: Spread::of(&firsts),
        sending_late: pool(|s| &s.sending_late),
        drift: mean_drift(&good),
        contiguity,
        beyond_sent: good.iter().map(|s| s.beyond_sent).sum(),
        unknown_frames: good.iter().map(|s| s.unknown_frames).sum(),
        wer: word_errors.and_then(|errors| errors.rate()),
        word_errors,
        streams,
    }
}

impl LiveFigures {
    /// Returns whether every accepted, well-behaved stream ended with 1000 and kept the promises about spans.
    pub fn promises_kept(&self) -> bool {
        let good = self.streams.iter().filter(|s| s.well_behaved);
        let ended = good.clone().all(|s| matches!(s.end, End::Refused(_) | End::Closed { code: 1000, .. }));
        ended && self.contiguity.is_kept() && self.beyond_sent == 0 && self.unknown_frames == 0
    }
}

fn mean_drift(streams: &[&StreamFigures]) -> Option<Drift> {
    let drifts: Vec<Drift> = streams.iter().filter_map(|s| s.drift).collect();
    let of = |pick: fn(&Drift) -> f64| mean(&drifts.iter().map(pick).collect::<Vec<_>>());
    (!drifts.is_empty()).then(|| Drift {
        window_s: of(|d| d.window_s),
        first_s: of(|d| d.first_s),
        last_s: of(|d| d.last_s),
    })
}

fn count(labels: impl Iterator<Item = String>) -> BTreeMap<String, usize> {
    labels.fold(BTreeMap::new(), |mut counts, label| {
        *counts.entry(label).or_default() += 1;
        counts
    })
}

fn refusal_label(end: &End) -> Option<String> {
    match end {
        End::Refused(refusal) => {
            let retry = refusal
                .retry_after
                .as_ref()
                .map_or_else(String::new, |after| format!(" retry-after {after}"));
            let code = crate::rest::problem_code(refusal.body.as_bytes());
            Some(format!("{}{retry} {code}", refusal.status).trim_end().to_owned())
        }
        End::NotOpened { detail } => Some(format!("not opened: {detail}")),
        _ => None,
    }
}

/// Returns an end in a few words.
pub fn end_label(end: &End) -> String {
    match end {
        End::Closed { code, reason } => format!("{code} {reason}").trim_end().to_owned(),
        End::Broken { detail } => format!("broken: {detail}"),
        End::Aborted => "aborted by the client".into(),
        End::TimedOut => "not closed by the server in time".into(),
        End::Refused(refusal) => format!("refused {}", refusal.status),
        End::NotOpened { detail } => format!("not opened: {detail}"),
    }
}
