//! What owners do with jobs: submit, open a stream, read, list, delete.

use crate::storage::callbacks;
use crate::storage::database::{Tx, Value, fetch_one};
use crate::storage::garbage::{self, Reason};
use crate::storage::leases::record_event;
use crate::storage::rows::{self, job_columns};
use sottovoce_actors::ports::store::{
    Changed, Deleted, EpochMs, Idempotency, Job, JobQuery, Lease, LeaseEpoch, NewJob, NewStream, StoreError,
    Submitted,
};
use sottovoce_protocol::ids::{AccountId, JobId};
use sottovoce_protocol::jobs::JobStatus;
use std::collections::HashMap;

/// Submissions of one account come one by one: otherwise two could each find the last place in its queue free.
macro_rules! hold_account_sql {
    ($lock:literal) => {
        concat!("SELECT id FROM users WHERE id=$1 ", $lock)
    };
}
pub(crate) use hold_account_sql;

/// Keys of all accounts; those that another transaction is forgetting already are left to it.
macro_rules! forget_keys_sql {
    ($lock:literal) => {
        concat!(
            "WITH c AS MATERIALIZED (SELECT user_id AS cuser, key AS ckey FROM idempotency_keys WHERE expires_at<=$1 ",
            $lock,
            ") DELETE FROM idempotency_keys WHERE (user_id, key) IN (SELECT cuser, ckey FROM c)"
        )
    };
}
pub(crate) use forget_keys_sql;

/// Held to the end of the transaction, so that the job cannot slip from one state that is looked for into another.
macro_rules! hold_job_sql {
    ($lock:literal) => {
        concat!("SELECT user_id, status, status_seq, input_ref FROM jobs WHERE id=$1 AND user_id=$2 ", $lock)
    };
}
pub(crate) use hold_job_sql;

/// Along the index of jobs that ended and are still there.
macro_rules! expire_jobs_sql {
    ($lock:literal) => {
        concat!(
            "WITH c AS MATERIALIZED (SELECT id AS cid FROM jobs WHERE completed_at<$1 AND completed_at IS NOT NULL \
             AND deleted_at IS NULL ORDER BY completed_at LIMIT $3 ",
            $lock,
            ") UPDATE jobs SET deleted_at=$2, file_name=NULL, status_seq=status_seq+1 FROM c \
             WHERE jobs.id=c.cid RETURNING id, user_id, status_seq"
        )
    };
}
pub(crate) use expire_jobs_sql;

const FORGET_OWN_KEY: &str = "DELETE FROM idempotency_keys WHERE user_id=$1 AND key=$2 AND expires_at<=$3";
const REMEMBER_KEY: &str = "INSERT INTO idempotency_keys (user_id, key, request_hash, created_at, expires_at) \
     VALUES ($1, $2, $3, $4, $5) ON CONFLICT DO NOTHING";
const KNOWN_KEY: &str = "SELECT request_hash, job_id FROM idempotency_keys WHERE user_id=$1 AND key=$2";
const KEY_MEANS_JOB: &str = "UPDATE idempotency_keys SET job_id=$3 WHERE user_id=$1 AND key=$2";
const QUEUED_OF_ACCOUNT: &str = "SELECT COUNT(*) AS n FROM jobs WHERE user_id=$1 AND status='queued'";
const QUEUED: &str = "SELECT COUNT(*) AS n FROM jobs WHERE status='queued'";
const ADD_QUEUED: &str = "INSERT INTO jobs \
     (id, user_id, type, status, input_ref, file_name, created_at, params, priority, max_attempts, run_at) \
     VALUES ($1, $2, $3, 'queued', $4, $5, $6, $7, $8, $9, $6)";
const ADD_STREAM: &str = "INSERT INTO jobs (id, user_id, type, status, input_ref, created_at, params, run_at, \
     started_at, attempt, max_attempts, lease_owner, lease_epoch, lease_until) \
     VALUES ($1, $2, $3, 'processing', $4, $5, $6, $5, $5, 1, 1, $7, 1, $8)";

/// Which jobs a page holds: $1 account, $2 status, $3 type, $4 and $5 place, $6 limit.
macro_rules! page {
    () => {
        "FROM jobs WHERE user_id=$1 AND deleted_at IS NULL AND ($2 IS NULL OR status=$2) AND ($3 IS NULL OR type=$3) \
         AND ($4 IS NULL OR created_at<$4 OR (created_at=$4 AND id<$5)) ORDER BY created_at DESC, id DESC LIMIT $6"
    };
}
const PAGE: &str = concat!("SELECT ", job_columns!(), " ", page!());
const PAGE_ARTIFACTS: &str = concat!(
    "WITH page AS (SELECT id AS pid ",
    page!(),
    ") SELECT job_id, id, kind, lang, storage_ref, size_bytes, sha256, created_at \
     FROM artifacts JOIN page ON job_id=pid ORDER BY kind, lang"
);
const OWN_JOB: &str =
    concat!("SELECT ", job_columns!(), " FROM jobs WHERE id=$1 AND user_id=$2 AND deleted_at IS NULL");

const DELETE_QUEUED: &str = "UPDATE jobs SET status='failed', error_code='canceled', completed_at=$3, deleted_at=$3, \
     input_ref=NULL, file_name=NULL, status_seq=status_seq+1 WHERE id=$1 AND user_id=$2 AND status='queued' \
     RETURNING user_id, status_seq";
const CANCEL_RUNNING: &str = "UPDATE jobs SET cancel_requested_at=$3, status_seq=status_seq+1 \
     WHERE id=$1 AND user_id=$2 AND status='processing' AND cancel_requested_at IS NULL RETURNING user_id, status_seq";
const DELETE_ENDED: &str = "UPDATE jobs SET deleted_at=$3, file_name=NULL, status_seq=status_seq+1 \
     WHERE id=$1 AND user_id=$2 AND status IN ('done','failed') AND deleted_at IS NULL RETURNING user_id, status_seq";

async fn count(tx: &mut dyn Tx, sql: &'static str, args: &[Value]) -> Result<u64, StoreError> {
    match fetch_one(tx, sql, args).await? {
        Some(row) => rows::unsigned(&*row, "n"),
        None => Err(StoreError::Broken("a count gave no row".into())),
    }
}

fn params_json<T: serde::Serialize>(params: &T) -> Result<String, StoreError> {
    serde_json::to_string(params).map_err(|error| StoreError::Broken(error.to_string()))
}

pub async fn submit(tx: &mut dyn Tx, new: NewJob) -> Result<Submitted, StoreError> {
    let hold = tx.dialect().hold_account;
    fetch_one(tx, hold, &[new.account.into()]).await?.ok_or(StoreError::NotFound)?;
    if let Some(idempotency) = &new.idempotency
        && let Some(earlier) = remember_key(tx, new.account, idempotency, new.now).await?
    {
        return rows::read_job(tx, earlier).await.map(Submitted::Replayed);
    }
    if count(tx, QUEUED_OF_ACCOUNT, &[new.account.into()]).await? >= new.max_queued {
        return Err(StoreError::TooManyJobs);
    }
    garbage::keep(tx, &new.input).await?;
    let args = [
        new.id.into(),
        new.account.into(),
        new.params.job_type.as_str().into(),
        (&new.input).into(),
        new.file_name.into(),
        new.now.into(),
        (&params_json(&new.params)?).into(),
        i64::from(new.params.priority.unwrap_or(0)).into(),
        new.max_attempts.into(),
    ];
    tx.execute(ADD_QUEUED, &args).await?;
    if let Some(idempotency) = &new.idempotency {
        let args = [new.account.into(), (&idempotency.key).into(), new.id.into()];
        tx.execute(KEY_MEANS_JOB, &args).await?;
    }
    let job = rows::read_job(tx, new.id).await?;
    record_event(tx, &job, "submitted", new.now).await?;
    Ok(Submitted::New(job))
}

/// Returns the job that the key already stands for, or notes the key. Both in the caller's transaction, so that of two
/// equal requests one alone finds the key new.
async fn remember_key(
    tx: &mut dyn Tx,
    account: AccountId,
    idempotency: &Idempotency,
    now: EpochMs,
) -> Result<Option<JobId>, StoreError> {
    // Its own key first, as long as it holds nobody else's: of two that forget each other's, each would wait for the other.
    tx.execute(FORGET_OWN_KEY, &[account.into(), (&idempotency.key).into(), now.into()]).await?;
    let forget = tx.dialect().forget_keys;
    tx.execute(forget, &[now.into()]).await?;
    let args = [
        account.into(),
        (&idempotency.key).into(),
        (&idempotency.request_hash).into(),
        now.into(),
        idempotency.expires_at.into(),
    ];
    if tx.execute(REMEMBER_KEY, &args).await? == 1 {
        return Ok(None);
    }
    let known = fetch_one(tx, KNOWN_KEY, &[account.into(), (&idempotency.key).into()]).await?;
    // Forgotten between the two statements by a server whose clock is ahead (PostgreSQL only).
    let known =
        known.ok_or_else(|| StoreError::Unavailable("the idempotency key expired just now".into()))?;
    if rows::text(&*known, "request_hash")? != idempotency.request_hash {
        return Err(StoreError::IdempotencyMismatch);
    }
    rows::id(&*known, "job_id").map(Some)
}

pub async fn open_stream(tx: &mut dyn Tx, new: NewStream) -> Result<(Job, Lease), StoreError> {
    garbage::keep(tx, &new.log).await?;
    let args = [
        new.id.into(),
        new.account.into(),
        new.params.job_type.as_str().into(),
        (&new.log).into(),
        new.now.into(),
        (&params_json(&new.params)?).into(),
        new.node.into(),
        new.lease_until.into(),
    ];
    tx.execute(ADD_STREAM, &args).await?;
    let job = rows::read_job(tx, new.id).await?;
    record_event(tx, &job, "opened", new.now).await?;
    Ok((job, Lease { job: new.id, epoch: LeaseEpoch(1) }))
}

pub async fn job(tx: &mut dyn Tx, account: AccountId, id: JobId) -> Result<Job, StoreError> {
    let row = fetch_one(tx, OWN_JOB, &[id.into(), account.into()]).await?.ok_or(StoreError::NotFound)?;
    rows::with_artifacts(tx, rows::job(&*row)?).await
}

pub async fn jobs(tx: &mut dyn Tx, query: JobQuery) -> Result<Vec<Job>, StoreError> {
    let args = [
        query.account.into(),
        query.status.map(|status| status.as_str().to_owned()).into(),
        query.job_type.map(|job_type| job_type.as_str().to_owned()).into(),
        Value::Int(query.before.map(|(created_at, _)| created_at.0)),
        query.before.map(|(_, id)| id.to_string()).into(),
        query.limit.into(),
    ];
    let found = tx.fetch(PAGE, &args).await?;
    let mut jobs = found.iter().map(|row| rows::job(&**row)).collect::<Result<Vec<_>, _>>()?;
    let place: HashMap<JobId, usize> = jobs.iter().enumerate().map(|(at, job)| (job.id, at)).collect();
    for row in tx.fetch(PAGE_ARTIFACTS, &args).await? {
        if let Some(at) = place.get(&rows::id(&*row, "job_id")?) {
            jobs[*at].artifacts.push(rows::artifact(&*row)?);
        }
    }
    Ok(jobs)
}

pub async fn delete(
    tx: &mut dyn Tx,
    account: AccountId,
    id: JobId,
    now: EpochMs,
) -> Result<(Deleted, Changed), StoreError> {
    let owned = [id.into(), account.into()];
    let change = [id.into(), account.into(), now.into()];
    let hold = tx.dialect().hold_job;
    let before = fetch_one(tx, hold, &owned).await?.ok_or(StoreError::NotFound)?;
    if let Some(row) = fetch_one(tx, DELETE_QUEUED, &change).await? {
        if let Some(input) = before.opt_text("input_ref")? {
            garbage::throw(tx, &input, Reason::Input, now).await?;
        }
        return deleted(tx, Deleted::Gone, rows::changed(&*row, id)?, "deleted", now).await;
    }
    if let Some(row) = fetch_one(tx, CANCEL_RUNNING, &change).await? {
        return deleted(tx, Deleted::Stopping, rows::changed(&*row, id)?, "cancel_requested", now).await;
    }
    if let Some(row) = fetch_one(tx, DELETE_ENDED, &change).await? {
        garbage::throw_artifacts(tx, id, now).await?;
        return deleted(tx, Deleted::Gone, rows::changed(&*row, id)?, "deleted", now).await;
    }
    // Nothing left to do: it is deleted, or stopping, already.
    let status = JobStatus::parse(&rows::text(&*before, "status")?);
    let state = if status == Some(JobStatus::Processing) { Deleted::Stopping } else { Deleted::Gone };
    Ok((state, rows::changed(&*before, id)?))
}

/// Deletes what ended before; two servers that do it at once take different jobs.
pub async fn expire(
    tx: &mut dyn Tx,
    before: EpochMs,
    now: EpochMs,
    limit: u32,
) -> Result<Vec<Changed>, StoreError> {
    let sql = tx.dialect().expire_jobs;
    let mut gone = Vec::new();
    for row in tx.fetch(sql, &[before.into(), now.into(), limit.into()]).await? {
        let id: JobId = rows::id(&*row, "id")?;
        garbage::throw_artifacts(tx, id, now).await?;
        let (_, changed) = deleted(tx, Deleted::Gone, rows::changed(&*row, id)?, "expired", now).await?;
        gone.push(changed);
    }
    Ok(gone)
}

async fn deleted(
    tx: &mut dyn Tx,
    state: Deleted,
    changed: Changed,
    kind: &'static str,
    now: EpochMs,
) -> Result<(Deleted, Changed), StoreError> {
    if state == Deleted::Gone {
        callbacks::forget(tx, changed.job).await?;
    }
    let job = rows::read_job(tx, changed.job).await?;
    record_event(tx, &job, kind, now).await?;
    Ok((state, changed))
}

pub async fn queued(tx: &mut dyn Tx) -> Result<u64, StoreError> {
    count(tx, QUEUED, &[]).await
}
