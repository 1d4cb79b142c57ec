//! Which model is meant. Clients of `/v1` name models of other services: a name of ours is meant, any other, or none, is the
//! default. Pure.

use crate::http::error::ApiError;
use sottovoce_actors::ports::engine::ModelInfo;
use sottovoce_protocol::error_code::ErrorCode;
use sottovoce_protocol::ids::ModelId;
use sottovoce_protocol::live;
use uuid::Uuid;

/// Returns the model that a client's name stands for.
///
/// # Errors
/// `internal` where not even the default is loaded.
pub fn model<'a>(
    models: &'a [ModelInfo],
    wanted: Option<&str>,
    default: &ModelId,
) -> Result<&'a ModelInfo, ApiError> {
    let known = |id: &str| models.iter().find(|model| model.id.as_str() == id);
    wanted
        .and_then(known)
        .or_else(|| known(default.as_str()))
        .ok_or_else(|| ApiError::new(ErrorCode::Internal, "no speech model is loaded"))
}

/// Returns the language that is spoken: the one asked for, else the model's first. `multi` asks for none.
///
/// # Errors
/// `bad_request` where the model does not understand it.
pub fn language(model: &ModelInfo, wanted: Option<&str>) -> Result<String, ApiError> {
    let Some(language) = wanted.filter(|language| !language.eq_ignore_ascii_case("multi")) else {
        return Ok(model.languages.first().cloned().unwrap_or_default());
    };
    if model.languages.contains(&primary(language)) {
        return Ok(language.to_owned());
    }
    let understood = model.languages.join(", ");
    let detail = format!(
        "the model {} does not understand language={language}; it understands {understood}",
        model.id
    );
    Err(ApiError::bad_request(detail).about("language"))
}

/// Returns the primary subtag of a BCP-47 language, lower case.
pub fn primary(language: &str) -> String {
    language.split('-').next().unwrap_or_default().to_ascii_lowercase()
}

/// Returns a model as Deepgram's clients read it.
pub fn model_info(model: &ModelInfo) -> live::ModelInfo {
    live::ModelInfo { name: model.id.to_string(), version: model.version.clone(), arch: "moonshine".into() }
}

/// A UUID that is the same for a model everywhere: its name's first bytes, in a version 8 (RFC 9562) UUID.
pub fn model_uuid(model: &ModelId) -> Uuid {
    let mut bytes = [0; 16];
    for (index, byte) in model.as_str().bytes().enumerate() {
        bytes[index % 16] ^= byte.rotate_left((index / 16) as u32);
    }
    uuid::Builder::from_custom_bytes(bytes).into_uuid()
}
