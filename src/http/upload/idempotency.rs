//! The `Idempotency-Key` of a submission and what it stands for. Pure.

use crate::http::error::ApiError;
use crate::http::state::HttpState;
use crate::http::upload::receive::Upload;
use actix_web::HttpRequest;
use sha2::{Digest, Sha256};
use sottovoce_actors::hex::hex;
use sottovoce_actors::ports::store::Idempotency;

const HEADER: &str = "idempotency-key";
const MAX_KEY_CHARS: usize = 255;

/// Reads the header: 1 to 255 printable ASCII characters.
pub fn key_of(request: &HttpRequest) -> Result<Option<String>, ApiError> {
    let Some(value) = request.headers().get(HEADER) else { return Ok(None) };
    let key = value.to_str().unwrap_or_default();
    let printable = key.bytes().all(|byte| (b' '..=b'~').contains(&byte));
    if key.is_empty() || key.len() > MAX_KEY_CHARS || !printable {
        return Err(ApiError::bad_request("`Idempotency-Key` must be 1 to 255 printable ASCII characters"));
    }
    Ok(Some(key.to_owned()))
}

/// Binds the key to method, path, params and content.
pub fn of(state: &HttpState, key: String, request: &HttpRequest, upload: &Upload) -> Idempotency {
    let params = serde_json::to_string(&upload.params)
        .expect("job params have only strings, numbers and booleans, which always serialise");
    let mut hash = Sha256::new();
    for part in [request.method().as_str(), request.path(), &params, &upload.stored.sha256] {
        hash.update(part.as_bytes());
        hash.update([0]);
    }
    let ttl_ms = i64::try_from(state.limits.idempotency_ttl.as_millis()).unwrap_or(i64::MAX);
    let request_hash = hex(hash.finalize());
    Idempotency { key, request_hash, expires_at: state.clock.now().plus_ms(ttl_ms) }
}
