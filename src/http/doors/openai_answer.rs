//! A transcript in OpenAI's shapes (`wire.md` §5b, §5c). Times are seconds. Pure.

use crate::http::doors::openai_form::Form;
use crate::http::doors::routing::primary;
use crate::http::doors::words;
use serde::Serialize;
use sottovoce_protocol::transcript::{self, Transcript};

/// `response_format=json`.
#[derive(Clone, PartialEq, Debug, Serialize)]
pub struct Plain {
    /// The text, empty for silence.
    pub text: String,
    /// What it is billed by.
    pub usage: Usage,
}

/// Seconds of audio, rounded up.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
pub struct Usage {
    #[serde(rename = "type")]
    kind: &'static str,
    seconds: u64,
}

/// `response_format=verbose_json`.
#[derive(Clone, PartialEq, Debug, Serialize)]
pub struct Verbose {
    /// `transcribe` or `translate`.
    pub task: &'static str,
    /// English name of the language of the text.
    pub language: String,
    /// Seconds of audio.
    pub duration: f64,
    /// The text.
    pub text: String,
    /// With `timestamp_granularities[]=word`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub words: Option<Vec<Word>>,
    /// Unless only words were asked for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub segments: Option<Vec<Segment>>,
    /// What it is billed by.
    pub usage: Usage,
}

/// A word as written.
#[derive(Clone, PartialEq, Debug, Serialize)]
pub struct Word {
    word: String,
    start: f64,
    end: f64,
}

/// A segment. Every field is required by the client libraries; those that only OpenAI's model has are constant.
#[derive(Clone, PartialEq, Debug, Serialize)]
pub struct Segment {
    id: u64,
    /// Start in hundredths of a second.
    seek: u64,
    start: f64,
    end: f64,
    text: String,
    /// Always empty: its numbers would mean nothing to whoever knows another model's.
    tokens: Vec<u32>,
    /// Always 0: nothing is sampled.
    temperature: f64,
    /// Natural logarithm of the segment's confidence.
    avg_logprob: f64,
    /// Always 1: not measured.
    compression_ratio: f64,
    /// Always 0: a segment is there because speech was heard.
    no_speech_prob: f64,
}

/// Shapes a text.
pub fn plain(text: String, duration_s: f64) -> Plain {
    Plain { text, usage: usage(duration_s) }
}

/// Shapes a transcript with what the form asks for.
pub fn verbose(task: &'static str, transcript: Transcript, form: &Form) -> Verbose {
    Verbose {
        task,
        language: language_name(&transcript.language),
        duration: transcript.duration_seconds,
        words: form.wants_words().then(|| {
            let words = words::of_channel(&transcript.segments, 0).into_iter();
            words.map(|word| Word { word: word.word, start: word.start, end: word.end }).collect()
        }),
        segments: form.wants_segments().then(|| transcript.segments.iter().map(segment).collect()),
        usage: usage(transcript.duration_seconds),
        text: transcript.text,
    }
}

/// Shapes a translated text, which has no times.
pub fn translated(text: String, duration_s: f64) -> Verbose {
    Verbose {
        task: "translate",
        language: "english".into(),
        duration: duration_s,
        text,
        words: None,
        segments: None,
        usage: usage(duration_s),
    }
}

fn usage(duration_s: f64) -> Usage {
    Usage { kind: "duration", seconds: duration_s.ceil() as u64 }
}

fn segment(segment: &transcript::Segment) -> Segment {
    const LEAST: f64 = 1e-4;
    Segment {
        id: segment.id,
        seek: (segment.start * 100.0) as u64,
        start: segment.start,
        end: segment.end,
        text: segment.text.clone(),
        tokens: Vec::new(),
        temperature: 0.0,
        avg_logprob: words::round(f64::from(segment.confidence).clamp(LEAST, 1.0).ln(), 10_000.0),
        compression_ratio: 1.0,
        no_speech_prob: 0.0,
    }
}

/// Returns the English name of a language, lower case, as OpenAI's; its code where the name is not known.
fn language_name(language: &str) -> String {
    let code = primary(language);
    let name = match code.as_str() {
        "ar" => "arabic",
        "de" => "german",
        "en" => "english",
        "es" => "spanish",
        "fr" => "french",
        "it" => "italian",
        "ja" => "japanese",
        "ko" => "korean",
        "nl" => "dutch",
        "pl" => "polish",
        "pt" => "portuguese",
        "ru" => "russian",
        "uk" => "ukrainian",
        "vi" => "vietnamese",
        "zh" => "chinese",
        _ => return code,
    };
    name.to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{Value, json};
    use sottovoce_protocol::ids::JobId;
    use uuid::Uuid;

    fn answer(fields: &[(&str, &str)]) -> Value {
        let mut form = Form::default();
        for (name, value) in fields {
            form.take(name, value.as_bytes()).unwrap();
        }
        let word =
            |word: &str, start, end| transcript::Word { word: word.into(), start, end, confidence: 0.5 };
        let said = transcript::Segment {
            id: 0,
            start: 0.52,
            end: 1.5,
            text: "Well, then.".into(),
            confidence: 0.5,
            channel: 0,
            words: vec![word("Well,", 0.52, 0.9), word("then.", 1.0, 1.5)],
        };
        let transcript = Transcript {
            translations: Default::default(),
            version: 1,
            job: JobId::from_uuid(Uuid::nil()),
            language: "en-GB".into(),
            duration_seconds: 2.25,
            engine: "embedded".into(),
            model: "moonshine".into(),
            text: "Well, then.".into(),
            segments: vec![said],
        };
        serde_json::to_value(verbose("transcribe", transcript, &form)).unwrap()
    }

    #[test]
    #[expect(
        clippy::approx_constant,
        reason = "the logarithm of a confidence of one half, rounded as it is sent"
    )]
    fn segments_have_every_field_that_libraries_require() {
        let segment = json!({
            "id": 0, "seek": 52, "start": 0.52, "end": 1.5, "text": "Well, then.", "tokens": [], "temperature": 0.0,
            "avg_logprob": -0.6931, "compression_ratio": 1.0, "no_speech_prob": 0.0,
        });
        let expected = json!({
            "task": "transcribe", "language": "english", "duration": 2.25, "text": "Well, then.",
            "segments": [segment], "usage": {"type": "duration", "seconds": 3},
        });
        assert_eq!(answer(&[]), expected);
    }

    #[test]
    fn words_come_when_they_are_asked_for() {
        let words = json!([
            {"word": "Well,", "start": 0.52, "end": 0.9}, {"word": "then.", "start": 1.0, "end": 1.5},
        ]);
        let only = answer(&[("timestamp_granularities[]", "word")]);
        assert_eq!((&only["words"], only.get("segments")), (&words, None));
        let both = answer(&[("timestamp_granularities[]", "word"), ("timestamp_granularities[]", "segment")]);
        assert!(both["words"] == words && both["segments"].is_array());
    }

    #[test]
    fn a_text_alone_has_its_usage() {
        let plain = serde_json::to_value(plain("Well.".into(), 0.0)).unwrap();
        assert_eq!(plain, json!({"text": "Well.", "usage": {"type": "duration", "seconds": 0}}));
    }
}
