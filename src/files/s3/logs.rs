//! Logs in the bucket: appended, measured, read, by the rules of [`super::tail`]. One process at a time appends to a log
//! (the holder of its stream's lease); within it appends to one log wait for each other.

use crate::files::s3::bucket::Bucket;
use crate::files::s3::tail::{Part, Put, Tail, end_of, needed};
use bytes::Bytes;
use futures_util::stream::{self, BoxStream, StreamExt, TryStreamExt};
use sottovoce_actors::ports::files::FileError;
use sottovoce_actors::ports::store::StorageRef;
use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

/// Logs whose ends are remembered; the end of another is looked up at its next append.
const MAX_TAILS: usize = 4096;
/// Parts fetched at once by a reader.
const PARTS_AHEAD: usize = 4;
/// Parts deleted at once.
const DELETIONS_AT_ONCE: usize = 8;
/// Largest piece of a read.
const PIECE_BYTES: usize = 64 * 1024;

/// `None`: to be looked up.
type Slot = Arc<tokio::sync::Mutex<Option<Tail>>>;

/// The ends of the logs that grow.
#[derive(Default)]
pub struct Tails(Mutex<HashMap<StorageRef, Slot>>);

impl Tails {
    fn slot(&self, log: &StorageRef) -> Slot {
        let mut tails = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if tails.len() >= MAX_TAILS {
            tails.retain(|_, slot| Arc::strong_count(slot) > 1);
        }
        tails.entry(log.clone()).or_default().clone()
    }

    /// Forgets a log that is deleted.
    pub fn forget(&self, log: &StorageRef) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).remove(log);
    }
}

/// Appends lines.
pub async fn append(
    bucket: &Arc<Bucket>,
    tails: &Tails,
    log: &StorageRef,
    lines: Bytes,
) -> Result<(), FileError> {
    let key = |offset| bucket.keys.part(log, offset);
    key(0)?;
    if lines.is_empty() {
        return Ok(());
    }
    let slot = tails.slot(log);
    let mut tail = slot.lock().await;
    let known = match tail.take() {
        Some(known) => known,
        None => Tail::at(end_of(&needed(bucket.parts(log).await?)?)),
    };
    let known = tail.insert(known);
    let put: Put = known.put(&lines);
    bucket.put(key(put.offset)?, put.body.clone()).await?;
    for covered in &put.covers {
        // Not read any more, and deleted with the log at the latest.
        bucket.thread.leave(remove(bucket.clone(), key(*covered)?));
    }
    known.done(put);
    Ok(())
}

async fn remove(bucket: Arc<Bucket>, key: String) -> Result<(), FileError> {
    bucket.remove(key).await
}

/// Returns a log's length in bytes.
pub async fn size(bucket: &Bucket, log: &StorageRef) -> Result<u64, FileError> {
    Ok(end_of(&whole(bucket, log).await?))
}

async fn whole(bucket: &Bucket, log: &StorageRef) -> Result<Vec<Part>, FileError> {
    let parts = bucket.parts(log).await?;
    if parts.is_empty() { Err(FileError::NotFound) } else { needed(parts) }
}

/// Streams a part of a log.
pub async fn read(
    bucket: Arc<Bucket>,
    log: StorageRef,
    offset: u64,
    length: u64,
) -> Result<BoxStream<'static, Result<Bytes, FileError>>, FileError> {
    let parts = whole(&bucket, &log).await?;
    let end = offset.checked_add(length).filter(|end| *end <= end_of(&parts)).ok_or(FileError::BadRange)?;
    let pieces = stream::iter(wanted(&parts, offset, end))
        .map(move |wanted| piece(bucket.clone(), log.clone(), wanted))
        .buffered(PARTS_AHEAD)
        .map_ok(|content| stream::iter(cut(content).into_iter().map(Ok)))
        .try_flatten();
    Ok(pieces.boxed())
}

/// A stretch of a log that one part holds.
#[derive(Clone, Copy)]
struct Stretch {
    part: u64,
    from: u64,
    to: u64,
}

fn wanted(parts: &[Part], offset: u64, end: u64) -> Vec<Stretch> {
    let mut from = offset;
    let mut wanted = Vec::new();
    for part in parts {
        let to = part.end().min(end);
        if from < to {
            wanted.push(Stretch { part: part.offset, from, to });
            from = to;
        }
    }
    wanted
}

/// Fetches a stretch. Parts become longer ones while a log grows: where one is gone, a longer one holds the stretch.
async fn piece(bucket: Arc<Bucket>, log: StorageRef, wanted: Stretch) -> Result<Bytes, FileError> {
    let fetch = |part: u64| {
        let key = bucket.keys.part(&log, part);
        let (bucket, offset) = (bucket.clone(), wanted.from - part);
        async move { bucket.fetch(key?, None, offset, wanted.to - wanted.from).await }
    };
    match fetch(wanted.part).await {
        Err(FileError::NotFound) => {
            let parts = whole(&bucket, &log).await?;
            let holder = parts.iter().find(|part| wanted.from < part.end()).ok_or(FileError::NotFound)?;
            fetch(holder.offset).await
        }
        fetched => fetched,
    }
}

fn cut(mut content: Bytes) -> Vec<Bytes> {
    let mut pieces = Vec::with_capacity(content.len().div_ceil(PIECE_BYTES));
    while !content.is_empty() {
        pieces.push(content.split_to(content.len().min(PIECE_BYTES)));
    }
    pieces
}

/// Deletes a log; absent is well.
pub async fn delete(bucket: &Bucket, tails: &Tails, log: &StorageRef) -> Result<(), FileError> {
    tails.forget(log);
    let parts = bucket.parts(log).await?;
    let keys: Result<Vec<String>, _> = parts.iter().map(|part| bucket.keys.part(log, part.offset)).collect();
    let removals = stream::iter(keys?).map(Ok);
    removals.try_for_each_concurrent(DELETIONS_AT_ONCE, |key| bucket.remove(key)).await
}
