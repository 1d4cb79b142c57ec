//! The query of `GET /v1/listen`, read as Deepgram's clients write it (`wire.md` §4a). Pure; knows no request.
//!
//! Booleans are case-insensitive and unknown names are ignored, because real clients need both.

use crate::http::pairs::{BadParameter, Pairs, bad};
use sottovoce_actors::ports::ear::{AudioFormat, Encoding};
use std::collections::BTreeMap;

/// What a client asked for in the query.
#[derive(Clone, PartialEq, Debug)]
pub struct ListenQuery {
    /// As given; whether and to what it maps is the routing table's affair.
    pub model: Option<String>,
    /// BCP-47, as given.
    pub language: Option<String>,
    /// Raw audio format.
    pub format: AudioFormat,
    /// Growing captions.
    pub interim_results: bool,
    /// Milliseconds of silence for `speech_final`; `None`: off.
    pub endpointing_ms: Option<u32>,
    /// Milliseconds of silence for `UtteranceEnd`.
    pub utterance_end_ms: Option<u32>,
    /// Say `SpeechStarted`.
    pub vad_events: bool,
    /// Punctuation and case (`punctuate` or `smart_format`).
    pub punctuate: bool,
    /// Echoed back.
    pub extra: BTreeMap<String, String>,
}

const MAX_CHANNELS: u16 = 20;
const MIN_SAMPLE_RATE_HZ: u32 = 4_000;
const MAX_SAMPLE_RATE_HZ: u32 = 192_000;
const DEFAULT_ENDPOINTING_MS: u32 = 10;
const MAX_SILENCE_MS: u32 = 60_000;

impl ListenQuery {
    /// Reads decoded name–value pairs in their order.
    pub fn parse(pairs: &[(String, String)]) -> Result<Self, BadParameter> {
        let query = Pairs(pairs);
        if query.last("callback").is_some() {
            return bad(
                "callback is not supported on live streams: read the captions from this socket, or subscribe on /ws",
            );
        }
        let interim_results = query.flag("interim_results")?;
        let utterance_end_ms = query.number("utterance_end_ms", 100, MAX_SILENCE_MS)?;
        if utterance_end_ms.is_some() && !interim_results {
            return bad("utterance_end_ms needs interim_results=true");
        }
        Ok(Self {
            model: query.last("model").map(str::to_owned),
            language: query.last("language").map(str::to_owned),
            format: format(&query)?,
            interim_results,
            endpointing_ms: endpointing(&query)?,
            utterance_end_ms,
            vad_events: query.flag("vad_events")?,
            punctuate: query.flag("punctuate")? | query.flag("smart_format")?,
            extra: query.extra()?,
        })
    }
}

fn endpointing(query: &Pairs<'_>) -> Result<Option<u32>, BadParameter> {
    match query.last("endpointing").map(str::to_ascii_lowercase).as_deref() {
        None | Some("true") => Ok(Some(DEFAULT_ENDPOINTING_MS)),
        Some("false") => Ok(None),
        Some(_) => query.number("endpointing", 0, MAX_SILENCE_MS),
    }
}

fn format(query: &Pairs<'_>) -> Result<AudioFormat, BadParameter> {
    let encoding = match query.last("encoding").map(str::to_ascii_lowercase).as_deref() {
        Some("linear16") => Encoding::Linear16,
        Some("linear32") => Encoding::Linear32,
        Some("mulaw") => Encoding::Mulaw,
        Some("alaw") => Encoding::Alaw,
        Some(_) => {
            return bad("encoding must be linear16, linear32, mulaw or alaw; send files to POST /v1/listen");
        }
        None => {
            return bad(
                "give encoding (e.g. encoding=linear16) and sample_rate: live audio must be raw samples",
            );
        }
    };
    let Some(sample_rate_hz) = query.number("sample_rate", MIN_SAMPLE_RATE_HZ, MAX_SAMPLE_RATE_HZ)? else {
        return bad("give sample_rate with encoding, e.g. sample_rate=16000");
    };
    let channels = query.number("channels", 1, u32::from(MAX_CHANNELS))?.unwrap_or(1) as u16;
    let multichannel = query.flag("multichannel")?;
    Ok(AudioFormat { encoding, sample_rate_hz, channels, multichannel: multichannel && channels > 1 })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(query: &str) -> Result<ListenQuery, BadParameter> {
        let pairs: Vec<_> = query
            .split('&')
            .filter_map(|pair| pair.split_once('='))
            .map(|(name, value)| (name.to_owned(), value.to_owned()))
            .collect();
        ListenQuery::parse(&pairs)
    }

    #[test]
    fn what_livekit_sends_is_understood() {
        let query = parse(
            "model=nova-2-general&punctuate=true&smart_format=false&no_delay=true&interim_results=true&\
             encoding=linear16&vad_events=true&sample_rate=16000&channels=1&endpointing=25&filler_words=true&\
             profanity_filter=false&numerals=false&mip_opt_out=false&language=en-US",
        )
        .unwrap();
        assert_eq!(query.model.as_deref(), Some("nova-2-general"));
        assert_eq!(query.endpointing_ms, Some(25));
        assert!(query.punctuate && query.interim_results && query.vad_events);
        assert_eq!(query.format.heard_channels(), 1);
    }

    #[test]
    fn booleans_are_case_insensitive_and_the_last_value_wins() {
        let query =
            parse("encoding=Linear16&sample_rate=8000&interim_results=True&endpointing=false").unwrap();
        assert!(query.interim_results);
        assert_eq!(query.endpointing_ms, None);
        let query = parse("encoding=mulaw&sample_rate=16000&sample_rate=8000").unwrap();
        assert_eq!(query.format.sample_rate_hz, 8000);
    }

    #[test]
    fn multichannel_hears_each_channel() {
        let query = parse("encoding=linear16&sample_rate=8000&channels=2&multichannel=true").unwrap();
        assert_eq!(query.format.heard_channels(), 2);
        let mixed = parse("encoding=linear16&sample_rate=8000&channels=2").unwrap();
        assert_eq!(mixed.format.heard_channels(), 1);
    }

    #[test]
    fn what_cannot_be_honoured_is_refused_in_a_sentence() {
        for query in [
            "",
            "encoding=linear16",
            "sample_rate=16000",
            "encoding=opus&sample_rate=48000",
            "encoding=linear16&sample_rate=0",
            "encoding=linear16&sample_rate=16000&channels=21",
            "encoding=linear16&sample_rate=16000&channels=0",
            "encoding=linear16&sample_rate=16000&interim_results=maybe",
            "encoding=linear16&sample_rate=16000&endpointing=soon",
            "encoding=linear16&sample_rate=16000&utterance_end_ms=1000",
            "encoding=linear16&sample_rate=16000&extra=novalue",
            "encoding=linear16&sample_rate=16000&callback=http://127.0.0.1/",
        ] {
            let error = parse(query).unwrap_err();
            assert!(error.to_string().contains(' '), "{query}");
        }
    }

    #[test]
    fn extra_is_kept_by_name() {
        let query = parse("encoding=linear16&sample_rate=16000&extra=a:1&extra=b:x:y&extra=a:2").unwrap();
        assert_eq!(query.extra, BTreeMap::from([("a".into(), "2".into()), ("b".into(), "x:y".into())]));
    }
}
