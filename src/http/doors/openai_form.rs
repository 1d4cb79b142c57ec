//! The fields of OpenAI's audio forms (`wire.md` §5a, §5c). Pure. What has no effect here (`prompt`, `temperature`, voices of
//! known speakers, …) is read past, as clients send it by default.

use crate::http::error::ApiError;

/// How the answer is written.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum Format {
    /// `{text, usage}`.
    #[default]
    Json,
    /// The text alone.
    Text,
    /// SubRip.
    Srt,
    /// Text with segments and words.
    VerboseJson,
    /// WebVTT.
    Vtt,
}

/// What a client asked for.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Form {
    /// As given.
    pub model: Option<String>,
    /// As given.
    pub language: Option<String>,
    /// How the answer is written.
    pub format: Format,
    words: bool,
    segments: bool,
}

impl Form {
    /// Takes one field. Lists are sent as `name[]` or as `name`.
    ///
    /// # Errors
    /// `bad_request` about what cannot be honoured.
    pub fn take(&mut self, name: &str, value: &[u8]) -> Result<(), ApiError> {
        match name.strip_suffix("[]").unwrap_or(name) {
            "model" => self.model = Some(text("model", value)?.to_owned()),
            "language" => {
                let language = text("language", value)?;
                self.language = (!language.is_empty()).then(|| language.to_owned());
            }
            "response_format" => self.format = format(text("response_format", value)?)?,
            "temperature" => {
                let temperature = text("temperature", value)?.parse::<f64>();
                if !temperature.is_ok_and(|value| (0.0..=1.0).contains(&value)) {
                    return refuse("temperature", "`temperature` must be a number from 0 to 1");
                }
            }
            "timestamp_granularities" => match text("timestamp_granularities", value)? {
                "word" => self.words = true,
                "segment" => self.segments = true,
                _ => {
                    return refuse(
                        "timestamp_granularities",
                        "`timestamp_granularities` must be `word`, `segment` or both",
                    );
                }
            },
            "stream" if is_true(text("stream", value)?) => {
                return refuse(
                    "stream",
                    "`stream` is not supported here: leave it out and read the whole answer, or stream audio to /v1/listen",
                );
            }
            _ => {}
        }
        Ok(())
    }

    /// Checks the fields together, once all are there.
    ///
    /// # Errors
    /// `bad_request`.
    pub fn check(&self) -> Result<(), ApiError> {
        if (self.words || self.segments) && self.format != Format::VerboseJson {
            return refuse(
                "timestamp_granularities",
                "`timestamp_granularities` needs `response_format=verbose_json`",
            );
        }
        Ok(())
    }

    /// Whether words with times are asked for.
    pub const fn wants_words(&self) -> bool {
        self.words
    }

    /// Whether segments are asked for: so they are where nothing is said of either.
    pub const fn wants_segments(&self) -> bool {
        self.segments || !self.words
    }
}

fn text<'a>(name: &'static str, value: &'a [u8]) -> Result<&'a str, ApiError> {
    let text = std::str::from_utf8(value).map(str::trim);
    text.map_err(|_| ApiError::bad_request(format!("`{name}` must be text in UTF-8")).about(name))
}

fn format(value: &str) -> Result<Format, ApiError> {
    match value {
        "json" => Ok(Format::Json),
        "text" => Ok(Format::Text),
        "srt" => Ok(Format::Srt),
        "verbose_json" => Ok(Format::VerboseJson),
        "vtt" => Ok(Format::Vtt),
        "diarized_json" => {
            refuse("response_format", "`diarized_json` is not supported: speakers are not told apart")
        }
        _ => refuse(
            "response_format",
            "`response_format` must be `json`, `text`, `srt`, `verbose_json` or `vtt`",
        ),
    }
}

fn is_true(value: &str) -> bool {
    value.eq_ignore_ascii_case("true") || value == "1"
}

fn refuse<T>(param: &'static str, detail: &str) -> Result<T, ApiError> {
    Err(ApiError::bad_request(detail).about(param))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn form(fields: &[(&str, &str)]) -> Result<Form, Option<&'static str>> {
        let mut form = Form::default();
        let taken = fields.iter().try_for_each(|(name, value)| form.take(name, value.as_bytes()));
        taken.and_then(|()| form.check()).map_err(|error| error.param()).map(|()| form)
    }

    #[test]
    fn what_clients_send_is_understood() {
        let form = form(&[
            ("model", "gpt-4o-transcribe"),
            ("language", "en"),
            ("prompt", "Words that may come."),
            ("temperature", "0.2"),
            ("response_format", "verbose_json"),
            ("timestamp_granularities[]", "word"),
            ("timestamp_granularities[]", "segment"),
            ("stream", "False"),
            ("include[]", "logprobs"),
            ("chunking_strategy", "auto"),
        ])
        .unwrap();
        assert_eq!(
            (form.model.as_deref(), form.language.as_deref()),
            (Some("gpt-4o-transcribe"), Some("en"))
        );
        assert!(form.format == Format::VerboseJson && form.wants_words() && form.wants_segments());
    }

    #[test]
    fn segments_are_the_default_and_words_alone_can_be_asked_for() {
        let verbose = ("response_format", "verbose_json");
        let plain = form(&[verbose]).unwrap();
        assert!(plain.wants_segments() && !plain.wants_words());
        let words = form(&[("timestamp_granularities", "word"), verbose]).unwrap();
        assert!(words.wants_words() && !words.wants_segments());
        assert_eq!(form(&[]).unwrap().format, Format::Json);
    }

    #[test]
    fn what_cannot_be_honoured_is_refused_by_name() {
        for (name, value) in [
            ("response_format", "diarized_json"),
            ("response_format", "xml"),
            ("temperature", "hot"),
            ("temperature", "1.5"),
            ("timestamp_granularities[]", "phoneme"),
            ("timestamp_granularities[]", "word"),
            ("stream", "true"),
        ] {
            assert_eq!(form(&[(name, value)]), Err(Some(name.trim_end_matches("[]"))), "{name}={value}");
        }
        assert!(Form::default().take("language", b"\xff").is_err());
    }
}
