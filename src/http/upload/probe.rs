//! A short look at an uploaded file, so that most bad files are refused at once. A file that takes too long to open is
//! queued unseen; its job finds out.

use crate::http::error::ApiError;
use crate::http::state::HttpState;
use crate::http::upload::receive::Upload;
use sottovoce_actors::job::hears;
use sottovoce_actors::ports::media::MediaError;
use sottovoce_protocol::error_code::ErrorCode;

/// Opens the file and decodes its first second; returns how many channels of it will be heard, if that was found out.
pub async fn probe(state: &HttpState, upload: &Upload) -> Result<Option<u16>, ApiError> {
    let file = state.files.open(upload.object.name()).await?;
    let (media, max_s) = (state.media.clone(), state.limits.max_audio_s);
    let hears = hears(&upload.params);
    let looking = tokio::task::spawn_blocking(move || {
        let mut reader = media.open(file, max_s, hears)?;
        if reader.announced_s().is_some_and(|length_s| length_s > max_s as f64) {
            let detail = format!("the audio is longer than {max_s} s; cut it in parts");
            return Err(MediaError { code: ErrorCode::MediaTooLong, detail });
        }
        reader.next().map(|_| reader.channels())
    });
    match tokio::time::timeout(state.limits.probe_timeout, looking).await {
        Ok(Ok(looked)) => Ok(Some(looked?)),
        Ok(Err(error)) => {
            tracing::error!(%error, "decoder panicked on an upload");
            Err(ApiError::new(ErrorCode::MediaCorrupt, "the file cannot be read; export it again"))
        }
        Err(_) => Ok(None),
    }
}
