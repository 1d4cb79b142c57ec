//! Turns a stream's segment log into artifacts and ends its job, fenced by its lease. The log stays in place until the
//! index names the artifacts, so that a crash in between loses nothing.

use crate::job::announce;
use crate::ports::bus::Topic;
use crate::ports::files::FileError;
use crate::ports::store::{Artifact, Changed, Failure, Finish, Lease, StorageRef, StoreError};
use crate::session::actor::SessionPorts;
use crate::transcript::{Document, Layout, read_log, write_artifacts};
use sottovoce_protocol::error_code::ErrorCode;
use sottovoce_protocol::ids::ModelId;
use sottovoce_protocol::jobs::JobStatus;
use sottovoce_protocol::status::JobState;

/// What is known of a stream at its end.
pub(crate) struct Conclusion {
    pub(crate) lease: Lease,
    pub(crate) log: StorageRef,
    pub(crate) language: String,
    pub(crate) model: ModelId,
    pub(crate) duration_ms: u64,
    /// `None`: it ended well.
    pub(crate) failure: Option<ErrorCode>,
}

/// Writes the artifacts and ends the job; returns what changed, or `None` where the index or the disk failed: the
/// dispatcher takes such a job over once its lease has run out.
pub(crate) async fn conclude(ports: &SessionPorts, conclusion: Conclusion) -> Option<Changed> {
    let job = conclusion.lease.job;
    let artifacts = match artifacts(ports, &conclusion).await {
        Ok(artifacts) => artifacts,
        Err(error) => {
            tracing::error!(job.id = %job, cause = %error, "a stream's artifacts could not be written");
            return None;
        }
    };
    match end_job(ports, &conclusion, artifacts).await {
        Ok(changed) => {
            let status = if conclusion.failure.is_some() { JobStatus::Failed } else { JobStatus::Done };
            let progress = if conclusion.failure.is_some() { 0 } else { 100 };
            let error_code = conclusion.failure;
            let state = JobState { job, seq: changed.seq.0, status, progress, error_code };
            announce(&*ports.bus, changed.account, &state).await;
            ports.bus.retire(Topic::Captions(job)).await;
            Some(changed)
        }
        Err(error) => {
            tracing::error!(job.id = %job, cause = %error, "a stream's job could not be ended");
            None
        }
    }
}

async fn artifacts(ports: &SessionPorts, conclusion: &Conclusion) -> Result<Vec<Artifact>, FileError> {
    let document = Document {
        job: conclusion.lease.job,
        language: conclusion.language.clone(),
        engine: "embedded".into(),
        model: conclusion.model.to_string(),
        duration_ms: conclusion.duration_ms,
        segments: read_log(&*ports.files, &conclusion.log).await?,
        layout: Layout::Speech,
        translation: None,
    };
    write_artifacts(&*ports.files, &*ports.ids, conclusion.lease, document, ports.clock.now()).await
}

async fn end_job(
    ports: &SessionPorts,
    conclusion: &Conclusion,
    artifacts: Vec<Artifact>,
) -> Result<Changed, StoreError> {
    let (now, duration_ms) = (ports.clock.now(), conclusion.duration_ms);
    match conclusion.failure {
        None => ports.store.finish(conclusion.lease, Finish { artifacts, duration_ms, now }).await,
        Some(code) => {
            let failure = Failure { code, artifacts, duration_ms: Some(duration_ms), now };
            ports.store.fail(conclusion.lease, failure).await
        }
    }
}
