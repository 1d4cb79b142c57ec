//! Captions as the wire, the bus and the artifacts want them. Pure.

use crate::session::channel::{Caption, Saying};
use crate::session::params::StreamParams;
use crate::transcript::bare_word;
use sottovoce_protocol::live::{Alternative, Channel, ResultsMetadata, ServerFrame, Word};
use sottovoce_protocol::status;
use sottovoce_protocol::transcript;
use std::collections::BTreeMap;

/// Rounds to milliseconds, as clients show times.
fn ms(seconds: f64) -> f64 {
    (seconds * 1000.0).round() / 1000.0
}

fn confidence(value: f32) -> f64 {
    (f64::from(value) * 10_000.0).round() / 10_000.0
}

/// Returns what a channel says as a Deepgram frame.
pub fn live_frame(params: &StreamParams, channel: u16, saying: &Saying) -> ServerFrame {
    let index = [channel, params.format.heard_channels()];
    match saying {
        Saying::SpeechStarted(timestamp) => {
            ServerFrame::SpeechStarted { channel: index, timestamp: ms(*timestamp) }
        }
        Saying::UtteranceEnd(last_word_end) => {
            ServerFrame::UtteranceEnd { channel: index, last_word_end: ms(*last_word_end) }
        }
        Saying::Caption(caption) => results(params, index, caption),
    }
}

fn results(params: &StreamParams, channel_index: [u16; 2], caption: &Caption) -> ServerFrame {
    let words: Vec<Word> = caption
        .words
        .iter()
        .map(|word| Word {
            word: bare_word(&word.text),
            start: ms(f64::from(word.start_s)),
            end: ms(f64::from(word.end_s)),
            confidence: confidence(word.confidence),
            punctuated_word: params.punctuate.then(|| word.text.clone()),
        })
        .filter(|word| params.punctuate || !word.word.is_empty())
        .collect();
    let transcript = if params.punctuate {
        caption.text.clone()
    } else {
        words.iter().map(|word| word.word.as_str()).collect::<Vec<_>>().join(" ")
    };
    ServerFrame::Results {
        channel_index,
        duration: ms(caption.end_s - caption.start_s),
        start: ms(caption.start_s),
        is_final: caption.is_final,
        speech_final: caption.speech_final,
        from_finalize: caption.from_finalize,
        channel: Channel {
            alternatives: vec![Alternative { transcript, confidence: confidence(caption.confidence), words }],
        },
        metadata: ResultsMetadata {
            request_id: params.job.to_string(),
            model_uuid: params.model_uuid.clone(),
            model_info: params.model_info.clone(),
            extra: params.extra.clone(),
        },
    }
}

/// Returns the last frame of a stream.
pub fn metadata_frame(
    params: &StreamParams,
    sha256: String,
    created: String,
    duration_s: f64,
) -> ServerFrame {
    ServerFrame::Metadata {
        transaction_key: "deprecated".into(),
        request_id: params.job.to_string(),
        sha256,
        created,
        duration: ms(duration_s),
        channels: params.format.heard_channels(),
        models: vec![params.model_uuid.clone()],
        model_info: BTreeMap::from([(params.model_uuid.clone(), params.model_info.clone())]),
        extra: params.extra.clone(),
    }
}

/// Returns the caption that subscribers read.
pub fn bus_caption(params: &StreamParams, channel: u16, seq: u64, caption: &Caption) -> status::Caption {
    status::Caption {
        job: params.job,
        seq,
        is_final: caption.is_final,
        start: ms(caption.start_s),
        end: ms(caption.end_s),
        text: caption.text.clone(),
        lang: params.language.clone(),
        channel,
    }
}

/// Returns a settled caption as a segment of the stream's log. It spans its words, not the silence around them.
pub fn segment(id: u64, channel: u16, caption: &Caption) -> transcript::Segment {
    let start = caption.words.first().map_or(caption.start_s, |word| f64::from(word.start_s));
    let end = caption.words.last().map_or(caption.end_s, |word| f64::from(word.end_s));
    transcript::Segment {
        id,
        start: ms(start),
        end: ms(end.max(start)),
        text: caption.text.clone(),
        confidence: caption.confidence,
        channel,
        words: caption
            .words
            .iter()
            .map(|word| transcript::Word {
                word: word.text.clone(),
                start: ms(f64::from(word.start_s)),
                end: ms(f64::from(word.end_s)),
                confidence: word.confidence,
            })
            .collect(),
    }
}
