//! What a translation asks of its params and its file, beyond what a transcription does.

use crate::http::error::ApiError;
use crate::http::state::{HttpLimits, HttpState};
use crate::http::upload::params;
use crate::http::upload::receive::Upload;
use sottovoce_actors::job::{Input, ReadError, read_input, too_long};
use sottovoce_actors::ports::translator::LanguagePair;
use sottovoce_actors::translation::{LOOK_BYTES, Looks, Route, looks, primary};
use sottovoce_protocol::error_code::ErrorCode;
use sottovoce_protocol::jobs::{JobParams, JobType};

/// Language of what names none.
const DEFAULT_LANGUAGE: &str = "en";

/// Checks the languages of params against the directions there are.
pub fn check(params: &JobParams, pairs: &[LanguagePair]) -> Result<(), ApiError> {
    if params.job_type != JobType::Translation {
        return Ok(());
    }
    let asked = params
        .target_language
        .as_deref()
        .ok_or_else(|| ApiError::bad_request("name the language to translate into in `target_language`"))?;
    let language = params.language.as_deref().unwrap_or(DEFAULT_LANGUAGE);
    let known = |tag: &str| {
        primary(tag).ok_or_else(|| ApiError::bad_request(format!("`{tag}` is no language tag (BCP 47)")))
    };
    let (from, to) = (known(language)?, known(asked)?);
    if from == to {
        let detail = "`target_language` is the language of the original; name another, or name the original's in `language`";
        return Err(ApiError::bad_request(detail));
    }
    match Route::find(pairs, &from, &to) {
        Some(_) => Ok(()),
        None => Err(unsupported(&from, &to, pairs)),
    }
}

fn unsupported(from: &str, to: &str, pairs: &[LanguagePair]) -> ApiError {
    let listed: Vec<String> = pairs.iter().map(ToString::to_string).collect();
    let known = match listed.join(", ") {
        none if none.is_empty() => "there is no translation model here".to_owned(),
        pairs => format!("models here: {pairs} (two can be joined through English)"),
    };
    ApiError::new(
        ErrorCode::LanguageUnsupported,
        format!("nothing translates from {from} into {to}; {known}"),
    )
}

/// Counts a text as it comes: texts have a limit of their own, far below that of media.
pub struct TextCount {
    /// `None` where no text is expected.
    limit_bytes: Option<u64>,
    head: Vec<u8>,
    received: u64,
}

impl TextCount {
    pub fn new(params: &JobParams, limits: &HttpLimits) -> Self {
        let limit_bytes = (params.job_type == JobType::Translation).then_some(limits.max_text_bytes);
        Self { limit_bytes, head: Vec::new(), received: 0 }
    }

    /// Counts nothing: speech alone is taken.
    pub const fn none() -> Self {
        Self { limit_bytes: None, head: Vec::new(), received: 0 }
    }

    /// Takes the next bytes; refuses a text that has become too long.
    pub fn count(&mut self, chunk: &[u8]) -> Result<(), ApiError> {
        let Some(limit_bytes) = self.limit_bytes else { return Ok(()) };
        let wanted = LOOK_BYTES.saturating_sub(self.head.len()).min(chunk.len());
        self.head.extend_from_slice(&chunk[..wanted]);
        self.received += chunk.len() as u64;
        if self.received > limit_bytes && looks(&self.head) != Looks::Binary {
            return Err(ApiError::new(ErrorCode::TooLarge, too_long(limit_bytes)));
        }
        Ok(())
    }
}

/// Returns whether an upload is a text to be translated, which is read whole; speech must be of a language that a model
/// understands.
pub async fn is_text(state: &HttpState, upload: &Upload) -> Result<bool, ApiError> {
    if upload.params.job_type != JobType::Translation {
        return Ok(false);
    }
    let file = state.files.open(upload.object.name()).await?;
    let max_bytes = state.limits.max_text_bytes;
    let reading = tokio::task::spawn_blocking(move || read_input(file, max_bytes));
    match tokio::time::timeout(state.limits.probe_timeout, reading).await {
        Ok(Ok(Ok(Input::Text(_)))) => Ok(true),
        Ok(Ok(Ok(Input::Media(_)))) => {
            params::check_language(&upload.params, &state.models)?;
            Ok(false)
        }
        Ok(Ok(Err(ReadError::Refused { code, detail }))) => Err(ApiError::new(code, detail)),
        Ok(Ok(Err(ReadError::Storage(error)))) => {
            tracing::warn!(%error, "upload cannot be read");
            Err(ApiError::new(ErrorCode::StorageUnavailable, "the file storage does not answer; try again"))
        }
        Ok(Err(error)) => {
            tracing::error!(%error, "text reader panicked on an upload");
            Err(ApiError::new(ErrorCode::Internal, "the server failed; try again later"))
        }
        // Queued unseen; its job finds out.
        Err(_) => Ok(true),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn outcome(json: &str) -> Result<(), (ErrorCode, String)> {
        let pairs = [("en", "pt"), ("pt", "en"), ("en", "de")].map(|(from, to)| LanguagePair::new(from, to));
        let params: JobParams = serde_json::from_str(json).expect("params");
        check(&params, &pairs).map_err(|error| (error.code(), error.detail().to_owned()))
    }

    #[test]
    fn directions_with_a_way_pass() {
        for json in [
            r#"{"type":"transcription"}"#,
            r#"{"type":"translation","target_language":"pt"}"#,
            r#"{"type":"translation","target_language":"pt-BR","language":"en-GB"}"#,
            r#"{"type":"translation","target_language":"DE","language":"pt"}"#,
        ] {
            assert_eq!(outcome(json), Ok(()), "{json}");
        }
    }

    #[test]
    fn what_has_no_way_is_refused_with_what_there_is() {
        for (json, code, told) in [
            (r#"{"type":"translation"}"#, ErrorCode::BadRequest, "`target_language`"),
            (r#"{"type":"translation","target_language":"en"}"#, ErrorCode::BadRequest, "`language`"),
            (r#"{"type":"translation","target_language":"../x"}"#, ErrorCode::BadRequest, "no language tag"),
            (
                r#"{"type":"translation","target_language":"fr"}"#,
                ErrorCode::LanguageUnsupported,
                "en-pt, pt-en, en-de",
            ),
            (
                r#"{"type":"translation","target_language":"pt","language":"de"}"#,
                ErrorCode::LanguageUnsupported,
                "from de into pt",
            ),
        ] {
            let (refused, detail) = outcome(json).expect_err(json);
            assert_eq!(refused, code, "{json}");
            assert!(detail.contains(told), "{json}: {detail}");
        }
        let none = check(
            &serde_json::from_str(r#"{"type":"translation","target_language":"pt"}"#).expect("params"),
            &[],
        );
        assert!(none.expect_err("no model").detail().contains("no translation model here"));
    }
}
