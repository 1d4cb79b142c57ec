//! Writes how a claim of a job ends, fenced by its lease, and announces it. Used by the running job and by the dispatcher
//! for jobs whose actor or node died.

use crate::job::announce::{announce, percent, state_of};
use crate::job::messages::JobPorts;
use crate::job::retry::Verdict;
use crate::ports::store::{Artifact, Failure, Finish, Job, Lease, Permille, StoreError};
use crate::transcript::artifact_refs;
use sottovoce_protocol::error_code::ErrorCode;
use sottovoce_protocol::jobs::JobStatus;
use sottovoce_protocol::status::JobState;

/// What the index said.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Settled {
    /// It is written.
    Done,
    /// The lease is another's.
    LeaseLost,
    /// The index does not answer; try again.
    Unavailable,
}

/// Settles a claim; `artifacts` are what can be downloaded from then on.
pub(crate) async fn settle(
    ports: &JobPorts,
    job: &Job,
    lease: Lease,
    verdict: Verdict,
    progress: Permille,
    artifacts: Vec<Artifact>,
    duration_ms: Option<u64>,
) -> Settled {
    let now = ports.clock.now();
    let answer = match verdict {
        Verdict::Finish => {
            let duration_ms = duration_ms.unwrap_or_default();
            ports.store.finish(lease, Finish { artifacts, duration_ms, now }).await
        }
        Verdict::Fail(code) => ports.store.fail(lease, Failure { code, artifacts, duration_ms, now }).await,
        Verdict::Retry(run_at) => ports.store.retry(lease, run_at, now).await,
        Verdict::Release => ports.store.release(lease, now).await,
    };
    match answer {
        Ok(changed) => {
            let (status, error_code) = shown(verdict);
            let progress = if verdict == Verdict::Finish { 100 } else { percent(progress) };
            let mut state = JobState { job: job.id, seq: changed.seq.0, status, progress, error_code };
            // A job that its owner cancelled meanwhile did not go back to the queue: only the row knows.
            if status == JobStatus::Queued
                && let Ok(row) = ports.store.job(job.account, job.id).await
            {
                state = state_of(&row);
            }
            announce(&*ports.bus, job.account, &state).await;
            tracing::info!(job.id = %job.id, attempt = job.attempt, ?verdict, "job settled");
            Settled::Done
        }
        Err(StoreError::LeaseLost | StoreError::NotFound) => Settled::LeaseLost,
        Err(error) => {
            tracing::warn!(job.id = %job.id, ?verdict, %error, "job not settled");
            Settled::Unavailable
        }
    }
}

fn shown(verdict: Verdict) -> (JobStatus, Option<ErrorCode>) {
    match verdict {
        Verdict::Finish => (JobStatus::Done, None),
        Verdict::Fail(code) => (JobStatus::Failed, Some(code)),
        Verdict::Retry(_) | Verdict::Release => (JobStatus::Queued, None),
    }
}

/// Gives what a lost claim wrote to the garbage. Asks the index first: an answer that got lost may have named it.
pub(crate) async fn discard(ports: &JobPorts, lease: Lease) {
    let orphans = match ports.store.unreferenced(artifact_refs(lease)).await {
        Ok(orphans) => ports.store.add_garbage(orphans, ports.clock.now()).await,
        Err(error) => Err(error),
    };
    if let Err(error) = orphans {
        tracing::warn!(job.id = %lease.job, %error, "output of a lost claim is left to the orphan sweep");
    }
}
