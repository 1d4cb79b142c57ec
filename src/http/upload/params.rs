//! Reads and checks the `params` of a submission. Pure.

use crate::http::error::ApiError;
use serde::Deserialize;
use sottovoce_actors::ports::engine::ModelInfo;
use sottovoce_protocol::error_code::ErrorCode;
use sottovoce_protocol::jobs::{JobParams, JobType};
use std::borrow::Cow;

/// Longest `params`, in bytes.
pub const MAX_PARAMS_BYTES: usize = 16 * 1024;

/// The type alone, so that what is said of a wrong one names what can be submitted, not all types there are.
#[derive(Deserialize)]
struct Typed<'a> {
    #[serde(rename = "type", borrow)]
    job_type: Cow<'a, str>,
}

/// Reads the JSON and refuses what this server cannot do.
pub fn parse(json: &[u8], models: &[ModelInfo]) -> Result<JobParams, ApiError> {
    if let Ok(Typed { job_type }) = serde_json::from_slice(json)
        && ![JobType::Transcription, JobType::Translation].map(JobType::as_str).contains(&&*job_type)
    {
        return Err(ApiError::bad_request(
            "this server takes jobs of type `transcription` and `translation`; a live stream is opened on /v1/listen",
        ));
    }
    let params: JobParams = serde_json::from_slice(json)
        .map_err(|error| ApiError::bad_request(format!("`params` is not as described: {error}")))?;
    check(&params, models)?;
    Ok(params)
}

/// Checks params that a door of `/v1` made of its own.
pub fn check_made(params: &JobParams, models: &[ModelInfo]) -> Result<(), ApiError> {
    let json = serde_json::to_vec(params)
        .expect("job params have only strings, numbers and booleans, which always serialise");
    parse(&json, models).map(|_| ())
}

fn check(params: &JobParams, models: &[ModelInfo]) -> Result<(), ApiError> {
    if params.target_language.is_some() && params.job_type != JobType::Translation {
        return Err(ApiError::bad_request("`target_language` is for jobs of type `translation`"));
    }
    if let Some(name) = &params.model
        && !models.iter().any(|model| model.id.as_str() == name)
    {
        let known: Vec<&str> = models.iter().map(|model| model.id.as_str()).collect();
        return Err(ApiError::new(ErrorCode::ModelUnknown, format!("choose one of: {}", known.join(", "))));
    }
    if params.detect_language == Some(true) {
        return Err(unsupported("no loaded model detects languages; name one in `language`"));
    }
    // Whether a translation is of speech is not known before its file is seen.
    if params.job_type == JobType::Translation { Ok(()) } else { check_language(params, models) }
}

/// Refuses a language of speech that no such model understands.
pub fn check_language(params: &JobParams, models: &[ModelInfo]) -> Result<(), ApiError> {
    let Some(language) = &params.language else { return Ok(()) };
    let primary = language.split('-').next().unwrap_or_default().to_ascii_lowercase();
    let meant = |model: &&ModelInfo| params.model.as_ref().is_none_or(|name| model.id.as_str() == name);
    if !models.iter().filter(meant).any(|model| model.languages.contains(&primary)) {
        return Err(unsupported(&format!("no such model understands `{language}`")));
    }
    Ok(())
}

fn unsupported(detail: &str) -> ApiError {
    ApiError::new(ErrorCode::LanguageUnsupported, detail)
}

#[cfg(test)]
mod tests {
    use super::*;
    use sottovoce_protocol::ids::ModelId;

    fn outcome(json: &str) -> Result<JobParams, ErrorCode> {
        let model = |id: &str, language: &str| ModelInfo {
            id: ModelId::new(id),
            languages: vec![language.to_owned()],
            version: "1".into(),
        };
        parse(json.as_bytes(), &[model("moonshine", "en"), model("other", "de")])
            .map_err(|error| error.code())
    }

    #[test]
    fn what_can_be_done_passes() {
        for json in [
            r#"{"type":"transcription"}"#,
            r#"{"type":"transcription","language":"en-GB","model":"moonshine","priority":3}"#,
            r#"{"type":"transcription","language":"de"}"#,
            r#"{"type":"translation","language":"fr","target_language":"de"}"#,
        ] {
            assert!(outcome(json).is_ok(), "{json}");
        }
    }

    #[test]
    fn a_wrong_type_is_told_what_can_be_submitted() {
        for json in [r#"{"type":"stream"}"#, r#"{"type":"song\u0021","x":1}"#] {
            let refused = parse(json.as_bytes(), &[]).expect_err("refused");
            assert!(
                refused.detail().contains("takes jobs of type `transcription`"),
                "{json}: {}",
                refused.detail()
            );
            assert!(!refused.detail().contains("`stream`"), "{json}: {}", refused.detail());
        }
    }

    #[test]
    fn what_cannot_be_done_is_refused_by_name() {
        for (json, code) in [
            ("", ErrorCode::BadRequest),
            ("[]", ErrorCode::BadRequest),
            ("{}", ErrorCode::BadRequest),
            (r#"{"type":1}"#, ErrorCode::BadRequest),
            (r#"{"type":"transcription","type":"stream"}"#, ErrorCode::BadRequest),
            (r#"{"type":"stream"}"#, ErrorCode::BadRequest),
            (r#"{"type":"transcription","target_language":"pt"}"#, ErrorCode::BadRequest),
            (r#"{"type":"transcription","colour":"red"}"#, ErrorCode::BadRequest),
            (r#"{"type":"transcription","model":"nova"}"#, ErrorCode::ModelUnknown),
            (r#"{"type":"transcription","language":"fr"}"#, ErrorCode::LanguageUnsupported),
            (
                r#"{"type":"transcription","language":"de","model":"moonshine"}"#,
                ErrorCode::LanguageUnsupported,
            ),
            (r#"{"type":"transcription","detect_language":true}"#, ErrorCode::LanguageUnsupported),
        ] {
            assert_eq!(outcome(json), Err(code), "{json}");
        }
    }
}
