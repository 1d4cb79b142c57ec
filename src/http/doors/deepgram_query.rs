//! The query of `POST /v1/listen` (`wire.md` §4h). Pure; knows no request. What this server does not do is ignored, as
//! clients send much of it by default, and told in `metadata.warnings`; what would break a promise is refused.

use crate::http::pairs::{BadParameter, Pairs, bad};
use sottovoce_protocol::prerecorded::Warning;
use std::collections::BTreeMap;

/// Deepgram's default for `utt_split`, in seconds.
const UTT_SPLIT_S: f64 = 0.8;
const MAX_UTT_SPLIT_S: f64 = 600.0;
const MAX_TAG_CHARS: usize = 128;
const MAX_TAGS: usize = 32;

/// Features of Deepgram's that are not here; asked for by anything but `false`.
const ABSENT: [&str; 18] = [
    "custom_intent",
    "custom_topic",
    "detect_entities",
    "detect_language",
    "diarize",
    "diarize_model",
    "dictation",
    "intents",
    "keyterm",
    "keywords",
    "measurements",
    "numerals",
    "profanity_filter",
    "replace",
    "search",
    "sentiment",
    "summarize",
    "topics",
];

/// What a client asked for in the query.
#[derive(Clone, PartialEq, Debug)]
pub struct FileQuery {
    /// As given.
    pub model: Option<String>,
    /// BCP-47, as given.
    pub language: Option<String>,
    /// Punctuation and case.
    pub punctuate: bool,
    /// Paragraphs and sentences.
    pub paragraphs: bool,
    /// Utterances, cut at pauses of so many seconds.
    pub utterances_s: Option<f64>,
    /// Each channel by itself.
    pub multichannel: bool,
    /// Echoed back.
    pub extra: BTreeMap<String, String>,
    /// Echoed back.
    pub tags: Vec<String>,
    /// What was ignored.
    pub warnings: Vec<Warning>,
}

impl FileQuery {
    /// Reads decoded name–value pairs in their order.
    pub fn parse(pairs: &[(String, String)]) -> Result<Self, BadParameter> {
        let query = Pairs(pairs);
        if query.last("callback").is_some() {
            return bad(
                "callback is not supported here: the transcript is in the answer; long files go to POST /saas/jobs",
            );
        }
        if query.all("redact").iter().any(|value| !value.eq_ignore_ascii_case("false")) {
            return bad("redact is not supported: nothing would be left out of the transcript; leave it out");
        }
        if let Some(encoding) = query.last("encoding").filter(|_| query.last("sample_rate").is_some()) {
            return bad(format!(
                "raw samples (encoding={encoding}) are for live streams; send a file such as WAV, without encoding and \
                 sample_rate"
            ));
        }
        let smart = query.flag("smart_format")?;
        let paragraphs = query.flag("paragraphs")? | smart;
        let utterances = query.flag("utterances")?;
        let utt_split_s = utt_split_s(&query)?;
        let tags: Vec<String> = query.all("tag").into_iter().map(str::to_owned).collect();
        if tags.len() > MAX_TAGS || tags.iter().any(|tag| tag.chars().count() > MAX_TAG_CHARS) {
            return bad(format!("there may be {MAX_TAGS} tags of {MAX_TAG_CHARS} characters each"));
        }
        Ok(Self {
            model: query.last("model").map(str::to_owned),
            language: query.last("language").map(str::to_owned),
            punctuate: query.flag("punctuate")? | paragraphs,
            paragraphs,
            utterances_s: utterances.then_some(utt_split_s),
            multichannel: query.flag("multichannel")?,
            extra: query.extra()?,
            tags,
            warnings: warnings(&query),
        })
    }
}

fn utt_split_s(query: &Pairs<'_>) -> Result<f64, BadParameter> {
    let Some(text) = query.last("utt_split") else { return Ok(UTT_SPLIT_S) };
    match text.parse::<f64>() {
        Ok(seconds) if seconds > 0.0 && seconds <= MAX_UTT_SPLIT_S => Ok(seconds),
        _ => bad("utt_split must be a number of seconds, e.g. utt_split=0.8"),
    }
}

fn warnings(query: &Pairs<'_>) -> Vec<Warning> {
    let asked = |name: &&str| query.all(name).iter().any(|value| !value.eq_ignore_ascii_case("false"));
    let warning = |name: &str| Warning {
        parameter: name.to_owned(),
        kind: "unsupported_feature".into(),
        message: format!("{name} is not supported and was ignored"),
    };
    ABSENT.into_iter().filter(asked).map(warning).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(query: &str) -> Result<FileQuery, BadParameter> {
        let pairs: Vec<_> = query
            .split('&')
            .filter_map(|pair| pair.split_once('='))
            .map(|(name, value)| (name.to_owned(), value.to_owned()))
            .collect();
        FileQuery::parse(&pairs)
    }

    #[test]
    fn what_is_not_asked_for_is_off() {
        let query =
            parse("model=nova-3&filler_words=true&mip_opt_out=true&no_delay=true&diarize=false").unwrap();
        assert_eq!(query.model.as_deref(), Some("nova-3"));
        assert!(!query.punctuate && !query.paragraphs && !query.multichannel);
        assert_eq!((query.utterances_s, query.warnings.len()), (None, 0));
    }

    #[test]
    fn smart_format_has_paragraphs_and_paragraphs_have_punctuation() {
        for query in ["smart_format=True", "paragraphs=true"] {
            let query = parse(query).unwrap();
            assert!(query.punctuate && query.paragraphs);
        }
        assert!(!parse("punctuate=true").unwrap().paragraphs);
        assert_eq!(parse("utterances=true").unwrap().utterances_s, Some(0.8));
        assert_eq!(parse("utterances=true&utt_split=1.1").unwrap().utterances_s, Some(1.1));
        assert_eq!(parse("utt_split=1.1").unwrap().utterances_s, None);
    }

    #[test]
    fn what_is_ignored_is_told() {
        let query = parse("diarize=true&summarize=v2&search=hello&topics=false").unwrap();
        let named: Vec<&str> = query.warnings.iter().map(|warning| warning.parameter.as_str()).collect();
        assert_eq!(named, ["diarize", "search", "summarize"]);
    }

    #[test]
    fn what_cannot_be_honoured_is_refused_in_a_sentence() {
        for query in [
            "callback=https://example.org/",
            "redact=pci",
            "redact=false&redact=ssn",
            "encoding=linear16&sample_rate=16000",
            "punctuate=maybe",
            "utt_split=0",
            "utt_split=soon",
            "utt_split=NaN",
            "extra=novalue",
        ] {
            assert!(parse(query).unwrap_err().to_string().contains(' '), "{query}");
        }
        assert!(parse(&format!("tag={}", "x".repeat(129))).is_err());
        assert!(parse("redact=false&encoding=linear16").is_ok());
    }
}
