//! Rows as the REST surface shows them. Pure.

use sottovoce_actors::job::state_of;
use sottovoce_actors::ports::store::{EpochMs, Job, Permille};
use sottovoce_actors::time::rfc3339;
use sottovoce_protocol::error_code::ErrorCode;
use sottovoce_protocol::jobs::{ArtifactView, CallbackView, JobStatus, JobType, JobView};
use std::time::Duration;

/// What a view depends on besides the row.
#[derive(Clone, Copy, Debug)]
pub struct Moment {
    /// Now.
    pub now: EpochMs,
    /// How long jobs are kept after their end, if not for ever.
    pub kept: Option<Duration>,
}

/// Returns a job as its owner sees it.
pub fn view(job: &Job, moment: Moment) -> JobView {
    let state = state_of(job);
    let expires = |ended: EpochMs| {
        let kept_ms = moment.kept.map(|kept| i64::try_from(kept.as_millis()).unwrap_or(i64::MAX));
        kept_ms.map(|kept_ms| rfc3339(ended.plus_ms(kept_ms)))
    };
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
        expires_at: job.completed_at.and_then(expires),
        estimated_seconds_left: seconds_left(job, moment.now),
        callback: job.callback.as_ref().map(|callback| CallbackView {
            state: callback.state,
            attempts: callback.attempts,
            last_status: callback.last_status,
            last_error: callback.last_error.clone(),
            next_attempt_at: callback.next_at.map(rfc3339),
        }),
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

/// Least progress, in thousandths, that says something about the rest.
const TELLING_PROGRESS: u16 = 10;

/// Assumes that the rest goes as fast as the part that is done. A later attempt shows the progress of the earlier ones, so
/// it tells nothing of its own pace.
fn seconds_left(job: &Job, now: EpochMs) -> Option<u64> {
    let (started, Permille(done)) = (job.started_at?, job.progress);
    let tells = job.status == JobStatus::Processing && job.job_type != JobType::Stream && job.attempt == 1;
    if !tells || done < TELLING_PROGRESS {
        return None;
    }
    let elapsed_ms = u64::try_from(now.0.saturating_sub(started.0)).ok()?;
    let left_ms = elapsed_ms.saturating_mul(u64::from(1000_u16.saturating_sub(done))) / u64::from(done);
    Some(left_ms.div_ceil(1000))
}

/// Returns what a failed job's owner can do.
pub(crate) fn sentence(code: ErrorCode) -> &'static str {
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

#[cfg(test)]
mod tests {
    use super::*;
    use sottovoce_actors::ports::clock::Ids;
    use sottovoce_actors::ports::store::{LeaseEpoch, StatusSeq};
    use sottovoce_protocol::ids::{AccountId, JobId};
    use sottovoce_protocol::jobs::JobParams;

    const BEGUN: EpochMs = EpochMs(1_800_000_000_000);

    fn job() -> Job {
        let uuid = crate::system::SystemIds.uuid();
        Job {
            id: JobId::from_uuid(uuid),
            account: AccountId::from_uuid(uuid),
            job_type: JobType::Transcription,
            status: JobStatus::Processing,
            seq: StatusSeq(3),
            progress: Permille(250),
            error_code: None,
            params: JobParams::of(JobType::Transcription),
            input: None,
            file_name: None,
            duration_ms: None,
            attempt: 1,
            max_attempts: 3,
            epoch: LeaseEpoch(1),
            cancel_requested: false,
            created_at: BEGUN,
            started_at: Some(BEGUN),
            completed_at: None,
            callback: None,
            artifacts: Vec::new(),
        }
    }

    #[test]
    fn the_rest_takes_as_long_as_the_part_that_is_done() {
        let left = |job: &Job, ms| seconds_left(job, BEGUN.plus_ms(ms));
        assert_eq!(left(&job(), 20_000), Some(60));
        assert_eq!(left(&job(), -5_000), None, "a clock that was set back");
        let (mut young, mut retried, mut stream, mut ended) = (job(), job(), job(), job());
        young.progress = Permille(9);
        retried.attempt = 2;
        stream.job_type = JobType::Stream;
        ended.status = JobStatus::Done;
        for untold in [young, retried, stream, ended] {
            assert_eq!(left(&untold, 20_000), None);
        }
    }

    #[test]
    fn an_ended_job_tells_when_it_goes() {
        let ended = Job { completed_at: Some(BEGUN), ..job() };
        let shown = |kept| view(&ended, Moment { now: BEGUN, kept }).expires_at;
        assert_eq!(shown(None), None);
        assert_eq!(shown(Some(Duration::from_secs(3600))), Some(rfc3339(BEGUN.plus_ms(3_600_000))));
    }
}
