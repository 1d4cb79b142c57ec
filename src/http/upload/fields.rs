//! Takes a form whose small fields stand before or after the part `file`, as clients of other services send it.

use crate::http::error::ApiError;
use crate::http::state::HttpState;
use crate::http::upload::pace::Pace;
use crate::http::upload::receive::{Received, broken, is_form, refuse_early, shown_name, store};
use crate::http::upload::translation::TextCount;
use actix_multipart::Multipart;
use actix_web::{HttpRequest, web};
use futures_util::StreamExt;
use sottovoce_protocol::ids::JobId;

/// Parts of a form.
const MAX_PARTS: usize = 64;
/// Largest field besides the file. Some clients send voices of known speakers along, which are not used.
const MAX_FIELD_BYTES: usize = 1024 * 1024;
/// All of them together.
const MAX_FIELDS_BYTES: usize = 4 * 1024 * 1024;

/// Takes a part by its name; may refuse it.
type TakeField<'a> = dyn FnMut(&str, &[u8]) -> Result<(), ApiError> + 'a;

/// Receives the part `file` as the input of the job `id`, and hands every other part to `take`, which may refuse it.
pub async fn receive_fields(
    state: &HttpState,
    request: &HttpRequest,
    payload: web::Payload,
    id: JobId,
    take: &mut TakeField<'_>,
) -> Result<Received, ApiError> {
    let receiving = async {
        refuse_early(state, request)?;
        if !is_form(request) {
            return Err(ApiError::bad_request("send a form (`multipart/form-data`) with the part `file`"));
        }
        receive(state, request, payload, id, take).await
    };
    // What was not read of the body must not be taken for the next request.
    receiving.await.map_err(ApiError::closing)
}

async fn receive(
    state: &HttpState,
    request: &HttpRequest,
    payload: web::Payload,
    id: JobId,
    take: &mut TakeField<'_>,
) -> Result<Received, ApiError> {
    let mut form = Multipart::new(request.headers(), payload);
    let mut pace = Pace::new(&state.limits);
    let mut file = None;
    let (mut parts, mut bytes_left) = (0, MAX_FIELDS_BYTES);
    while let Some(field) = pace.wait(form.next()).await? {
        let mut field = field.map_err(broken)?;
        parts += 1;
        if parts > MAX_PARTS {
            return Err(ApiError::bad_request(format!("a form may have at most {MAX_PARTS} parts")));
        }
        let name = field.name().unwrap_or_default().to_owned();
        if name == "file" {
            if file.is_some() {
                return Err(ApiError::bad_request("send one part `file`").about("file"));
            }
            let file_name =
                field.content_disposition().and_then(|head| head.get_filename()).and_then(shown_name);
            let (object, stored) = store(state, &mut field, &mut pace, TextCount::none(), id).await?;
            file = Some(Received { file_name, object, stored });
            continue;
        }
        let most = MAX_FIELD_BYTES.min(bytes_left);
        let value = pace.wait(field.bytes(most)).await?;
        let value = value
            .map_err(|_| ApiError::bad_request(format!("a field may have at most {MAX_FIELD_BYTES} bytes")))?
            .map_err(broken)?;
        pace.received(value.len());
        bytes_left -= value.len();
        take(&name, &value)?;
    }
    file.ok_or_else(|| ApiError::bad_request("send the recording as the part `file`").about("file"))
}
