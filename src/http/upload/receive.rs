//! Takes the bytes of a submission: a multipart form (`params` before `file`), or the file alone with `params` in a
//! header. Streams, counts and paces; never holds the file in memory.

use crate::http::error::ApiError;
use crate::http::state::HttpState;
use crate::http::upload::pace::Pace;
use crate::http::upload::params::{self, MAX_PARAMS_BYTES};
use crate::http::upload::pending::PendingObject;
use crate::http::upload::translation::{self, TextCount};
use actix_multipart::{Field, Multipart};
use actix_web::http::header::{self, ContentDisposition};
use actix_web::web::Bytes;
use actix_web::{HttpRequest, web};
use futures_util::{Stream, StreamExt};
use sottovoce_actors::ports::files::Stored;
use sottovoce_actors::ports::store::StorageRef;
use sottovoce_protocol::error_code::ErrorCode;
use sottovoce_protocol::ids::JobId;
use sottovoce_protocol::jobs::JobParams;
use std::fmt::Display;

const PARAMS_HEADER: &str = "x-sottovoce-params";
/// What is done with a file that comes alone.
const DEFAULT_PARAMS: &[u8] = br#"{"type":"transcription"}"#;
const MAX_NAME_CHARS: usize = 255;
/// What a form may have besides the file: its parts' heads and `params`.
const FORM_OVERHEAD_BYTES: u64 = 64 * 1024;

/// A file that was received.
pub struct Received {
    pub file_name: Option<String>,
    pub object: PendingObject,
    pub stored: Stored,
}

/// A whole submission.
pub struct Upload {
    pub params: JobParams,
    pub file_name: Option<String>,
    pub object: PendingObject,
    pub stored: Stored,
}

/// Receives the submission of the job `id`.
pub async fn receive(
    state: &HttpState,
    request: &HttpRequest,
    payload: web::Payload,
    id: JobId,
) -> Result<Upload, ApiError> {
    let received = refuse_early(state, request);
    let received = match received {
        Ok(()) if is_form(request) => receive_form(state, request, payload, id).await,
        Ok(()) => receive_raw(state, request, payload, id).await,
        Err(error) => Err(error),
    };
    // What was not read of the body must not be taken for the next request.
    received.map_err(ApiError::closing)
}

pub(super) fn refuse_early(state: &HttpState, request: &HttpRequest) -> Result<(), ApiError> {
    if request.headers().get(header::CONTENT_ENCODING).is_some_and(|coding| coding != "identity") {
        return Err(ApiError::bad_request("send the body without `Content-Encoding`"));
    }
    let announced =
        request.headers().get(header::CONTENT_LENGTH).and_then(|value| value.to_str().ok()?.parse().ok());
    match announced {
        Some(bytes) if over_limit(bytes, state.limits.max_upload_bytes + FORM_OVERHEAD_BYTES) => {
            Err(too_large(state))
        }
        _ => Ok(()),
    }
}

fn over_limit(bytes: u64, limit: u64) -> bool {
    bytes > limit
}

fn too_large(state: &HttpState) -> ApiError {
    let detail = format!("a file may have at most {} bytes", state.limits.max_upload_bytes);
    ApiError::new(ErrorCode::TooLarge, detail)
}

pub fn is_form(request: &HttpRequest) -> bool {
    content_type(request).starts_with("multipart/form-data")
}

fn content_type(request: &HttpRequest) -> String {
    let value = request.headers().get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok());
    value.unwrap_or_default().trim_start().to_ascii_lowercase()
}

/// Receives a body that is the file alone, as the input of the job `id`.
pub async fn receive_file(
    state: &HttpState,
    request: &HttpRequest,
    payload: web::Payload,
    id: JobId,
) -> Result<Received, ApiError> {
    refuse_early(state, request).map_err(ApiError::closing)?;
    receive_body(state, request, payload, TextCount::none(), id).await.map_err(ApiError::closing)
}

async fn receive_body(
    state: &HttpState,
    request: &HttpRequest,
    mut payload: web::Payload,
    text: TextCount,
    id: JobId,
) -> Result<Received, ApiError> {
    let mut pace = Pace::new(&state.limits);
    let (object, stored) = store(state, &mut payload, &mut pace, text, id).await?;
    Ok(Received { file_name: named(request), object, stored })
}

/// Returns the name that `Content-Disposition` gives, the extended form (RFC 8187) first.
fn named(request: &HttpRequest) -> Option<String> {
    let head = ContentDisposition::from_raw(request.headers().get(header::CONTENT_DISPOSITION)?).ok()?;
    let extended = head.get_filename_ext().map(|name| String::from_utf8_lossy(&name.value).into_owned());
    extended.as_deref().or(head.get_filename()).and_then(shown_name)
}

async fn receive_raw(
    state: &HttpState,
    request: &HttpRequest,
    payload: web::Payload,
    id: JobId,
) -> Result<Upload, ApiError> {
    if content_type(request).starts_with("multipart/") {
        return Err(ApiError::bad_request("the only kind of form is `multipart/form-data`"));
    }
    let json = request.headers().get(PARAMS_HEADER).map_or(DEFAULT_PARAMS, |json| json.as_bytes());
    let params = params::parse(json, &state.models)?;
    check_callback(state, &params)?;
    translation::check(&params, &state.pairs)?;
    let text = TextCount::new(&params, &state.limits);
    let Received { file_name, object, stored } = receive_body(state, request, payload, text, id).await?;
    Ok(Upload { params, file_name, object, stored })
}

async fn receive_form(
    state: &HttpState,
    request: &HttpRequest,
    payload: web::Payload,
    id: JobId,
) -> Result<Upload, ApiError> {
    let mut form = Multipart::new(request.headers(), payload);
    let mut pace = Pace::new(&state.limits);

    let mut field = part(&mut form, &mut pace, "params").await?;
    let json = pace.wait(field.bytes(MAX_PARAMS_BYTES)).await?;
    let json = json
        .map_err(|_| ApiError::bad_request(format!("`params` may have at most {MAX_PARAMS_BYTES} bytes")))?
        .map_err(broken)?;
    let params = params::parse(&json, &state.models)?;
    check_callback(state, &params)?;
    translation::check(&params, &state.pairs)?;
    drop(field);

    let mut field = part(&mut form, &mut pace, "file").await?;
    let file_name = field.content_disposition().and_then(|head| head.get_filename()).and_then(shown_name);
    let text = TextCount::new(&params, &state.limits);
    let (object, stored) = store(state, &mut field, &mut pace, text, id).await?;
    drop(field);

    match pace.wait(form.next()).await? {
        None => Ok(Upload { params, file_name, object, stored }),
        Some(Ok(_)) => Err(ApiError::bad_request("nothing may follow the part `file`")),
        Some(Err(error)) => Err(broken(error)),
    }
}

fn check_callback(state: &HttpState, params: &JobParams) -> Result<(), ApiError> {
    let Some(url) = &params.callback_url else { return Ok(()) };
    let checked = state.callback_policy.check(url);
    checked.map(drop).map_err(|why| ApiError::bad_request(format!("`callback_url` cannot be used: {why}")))
}

async fn part(form: &mut Multipart, pace: &mut Pace, name: &str) -> Result<Field, ApiError> {
    let wrong = || ApiError::bad_request("send the part `params` (JSON) first, then the part `file`");
    let field = pace.wait(form.next()).await?.ok_or_else(wrong)?.map_err(broken)?;
    if field.name() == Some(name) { Ok(field) } else { Err(wrong()) }
}

pub(super) async fn store<E: Display>(
    state: &HttpState,
    body: &mut (impl Stream<Item = Result<Bytes, E>> + Unpin),
    pace: &mut Pace,
    mut text: TextCount,
    id: JobId,
) -> Result<(PendingObject, Stored), ApiError> {
    let name = StorageRef(format!("uploads/{id}"));
    let mut writer = state.files.create(&name).await?;
    let mut received = 0u64;
    while let Some(chunk) = pace.wait(body.next()).await? {
        let chunk = chunk.map_err(broken)?;
        pace.received(chunk.len());
        received += chunk.len() as u64;
        if over_limit(received, state.limits.max_upload_bytes) {
            return Err(too_large(state));
        }
        text.count(&chunk)?;
        writer.write(chunk).await?;
    }
    // From here on the object may exist, even if this future is dropped before `finish` answers.
    let object = PendingObject::new(state.files.clone(), name);
    let stored = writer.finish().await?;
    Ok((object, stored))
}

pub(super) fn broken(error: impl Display) -> ApiError {
    ApiError::bad_request(format!("the body cannot be read: {error}"))
}

/// Returns the name of an upload for show: no folders, no control characters, not endless.
pub(super) fn shown_name(given: &str) -> Option<String> {
    let name = given.rsplit(['/', '\\']).next().unwrap_or_default();
    let name: String = name.chars().filter(|c| !c.is_control()).take(MAX_NAME_CHARS).collect();
    let name = name.trim();
    (!name.is_empty()).then(|| name.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_for_show_only() {
        assert_eq!(shown_name("talk.wav").as_deref(), Some("talk.wav"));
        assert_eq!(shown_name("../../etc/passwd").as_deref(), Some("passwd"));
        assert_eq!(shown_name("C:\\a\\b\r\n.mp3").as_deref(), Some("b.mp3"));
        assert_eq!(shown_name("a/"), None);
        assert_eq!(shown_name(&"x".repeat(1000)).map(|name| name.len()), Some(255));
    }
}
