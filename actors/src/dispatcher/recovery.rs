//! Deals with claims whose worker is gone: a dead node's, or those of an actor that panicked. The caller holds a fresh
//! lease, so nobody else does the same.

use crate::job::{Fault, JobConfig, JobPorts, Settled, Verdict, after_fault, discard, jitter, settle};
use crate::ports::store::{Artifact, Job, Lease, LeaseEpoch};
use crate::transcript::{Document, Layout, read_log, write_artifacts};
use sottovoce_protocol::error_code::ErrorCode;
use sottovoce_protocol::jobs::JobType;
use sottovoce_protocol::transcript::Segment;

/// Settles a claim whose worker is gone. What cannot be settled now is found again when the lease has run out.
pub(crate) async fn recover(ports: &JobPorts, config: &JobConfig, job: Job, lease: Lease, fault: Fault) {
    tracing::warn!(job.id = %job.id, job.kind = job.job_type.as_str(), attempt = job.attempt, ?fault, "job recovered");
    if fault == Fault::NodeLost {
        // What the dead node had written and not yet named. Its epoch is the one before ours.
        discard(ports, Lease { epoch: LeaseEpoch(lease.epoch.0 - 1), ..lease }).await;
    }
    if job.job_type == JobType::Stream {
        return recover_stream(ports, config, &job, lease).await;
    }
    let verdict = if job.cancel_requested {
        Verdict::Fail(ErrorCode::Canceled)
    } else if fault == Fault::NodeLost && job.attempt < job.max_attempts {
        // The node died, not the job: no reason to wait.
        Verdict::Retry(ports.clock.now())
    } else {
        let jitter = jitter(&*ports.ids);
        after_fault(fault, job.attempt, job.max_attempts, config.retry, jitter, ports.clock.now())
    };
    settle(ports, &job, lease, verdict, job.progress, Vec::new(), job.duration_ms).await;
    discard(ports, lease).await;
}

/// A stream ends with its server, but what its client was sent is kept: the log becomes its artifacts.
async fn recover_stream(ports: &JobPorts, config: &JobConfig, job: &Job, lease: Lease) {
    let segments = match &job.input {
        Some(log) => match read_log(&*ports.files, log).await {
            Ok(segments) => segments,
            Err(error) => {
                tracing::error!(job.id = %job.id, %error, "segment log not read, stream left for the next sweep");
                return;
            }
        },
        None => Vec::new(),
    };
    let duration_ms = job.duration_ms.max(heard_ms(&segments));
    let artifacts = match write_log_artifacts(ports, config, job, lease, segments, duration_ms).await {
        Ok(artifacts) => artifacts,
        Err(error) => {
            tracing::error!(job.id = %job.id, %error, "artifacts not written, stream left for the next sweep");
            return;
        }
    };
    let verdict = Verdict::Fail(ErrorCode::LeaseExpired);
    let settled = settle(ports, job, lease, verdict, job.progress, artifacts, duration_ms).await;
    if settled != Settled::Done {
        discard(ports, lease).await;
    }
}

async fn write_log_artifacts(
    ports: &JobPorts,
    config: &JobConfig,
    job: &Job,
    lease: Lease,
    segments: Vec<Segment>,
    duration_ms: Option<u64>,
) -> Result<Vec<Artifact>, crate::ports::files::FileError> {
    if segments.is_empty() {
        return Ok(Vec::new());
    }
    let document = Document {
        job: job.id,
        language: job.params.language.clone().unwrap_or_else(|| config.default_language.clone()),
        engine: config.engine.clone(),
        model: job.params.model.clone().unwrap_or_else(|| config.default_model.as_str().to_owned()),
        duration_ms: duration_ms.unwrap_or_default(),
        segments,
        layout: Layout::Speech,
        translation: None,
    };
    write_artifacts(&*ports.files, &*ports.ids, lease, document, ports.clock.now()).await
}

fn heard_ms(segments: &[Segment]) -> Option<u64> {
    let end = segments.iter().map(|segment| segment.end).fold(0.0, f64::max);
    (end > 0.0).then_some((end * 1000.0).round() as u64)
}
