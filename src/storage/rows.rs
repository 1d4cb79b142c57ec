//! Rows to domain values and back. A row that cannot be read is `Broken`, never a default.

use crate::storage::callbacks;
use crate::storage::database::{Row, Tx, Value, fetch_one};
use sottovoce_actors::ports::store::{
    Artifact, Changed, EpochMs, Job, LeaseEpoch, Permille, StatusSeq, StorageRef, StoreError,
};
use sottovoce_protocol::error_code::ErrorCode;
use sottovoce_protocol::ids::{AccountId, JobId};
use sottovoce_protocol::jobs::{ArtifactKind, JobStatus, JobType};
use std::str::FromStr;

/// The columns that [`job`] reads.
macro_rules! job_columns {
    () => {
        "id, user_id, type, status, status_seq, progress, error_code, params, input_ref, file_name, duration_ms, \
         attempt, max_attempts, lease_epoch, cancel_requested_at, created_at, started_at, completed_at"
    };
}
pub(crate) use job_columns;

const JOB: &str = concat!("SELECT ", job_columns!(), " FROM jobs WHERE id=$1");
const ARTIFACTS: &str = "SELECT job_id, id, kind, lang, storage_ref, size_bytes, sha256, created_at FROM artifacts \
     WHERE job_id=$1 ORDER BY kind, lang";

/// A column holds what this version does not understand.
pub fn broken(column: &str) -> StoreError {
    StoreError::Broken(format!("column {column} holds what this version does not understand"))
}

/// Returns a column that is never null.
pub fn text(row: &dyn Row, column: &str) -> Result<String, StoreError> {
    row.opt_text(column)?.ok_or_else(|| broken(column))
}

/// Returns a column that is never null.
pub fn int(row: &dyn Row, column: &str) -> Result<i64, StoreError> {
    row.opt_int(column)?.ok_or_else(|| broken(column))
}

/// Returns a column that is never null nor negative.
pub fn unsigned(row: &dyn Row, column: &str) -> Result<u64, StoreError> {
    u64::try_from(int(row, column)?).map_err(|_| broken(column))
}

/// Returns an id.
pub fn id<T: FromStr>(row: &dyn Row, column: &str) -> Result<T, StoreError> {
    text(row, column)?.parse().map_err(|_| broken(column))
}

/// Returns an object's name.
pub fn object(row: &dyn Row, column: &str) -> Result<StorageRef, StoreError> {
    text(row, column).map(StorageRef)
}

/// Returns the answer of a verb that changed a job, from `user_id` and `status_seq`.
pub fn changed(row: &dyn Row, job: JobId) -> Result<Changed, StoreError> {
    let account: AccountId = id(row, "user_id")?;
    Ok(Changed { job, account, seq: StatusSeq(unsigned(row, "status_seq")?) })
}

/// Reads a job without its artifacts.
pub fn job(row: &dyn Row) -> Result<Job, StoreError> {
    let parse_error = |code: String| ErrorCode::parse(&code).ok_or_else(|| broken("error_code"));
    let small = |column| u32::try_from(int(row, column)?).map_err(|_| broken(column));
    Ok(Job {
        id: id(row, "id")?,
        account: id(row, "user_id")?,
        job_type: JobType::parse(&text(row, "type")?).ok_or_else(|| broken("type"))?,
        status: JobStatus::parse(&text(row, "status")?).ok_or_else(|| broken("status"))?,
        seq: StatusSeq(unsigned(row, "status_seq")?),
        progress: Permille(u16::try_from(int(row, "progress")?).map_err(|_| broken("progress"))?),
        error_code: row.opt_text("error_code")?.map(parse_error).transpose()?,
        params: serde_json::from_str(&text(row, "params")?).map_err(|_| broken("params"))?,
        input: row.opt_text("input_ref")?.map(StorageRef),
        file_name: row.opt_text("file_name")?,
        duration_ms: match row.opt_int("duration_ms")? {
            None => None,
            Some(_) => Some(unsigned(row, "duration_ms")?),
        },
        attempt: small("attempt")?,
        max_attempts: small("max_attempts")?,
        epoch: LeaseEpoch(int(row, "lease_epoch")?),
        cancel_requested: row.opt_int("cancel_requested_at")?.is_some(),
        created_at: EpochMs(int(row, "created_at")?),
        started_at: row.opt_int("started_at")?.map(EpochMs),
        completed_at: row.opt_int("completed_at")?.map(EpochMs),
        callback: None,
        artifacts: Vec::new(),
    })
}

/// Reads an artifact.
pub fn artifact(row: &dyn Row) -> Result<Artifact, StoreError> {
    Ok(Artifact {
        id: id(row, "id")?,
        kind: ArtifactKind::parse(&text(row, "kind")?).ok_or_else(|| broken("kind"))?,
        lang: text(row, "lang")?,
        storage: object(row, "storage_ref")?,
        size_bytes: unsigned(row, "size_bytes")?,
        sha256: text(row, "sha256")?,
        created_at: EpochMs(int(row, "created_at")?),
    })
}

/// Reads a whole job in the transaction, whoever owns it and deleted or not.
pub async fn read_job(tx: &mut dyn Tx, id: JobId) -> Result<Job, StoreError> {
    let row = fetch_one(tx, JOB, &[id.into()]).await?.ok_or(StoreError::NotFound)?;
    with_artifacts(tx, job(&*row)?).await
}

/// Adds its artifacts to a job.
pub async fn with_artifacts(tx: &mut dyn Tx, mut job: Job) -> Result<Job, StoreError> {
    if job.status.is_terminal() {
        let rows = tx.fetch(ARTIFACTS, &[Value::from(job.id)]).await?;
        job.artifacts = rows.iter().map(|row| artifact(&**row)).collect::<Result<_, _>>()?;
        if job.params.callback_url.is_some() {
            job.callback = callbacks::of_job(tx, job.id).await?;
        }
    }
    Ok(job)
}
