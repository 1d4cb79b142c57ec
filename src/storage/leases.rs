//! Leases: claim, heartbeat, take over. A lease is an epoch of a job; whoever holds an older epoch changes nothing.

use crate::storage::database::{Tx, fetch_one};
use crate::storage::rows::{self, int, read_job};
use sottovoce_actors::ports::store::{
    EpochMs, Heartbeat, Job, Lease, LeaseEpoch, Permille, StatusSeq, StoreError,
};
use sottovoce_protocol::ids::{AccountId, JobId, NodeId};

/// Picks an account's first job by its own priorities. The join with a materialised CTE, not `IN (SELECT … LIMIT 1)`:
/// PostgreSQL may run that subquery once per row and claim the whole queue.
macro_rules! claim_sql {
    ($lock:literal) => {
        concat!(
            "WITH c AS MATERIALIZED (SELECT id AS cid FROM jobs WHERE status='queued' AND run_at<=$1 AND user_id=$4 \
             ORDER BY priority DESC, run_at, id LIMIT 1 ",
            $lock,
            ") UPDATE jobs SET status='processing', lease_owner=$2, lease_until=$3, lease_epoch=lease_epoch+1, \
             attempt=attempt+1, started_at=$1, status_seq=status_seq+1 FROM c \
             WHERE jobs.id=c.cid AND jobs.status='queued' RETURNING id, lease_epoch"
        )
    };
}
pub(crate) use claim_sql;

/// Leases that ended before $1 and, if $4 says that $2 is the only node that can live, those of any other node.
macro_rules! take_over_sql {
    ($lock:literal) => {
        concat!(
            "WITH c AS MATERIALIZED (SELECT id AS cid FROM jobs WHERE status='processing' \
             AND (lease_until<$1 OR ($4=1 AND lease_owner<>$2)) ORDER BY lease_until, id LIMIT $5 ",
            $lock,
            ") UPDATE jobs SET lease_owner=$2, lease_until=$3, lease_epoch=lease_epoch+1, status_seq=status_seq+1 \
             FROM c WHERE jobs.id=c.cid AND jobs.status='processing' RETURNING id, lease_epoch"
        )
    };
}
pub(crate) use take_over_sql;

/// The accounts that have work, the one first that was served longest ago. Steps from account to account along the index
/// (`MIN` above the last one), so that a thousand jobs of one account cost no more than one.
const ACCOUNTS_BY_TURN: &str = "WITH RECURSIVE waiting(account) AS (\
     SELECT (SELECT MIN(user_id) FROM jobs WHERE status='queued') UNION ALL \
     SELECT (SELECT MIN(user_id) FROM jobs WHERE status='queued' AND user_id>waiting.account) \
     FROM waiting WHERE waiting.account IS NOT NULL) \
     SELECT account FROM waiting LEFT JOIN queue_turns ON queue_turns.user_id=account WHERE account IS NOT NULL \
     AND EXISTS (SELECT 1 FROM jobs WHERE user_id=account AND status='queued' AND run_at<=$1) \
     ORDER BY COALESCE(turn, 0), account LIMIT $2";
/// More than claims are under way at once, so that those passed over because their only job is just being taken leave some.
const ACCOUNTS_LOOKED_AT: u32 = 64;
const TAKE_TURN: &str = "INSERT INTO queue_turns (user_id, turn) \
     SELECT $1, COALESCE(MAX(turn), 0)+1 FROM queue_turns WHERE TRUE \
     ON CONFLICT (user_id) DO UPDATE SET turn=excluded.turn";

const RENEW: &str = "UPDATE jobs SET lease_until=$3 WHERE id=$1 AND lease_epoch=$2 AND status='processing' \
     RETURNING status_seq, progress, duration_ms, cancel_requested_at";
const NOTE_PROGRESS: &str = "UPDATE jobs SET progress=$3, duration_ms=$4, status_seq=status_seq+1 \
     WHERE id=$1 AND lease_epoch=$2 AND status='processing' RETURNING status_seq";
const ADD_EVENT: &str = "INSERT INTO job_events (job_id, seq, user_id, kind, payload, created_at) \
     VALUES ($1, $2, $3, $4, $5, $6)";

/// Runs along the index of ages; the events it passes over are those of jobs that have not ended.
const FORGET_EVENTS: &str = "DELETE FROM job_events WHERE (job_id, seq) IN (SELECT e.job_id, e.seq FROM job_events e \
     JOIN jobs j ON j.id=e.job_id WHERE e.created_at<$1 AND j.completed_at<$1 ORDER BY e.created_at LIMIT $2)";

/// Appends a job's new state to the log of events: status and counts, never content.
pub async fn record_event(
    tx: &mut dyn Tx,
    job: &Job,
    kind: &'static str,
    now: EpochMs,
) -> Result<(), StoreError> {
    let payload = serde_json::json!({
        "status": job.status,
        "progress": job.progress.0,
        "error_code": job.error_code,
        "attempt": job.attempt,
        "epoch": job.epoch.0,
    });
    let args = [
        job.id.into(),
        job.seq.0.into(),
        job.account.into(),
        kind.into(),
        (&payload.to_string()).into(),
        now.into(),
    ];
    tx.execute(ADD_EVENT, &args).await.map(|_| ())
}

pub async fn forget_events(tx: &mut dyn Tx, before: EpochMs, limit: u32) -> Result<u64, StoreError> {
    tx.execute(FORGET_EVENTS, &[before.into(), limit.into()]).await
}

async fn leased(
    tx: &mut dyn Tx,
    id: JobId,
    epoch: LeaseEpoch,
    kind: &'static str,
    now: EpochMs,
) -> Result<(Job, Lease), StoreError> {
    let job = read_job(tx, id).await?;
    record_event(tx, &job, kind, now).await?;
    Ok((job, Lease { job: id, epoch }))
}

pub async fn claim(
    tx: &mut dyn Tx,
    node: NodeId,
    lease_until: EpochMs,
    now: EpochMs,
    except: &[AccountId],
) -> Result<Option<(Job, Lease)>, StoreError> {
    let sql = tx.dialect().claim;
    let looked_at = ACCOUNTS_LOOKED_AT.saturating_add(u32::try_from(except.len()).unwrap_or(u32::MAX));
    for row in tx.fetch(ACCOUNTS_BY_TURN, &[now.into(), looked_at.into()]).await? {
        let account: AccountId = rows::id(&*row, "account")?;
        if except.contains(&account) {
            continue;
        }
        let args = [now.into(), node.into(), lease_until.into(), account.into()];
        if let Some(row) = fetch_one(tx, sql, &args).await? {
            tx.execute(TAKE_TURN, &[account.into()]).await?;
            let (id, epoch) = (rows::id(&*row, "id")?, LeaseEpoch(int(&*row, "lease_epoch")?));
            return leased(tx, id, epoch, "claimed", now).await.map(Some);
        }
    }
    Ok(None)
}

pub async fn take_over(
    tx: &mut dyn Tx,
    node: NodeId,
    lone_node: bool,
    lease_until: EpochMs,
    now: EpochMs,
    limit: u32,
) -> Result<Vec<(Job, Lease)>, StoreError> {
    let sql = tx.dialect().take_over;
    let args = [now.into(), node.into(), lease_until.into(), i64::from(lone_node).into(), limit.into()];
    let mut taken = Vec::new();
    for row in tx.fetch(sql, &args).await? {
        let (id, epoch) = (rows::id(&*row, "id")?, LeaseEpoch(int(&*row, "lease_epoch")?));
        taken.push(leased(tx, id, epoch, "taken_over", now).await?);
    }
    // RETURNING promises no order.
    taken.sort_by_key(|(job, _)| (job.created_at, job.id));
    Ok(taken)
}

pub async fn heartbeat(
    tx: &mut dyn Tx,
    lease: Lease,
    lease_until: EpochMs,
    progress: Permille,
    duration_ms: Option<u64>,
) -> Result<(Heartbeat, StatusSeq), StoreError> {
    let args = [lease.job.into(), lease.epoch.into(), lease_until.into()];
    let row = fetch_one(tx, RENEW, &args).await?.ok_or(StoreError::LeaseLost)?;
    let state = match row.opt_int("cancel_requested_at")? {
        Some(_) => Heartbeat::CancelRequested,
        None => Heartbeat::Held,
    };
    let known_progress = int(&*row, "progress")?;
    let known_ms = row.opt_int("duration_ms")?.map(|_| rows::unsigned(&*row, "duration_ms")).transpose()?;
    let best_progress = known_progress.max(i64::from(progress.0.min(1000)));
    let best_ms = duration_ms.or(known_ms);
    if (best_progress, best_ms) == (known_progress, known_ms) {
        return Ok((state, StatusSeq(rows::unsigned(&*row, "status_seq")?)));
    }
    let args = [lease.job.into(), lease.epoch.into(), best_progress.into(), best_ms.into()];
    // No event: progress is read from the row, and a row per heartbeat would outgrow the jobs.
    let row = fetch_one(tx, NOTE_PROGRESS, &args).await?.ok_or(StoreError::LeaseLost)?;
    Ok((state, StatusSeq(rows::unsigned(&*row, "status_seq")?)))
}
