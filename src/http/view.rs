//! Rows as the REST surface shows them. Pure.

use sottovoce_actors::job::state_of;
use sottovoce_actors::ports::store::Job;
use sottovoce_actors::time::rfc3339;
use sottovoce_protocol::error_code::ErrorCode;
use sottovoce_protocol::jobs::{ArtifactView, JobView};

/// Returns a job as its owner sees it.
pub fn view(job: &Job) -> JobView {
    let state = state_of(job);
    JobView {
        id: job.id,
        job_type: job.job_type,
        status: job.status,
        progress: state.progress,
        error_code: job.error_code,
        error: job.error_code.map(|code| sentence(code).to_owned()),
        file_name: job.file_name.clone(),
        duration_seconds: job.duration_ms.map(|ms| ms as f64 / 1000.0),
        language: job.params.language.clone(),
        model: job.params.model.clone(),
        created_at: rfc3339(job.created_at),
        completed_at: job.completed_at.map(rfc3339),
        artifacts: job
            .artifacts
            .iter()
            .map(|artifact| ArtifactView {
                kind: artifact.kind,
                lang: (!artifact.lang.is_empty()).then(|| artifact.lang.clone()),
                bytes: artifact.size_bytes,
                created_at: rfc3339(artifact.created_at),
            })
            .collect(),
    }
}

/// Returns what a failed job's owner can do.
fn sentence(code: ErrorCode) -> &'static str {
    match code {
        ErrorCode::MediaUnsupported => {
            "the file's format is not one we decode; send wav, flac, mp3, ogg, m4a or webm"
        }
        ErrorCode::MediaCorrupt => "the file is damaged; export it again",
        ErrorCode::MediaTooLong => "the audio is longer than allowed; cut it in parts",
        ErrorCode::NoAudio => "the file has no audio track",
        ErrorCode::DurationMismatch => {
            "the audio's length differs from what the file announces; export it again"
        }
        ErrorCode::TextInvalid => "the text is not UTF-8; save it as UTF-8",
        ErrorCode::TooLarge => "the text is longer than allowed; cut it in parts",
        ErrorCode::LanguageUnsupported => "no model here knows this language or direction; choose another",
        ErrorCode::ModelUnknown => "there is no such model here; choose another or leave it out",
        ErrorCode::ProviderUnavailable => "the remote engine does not answer; submit the job again later",
        ErrorCode::ProviderRejected => "the remote engine refused the work",
        ErrorCode::CreditsExhausted => "no credits are left; buy some and submit the job again",
        ErrorCode::LeaseExpired => {
            "the server that worked on it died; what was settled before can be downloaded"
        }
        ErrorCode::Canceled => "its owner cancelled it",
        ErrorCode::StorageUnavailable => "the file storage did not answer; submit the job again later",
        _ => "the server failed; submit the job again",
    }
}
