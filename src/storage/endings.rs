//! How a claim ends: finished, failed, back into the queue. Each carries the lease; a lost one changes nothing.

use crate::storage::callbacks;
use crate::storage::database::{Tx, Value, fetch_one};
use crate::storage::garbage::{self, Reason};
use crate::storage::leases::record_event;
use crate::storage::rows::{self, read_job};
use sottovoce_actors::ports::store::{Artifact, Changed, EpochMs, Failure, Finish, Lease, StoreError};
use sottovoce_protocol::error_code::ErrorCode;
use sottovoce_protocol::ids::JobId;
use sottovoce_protocol::jobs::JobStatus;

const END: &str = "UPDATE jobs SET status=$3, error_code=$4, completed_at=$5, \
     duration_ms=COALESCE($6, duration_ms), progress=CASE WHEN $3='done' THEN 1000 ELSE progress END, \
     lease_owner=NULL, lease_until=NULL, input_ref=NULL, status_seq=status_seq+1 \
     WHERE id=$1 AND lease_epoch=$2 AND status='processing' RETURNING user_id, status_seq";
const HELD: &str = "SELECT input_ref FROM jobs \
     WHERE id=$1 AND lease_epoch=$2 AND status='processing'";
const ADD_ARTIFACT: &str = "INSERT INTO artifacts (id, job_id, kind, lang, storage_ref, size_bytes, sha256, created_at) \
     VALUES ($1, $2, $3, $4, $5, $6, $7, $8)";
const REQUEUE: &str = "UPDATE jobs SET status='queued', run_at=$3, attempt=attempt-$4, lease_owner=NULL, \
     lease_until=NULL, started_at=NULL, status_seq=status_seq+1 \
     WHERE id=$1 AND lease_epoch=$2 AND status='processing' AND cancel_requested_at IS NULL RETURNING user_id, status_seq";

/// How a job ends; `code` says badly.
struct Ending {
    code: Option<ErrorCode>,
    artifacts: Vec<Artifact>,
    duration_ms: Option<u64>,
    now: EpochMs,
}

pub async fn finish(tx: &mut dyn Tx, lease: Lease, finish: Finish) -> Result<Changed, StoreError> {
    let Finish { artifacts, duration_ms, now } = finish;
    end(tx, lease, Ending { code: None, artifacts, duration_ms: Some(duration_ms), now }).await
}

pub async fn fail(tx: &mut dyn Tx, lease: Lease, failure: Failure) -> Result<Changed, StoreError> {
    let Failure { code, artifacts, duration_ms, now } = failure;
    end(tx, lease, Ending { code: Some(code), artifacts, duration_ms, now }).await
}

async fn end(tx: &mut dyn Tx, lease: Lease, ending: Ending) -> Result<Changed, StoreError> {
    let held = fetch_one(tx, HELD, &[lease.job.into(), lease.epoch.into()]).await?;
    let input = held.ok_or(StoreError::LeaseLost)?.opt_text("input_ref")?;
    let status = if ending.code.is_some() { JobStatus::Failed } else { JobStatus::Done };
    let args = [
        lease.job.into(),
        lease.epoch.into(),
        status.as_str().into(),
        ending.code.map(|code| code.as_str().to_owned()).into(),
        ending.now.into(),
        ending.duration_ms.into(),
    ];
    let row = fetch_one(tx, END, &args).await?.ok_or(StoreError::LeaseLost)?;
    for artifact in &ending.artifacts {
        add_artifact(tx, lease.job, artifact).await?;
    }
    if let Some(input) = input {
        garbage::throw(tx, &input, Reason::Input, ending.now).await?;
    }
    let changed = rows::changed(&*row, lease.job)?;
    let job = read_job(tx, lease.job).await?;
    if job.params.callback_url.is_some() {
        callbacks::add(tx, job.id, ending.now).await?;
    }
    record_event(tx, &job, status.as_str(), ending.now).await?;
    Ok(changed)
}

async fn add_artifact(tx: &mut dyn Tx, job: JobId, artifact: &Artifact) -> Result<(), StoreError> {
    garbage::keep(tx, &artifact.storage).await?;
    let args: [Value; 8] = [
        artifact.id.into(),
        job.into(),
        artifact.kind.as_str().into(),
        (&artifact.lang).into(),
        (&artifact.storage).into(),
        artifact.size_bytes.into(),
        (&artifact.sha256).into(),
        artifact.created_at.into(),
    ];
    tx.execute(ADD_ARTIFACT, &args).await.map(|_| ())
}

pub async fn retry(
    tx: &mut dyn Tx,
    lease: Lease,
    run_at: EpochMs,
    now: EpochMs,
) -> Result<Changed, StoreError> {
    requeue(tx, lease, run_at, 0, "retried", now).await
}

pub async fn release(tx: &mut dyn Tx, lease: Lease, now: EpochMs) -> Result<Changed, StoreError> {
    requeue(tx, lease, now, 1, "released", now).await
}

async fn requeue(
    tx: &mut dyn Tx,
    lease: Lease,
    run_at: EpochMs,
    attempts_back: i64,
    kind: &'static str,
    now: EpochMs,
) -> Result<Changed, StoreError> {
    let args = [lease.job.into(), lease.epoch.into(), run_at.into(), attempts_back.into()];
    let Some(row) = fetch_one(tx, REQUEUE, &args).await? else {
        // Lost, or cancelled: a cancelled job must not run again.
        let code = Some(ErrorCode::Canceled);
        return end(tx, lease, Ending { code, artifacts: Vec::new(), duration_ms: None, now }).await;
    };
    let changed = rows::changed(&*row, lease.job)?;
    let job = read_job(tx, lease.job).await?;
    record_event(tx, &job, kind, now).await?;
    Ok(changed)
}
