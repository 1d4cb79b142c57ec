//! `/saas/jobs/{id}/artifacts/{kind}`: streams an artifact's content, whole or in part, or says where its own server does.

use crate::http::error::ApiError;
use crate::http::guard::{Guarded, JobsRead};
use crate::http::jobs::{job_id, matches_etag};
use crate::http::range::{Wanted, wanted};
use crate::http::state::HttpState;
use actix_web::body::SizedStream;
use actix_web::http::header::{self, HeaderValue};
use actix_web::{HttpRequest, HttpResponse, web};
use serde::Deserialize;
use sottovoce_actors::ports::files::LinkTerms;
use sottovoce_actors::ports::store::{Artifact, Job};
use sottovoce_actors::translation::primary;
use sottovoce_protocol::error_code::ErrorCode;
use sottovoce_protocol::jobs::ArtifactKind;

/// The query of a download.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ArtifactQuery {
    #[serde(default)]
    lang: String,
}

/// `GET /saas/jobs/{id}/artifacts/{kind}`.
pub async fn download(
    caller: Guarded<JobsRead>,
    path: web::Path<(String, String)>,
    query: web::Query<ArtifactQuery>,
    request: HttpRequest,
    state: web::Data<HttpState>,
) -> Result<HttpResponse, ApiError> {
    let (id, kind) = path.into_inner();
    let kind = ArtifactKind::parse(&kind).ok_or_else(ApiError::not_found)?;
    let job = state.store.job(caller.caller.account, job_id(&id)?).await?;
    let artifact = artifact_of(&job, kind, &query.lang)?;
    let etag = format!("\"{}\"", artifact.sha256);
    if matches_etag(&request, &etag) {
        return Ok(HttpResponse::NotModified().insert_header((header::ETAG, etag)).finish());
    }

    if let Some(expires_in) = state.presigned {
        let disposition = disposition(&job, artifact);
        let terms = LinkTerms { expires_in, content_type: content_type(kind), disposition: &disposition };
        if let Some(link) = state.files.link(&artifact.storage, &terms).await? {
            return Ok(HttpResponse::Found().insert_header((header::LOCATION, link)).finish());
        }
    }

    let size = artifact.size_bytes;
    let (mut response, offset, length) = match wanted(range_header(&request, &etag), size) {
        Wanted::Whole => (HttpResponse::Ok(), 0, size),
        Wanted::Part { offset, length } => {
            let mut response = HttpResponse::PartialContent();
            let last = offset + length - 1;
            response.insert_header((header::CONTENT_RANGE, format!("bytes {offset}-{last}/{size}")));
            (response, offset, length)
        }
        Wanted::Unsatisfiable => {
            let error = ApiError::new(
                ErrorCode::RangeNotSatisfiable,
                format!("the file has {size} bytes; ask for a range within"),
            );
            return Err(match HeaderValue::from_str(&format!("bytes */{size}")) {
                Ok(value) => error.with_header(header::CONTENT_RANGE, value),
                Err(_) => error,
            });
        }
    };
    response
        .content_type(content_type(kind))
        .insert_header((header::ETAG, etag))
        .insert_header((header::ACCEPT_RANGES, "bytes"))
        .insert_header((header::CONTENT_DISPOSITION, disposition(&job, artifact)));
    if length == 0 {
        return Ok(response.body(web::Bytes::new()));
    }
    let content = state.files.read(&artifact.storage, offset, length).await?;
    Ok(response.body(SizedStream::new(length, content)))
}

fn artifact_of<'a>(job: &'a Job, kind: ArtifactKind, lang: &str) -> Result<&'a Artifact, ApiError> {
    // A job has one translation, whose language need not be named; regions are not told apart.
    let any = kind == ArtifactKind::Translation && lang.is_empty();
    let asked = primary(lang).unwrap_or_else(|| lang.to_owned());
    let mut of_kind = job.artifacts.iter().filter(|artifact| artifact.kind == kind);
    let found = of_kind.find(|artifact| any || artifact.lang == asked);
    found.ok_or_else(|| {
        if job.status.is_terminal() {
            return ApiError::not_found();
        }
        ApiError::new(ErrorCode::NotReady, "the job has not ended yet; ask again when its status is `done`")
    })
}

/// Returns the `Range` header, unless `If-Range` names another version (RFC 9110 §13.1.5).
fn range_header<'a>(request: &'a HttpRequest, etag: &str) -> Option<&'a str> {
    let headers = request.headers();
    if headers.get(header::IF_RANGE).is_some_and(|held| held.as_bytes() != etag.as_bytes()) {
        return None;
    }
    headers.get(header::RANGE)?.to_str().ok()
}

fn content_type(kind: ArtifactKind) -> &'static str {
    match kind {
        ArtifactKind::Transcript | ArtifactKind::Translation => "text/plain; charset=utf-8",
        ArtifactKind::Srt => "application/x-subrip; charset=utf-8",
        ArtifactKind::Vtt => "text/vtt; charset=utf-8",
        ArtifactKind::Json => "application/json",
    }
}

const fn extension(kind: ArtifactKind) -> &'static str {
    match kind {
        ArtifactKind::Transcript | ArtifactKind::Translation => "txt",
        ArtifactKind::Srt => "srt",
        ArtifactKind::Vtt => "vtt",
        ArtifactKind::Json => "json",
    }
}

/// Names the download after the upload: a plain ASCII name for all, the true one percent-encoded (RFC 6266, RFC 8187).
fn disposition(job: &Job, artifact: &Artifact) -> String {
    let given = job.file_name.as_deref().unwrap_or_default();
    let stem = given.rsplit_once('.').map_or(given, |(stem, _)| stem).trim();
    let stem = if stem.is_empty() { job.id.to_string() } else { stem.chars().take(100).collect() };
    let lang = if artifact.lang.is_empty() { String::new() } else { format!(".{}", artifact.lang) };
    let name = format!("{stem}{lang}.{}", extension(artifact.kind));
    let plain: String =
        name.chars().map(|c| if c.is_ascii_alphanumeric() || " ._-".contains(c) { c } else { '_' }).collect();
    let encoded: String = name
        .bytes()
        .map(|byte| {
            if byte.is_ascii_alphanumeric() || b"._-".contains(&byte) {
                char::from(byte).to_string()
            } else {
                format!("%{byte:02X}")
            }
        })
        .collect();
    format!("attachment; filename=\"{plain}\"; filename*=UTF-8''{encoded}")
}
