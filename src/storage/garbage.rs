//! Objects to be deleted. The index never deletes content itself: it only says which objects nothing names any more.

use crate::storage::database::{Tx, fetch_one};
use crate::storage::rows::object;
use sottovoce_actors::ports::store::{EpochMs, StorageRef, StoreError};
use sottovoce_protocol::ids::JobId;

/// How long a sweeper has to delete what it took before the object is offered again.
const OFFERED_AGAIN_AFTER_MS: i64 = 60_000;

/// Takes what is due and puts it off, so that two sweepers do not meet and one that cannot be deleted blocks no other.
/// What is named is left alone: where transactions run side by side, an object may be thrown away while it is being named.
macro_rules! take_garbage_sql {
    ($lock:literal) => {
        concat!(
            "WITH c AS MATERIALIZED (SELECT storage_ref AS cref FROM storage_gc WHERE due_at<=$1 \
             AND NOT EXISTS (SELECT 1 FROM artifacts WHERE artifacts.storage_ref=storage_gc.storage_ref) \
             AND NOT EXISTS (SELECT 1 FROM jobs WHERE jobs.input_ref=storage_gc.storage_ref) \
             ORDER BY due_at, storage_ref LIMIT $3 ",
            $lock,
            ") UPDATE storage_gc SET due_at=$2, attempts=attempts+1 FROM c WHERE storage_gc.storage_ref=c.cref \
             RETURNING storage_ref"
        )
    };
}
pub(crate) use take_garbage_sql;

/// Why an object is garbage, for people who read the table.
#[derive(Clone, Copy, Debug)]
pub enum Reason {
    /// The job has ended.
    Input,
    /// The job was deleted.
    Artifact,
    /// Nothing ever named it.
    Lost,
}

impl Reason {
    const fn as_str(self) -> &'static str {
        match self {
            Self::Input => "input",
            Self::Artifact => "artifact",
            Self::Lost => "lost",
        }
    }
}

/// Named objects are never garbage, whatever a confused caller says; the earlier date wins.
const THROW: &str = "INSERT INTO storage_gc (storage_ref, reason, due_at) SELECT $1, $2, $3 \
     WHERE NOT EXISTS (SELECT 1 FROM artifacts WHERE storage_ref=$1) \
     AND NOT EXISTS (SELECT 1 FROM jobs WHERE input_ref=$1) ON CONFLICT (storage_ref) DO UPDATE \
     SET due_at=CASE WHEN excluded.due_at<storage_gc.due_at THEN excluded.due_at ELSE storage_gc.due_at END";
const FORGET: &str = "DELETE FROM storage_gc WHERE storage_ref=$1";
const DROP_ARTIFACTS: &str = "DELETE FROM artifacts WHERE job_id=$1 RETURNING storage_ref";
const NAMED: &str = "SELECT 1 AS n WHERE EXISTS (SELECT 1 FROM artifacts WHERE storage_ref=$1) \
     OR EXISTS (SELECT 1 FROM jobs WHERE input_ref=$1) OR EXISTS (SELECT 1 FROM storage_gc WHERE storage_ref=$1)";

/// Marks an object for deletion, in the transaction that drops its name.
pub async fn throw(tx: &mut dyn Tx, object: &str, reason: Reason, due_at: EpochMs) -> Result<(), StoreError> {
    tx.execute(THROW, &[object.into(), reason.as_str().into(), due_at.into()]).await.map(|_| ())
}

/// Takes an object that is being named now off the list.
pub async fn keep(tx: &mut dyn Tx, object: &StorageRef) -> Result<(), StoreError> {
    tx.execute(FORGET, &[object.into()]).await.map(|_| ())
}

/// Drops a job's artifacts.
pub async fn throw_artifacts(tx: &mut dyn Tx, job: JobId, now: EpochMs) -> Result<(), StoreError> {
    for row in tx.fetch(DROP_ARTIFACTS, &[job.into()]).await? {
        throw(tx, &object(&*row, "storage_ref")?.0, Reason::Artifact, now).await?;
    }
    Ok(())
}

pub async fn add(tx: &mut dyn Tx, mut objects: Vec<StorageRef>, due_at: EpochMs) -> Result<(), StoreError> {
    // One order for all callers, so that no two wait for each other.
    objects.sort_unstable();
    for object in objects {
        throw(tx, &object.0, Reason::Lost, due_at).await?;
    }
    Ok(())
}

pub async fn take(tx: &mut dyn Tx, now: EpochMs, limit: u32) -> Result<Vec<StorageRef>, StoreError> {
    let sql = tx.dialect().take_garbage;
    let rows = tx.fetch(sql, &[now.into(), now.plus_ms(OFFERED_AGAIN_AFTER_MS).into(), limit.into()]).await?;
    rows.iter().map(|row| object(&**row, "storage_ref")).collect()
}

pub async fn unreferenced(tx: &mut dyn Tx, objects: Vec<StorageRef>) -> Result<Vec<StorageRef>, StoreError> {
    let mut orphans = Vec::new();
    for object in objects {
        if fetch_one(tx, NAMED, &[(&object).into()]).await?.is_none() {
            orphans.push(object);
        }
    }
    Ok(orphans)
}
