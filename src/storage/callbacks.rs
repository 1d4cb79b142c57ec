//! Callbacks that are due, how their attempts went, and the secrets they are signed with.

use crate::storage::database::{Database, Tx, Value, fetch_one};
use crate::storage::rows::{self, broken, read_job};
use crate::storage::store::{SqlStore, writing};
use async_trait::async_trait;
use sottovoce_actors::ports::callback::{CallbackAttempt, CallbackQueue, CallbackSecret, DueCallback};
use sottovoce_actors::ports::store::{Callback, EpochMs, StoreError};
use sottovoce_protocol::ids::{AccountId, JobId};
use sottovoce_protocol::jobs::CallbackState;

/// Takes what is due and puts it off, so that two servers do not send the same, and counts the attempt.
macro_rules! due_callbacks_sql {
    ($lock:literal) => {
        concat!(
            "WITH c AS MATERIALIZED (SELECT job_id AS cid FROM callbacks WHERE state='pending' AND next_at<=$1 \
             ORDER BY next_at, job_id LIMIT $3 ",
            $lock,
            ") UPDATE callbacks SET next_at=$2, attempts=attempts+1 FROM c WHERE callbacks.job_id=c.cid \
             RETURNING job_id, attempts"
        )
    };
}
pub(crate) use due_callbacks_sql;

const ADD: &str = "INSERT INTO callbacks (job_id, state, next_at, created_at) VALUES ($1, 'pending', $2, $2)";
const FORGET: &str = "DELETE FROM callbacks WHERE job_id=$1";
const OF_JOB: &str =
    "SELECT state, attempts, next_at, last_status, last_error FROM callbacks WHERE job_id=$1";
const TRIED: &str = "UPDATE callbacks SET state=$3, next_at=$4, last_status=$5, last_error=$6 \
     WHERE job_id=$1 AND attempts=$2 AND state='pending'";
const ADD_SECRET: &str = "INSERT INTO callback_secrets (user_id, secret, created_at) VALUES ($1, $2, $3) \
     ON CONFLICT (user_id) DO NOTHING";
const REPLACE_SECRET: &str = "INSERT INTO callback_secrets (user_id, secret, created_at) VALUES ($1, $2, $3) \
     ON CONFLICT (user_id) DO UPDATE SET secret=excluded.secret, created_at=excluded.created_at";
const SECRET: &str = "SELECT secret FROM callback_secrets WHERE user_id=$1";

/// Makes a callback due, in the transaction that ends its job.
pub async fn add(tx: &mut dyn Tx, job: JobId, now: EpochMs) -> Result<(), StoreError> {
    tx.execute(ADD, &[job.into(), now.into()]).await.map(|_| ())
}

/// Drops the callback of a job that is deleted.
pub async fn forget(tx: &mut dyn Tx, job: JobId) -> Result<(), StoreError> {
    tx.execute(FORGET, &[job.into()]).await.map(|_| ())
}

/// Returns how the callback of a job stands.
pub async fn of_job(tx: &mut dyn Tx, job: JobId) -> Result<Option<Callback>, StoreError> {
    let Some(row) = fetch_one(tx, OF_JOB, &[job.into()]).await? else { return Ok(None) };
    let status = row.opt_int("last_status")?.map(u16::try_from).transpose();
    Ok(Some(Callback {
        state: CallbackState::parse(&rows::text(&*row, "state")?).ok_or_else(|| broken("state"))?,
        attempts: u32::try_from(rows::int(&*row, "attempts")?).map_err(|_| broken("attempts"))?,
        next_at: row.opt_int("next_at")?.map(EpochMs),
        last_status: status.map_err(|_| broken("last_status"))?,
        last_error: row.opt_text("last_error")?,
    }))
}

async fn due(
    tx: &mut dyn Tx,
    now: EpochMs,
    again_at: EpochMs,
    limit: u32,
) -> Result<Vec<DueCallback>, StoreError> {
    let sql = tx.dialect().due_callbacks;
    let mut due = Vec::new();
    for row in tx.fetch(sql, &[now.into(), again_at.into(), limit.into()]).await? {
        let job = read_job(tx, rows::id(&*row, "job_id")?).await?;
        let attempts = u32::try_from(rows::int(&*row, "attempts")?).map_err(|_| broken("attempts"))?;
        let secret = secret(tx, job.account).await?;
        due.push(DueCallback { job, attempts, secret });
    }
    Ok(due)
}

async fn secret(tx: &mut dyn Tx, account: AccountId) -> Result<CallbackSecret, StoreError> {
    let row = fetch_one(tx, SECRET, &[account.into()]).await?;
    let row = row.ok_or_else(|| StoreError::Broken("an account with callbacks has no secret".into()))?;
    rows::text(&*row, "secret").map(CallbackSecret)
}

/// Keeps `fresh` if the account has no secret yet; returns the one it has.
pub async fn secret_or(
    tx: &mut dyn Tx,
    account: AccountId,
    fresh: &CallbackSecret,
    now: EpochMs,
) -> Result<CallbackSecret, StoreError> {
    tx.execute(ADD_SECRET, &[account.into(), (&fresh.0).into(), now.into()]).await?;
    secret(tx, account).await
}

async fn tried(
    tx: &mut dyn Tx,
    job: JobId,
    attempts: u32,
    attempt: CallbackAttempt,
) -> Result<(), StoreError> {
    let args = [
        job.into(),
        attempts.into(),
        attempt.state.as_str().into(),
        Value::Int(attempt.next_at.map(|at| at.0)),
        Value::Int(attempt.status.map(i64::from)),
        attempt.fault.map(str::to_owned).into(),
    ];
    tx.execute(TRIED, &args).await.map(|_| ())
}

async fn replace_secret(
    tx: &mut dyn Tx,
    account: AccountId,
    fresh: CallbackSecret,
    now: EpochMs,
) -> Result<(), StoreError> {
    tx.execute(REPLACE_SECRET, &[account.into(), (&fresh.0).into(), now.into()]).await.map(|_| ())
}

#[async_trait]
impl<D: Database> CallbackQueue for SqlStore<D> {
    async fn due_callbacks(
        &self,
        now: EpochMs,
        again_at: EpochMs,
        limit: u32,
    ) -> Result<Vec<DueCallback>, StoreError> {
        writing!(self, tx => due(tx, now, again_at, limit))
    }

    async fn callback_tried(
        &self,
        job: JobId,
        attempts: u32,
        attempt: CallbackAttempt,
    ) -> Result<(), StoreError> {
        writing!(self, tx => tried(tx, job, attempts, attempt))
    }

    async fn callback_secret(
        &self,
        account: AccountId,
        fresh: CallbackSecret,
        now: EpochMs,
    ) -> Result<CallbackSecret, StoreError> {
        writing!(self, tx => secret_or(tx, account, &fresh, now))
    }

    async fn replace_callback_secret(
        &self,
        account: AccountId,
        fresh: CallbackSecret,
        now: EpochMs,
    ) -> Result<(), StoreError> {
        writing!(self, tx => replace_secret(tx, account, fresh, now))
    }
}
