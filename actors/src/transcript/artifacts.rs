//! Writes a transcript's artifacts and reads segment logs through the `FileStore`. Used by batch jobs and live streams
//! alike. Names objects, never rows: the caller's `finish` or `fail` makes them count.

use crate::ports::clock::Ids;
use crate::ports::files::{FileError, FileStore};
use crate::ports::store::{Artifact, EpochMs, Lease, StorageRef};
use crate::transcript::document::Document;
use crate::transcript::log::LogReader;
use crate::transcript::render::{Rendition, render};
use bytes::Bytes;
use futures_util::StreamExt;
use sottovoce_protocol::ids::{ArtifactId, JobId};
use sottovoce_protocol::jobs::ArtifactKind;
use sottovoce_protocol::transcript::Segment;
use std::sync::Arc;
use tokio::sync::mpsc;

const CHUNK_BYTES: usize = 32 * 1024;
const CHUNKS_AHEAD: usize = 2;

/// Returns where an artifact of this claim of a job is kept. A job has one translation, so its language need not be named.
pub fn artifact_ref(lease: Lease, rendition: Rendition) -> StorageRef {
    let mark =
        if rendition.translated && rendition.kind != ArtifactKind::Translation { "-translated" } else { "" };
    StorageRef(format!("jobs/{}/{}/{}{mark}", lease.job, lease.epoch.0, rendition.kind.as_str()))
}

/// Returns every object that this claim of a job may have written.
pub fn artifact_refs(lease: Lease) -> Vec<StorageRef> {
    Rendition::ALL.into_iter().map(|rendition| artifact_ref(lease, rendition)).collect()
}

/// Returns where a stream's segment log grows.
pub fn log_ref(job: JobId) -> StorageRef {
    StorageRef(format!("jobs/{job}/segments"))
}

/// Settles the document and writes every artifact that it has; on an error what was written is deleted again.
pub async fn write_artifacts(
    files: &dyn FileStore,
    ids: &dyn Ids,
    lease: Lease,
    mut document: Document,
    now: EpochMs,
) -> Result<Vec<Artifact>, FileError> {
    document.settle();
    let document = Arc::new(document);
    let mut artifacts = Vec::with_capacity(Rendition::ALL.len());
    for rendition in Rendition::ALL.into_iter().filter(|rendition| rendition.is_of(&document)) {
        let translation = document.translation.as_ref().filter(|_| rendition.translated);
        match write_one(files, lease, rendition, document.clone()).await {
            Ok(stored) => artifacts.push(Artifact {
                id: ArtifactId::from_uuid(ids.uuid()),
                kind: rendition.kind,
                lang: translation.map(|translation| translation.lang.clone()).unwrap_or_default(),
                storage: artifact_ref(lease, rendition),
                size_bytes: stored.size_bytes,
                sha256: stored.sha256,
                created_at: now,
            }),
            Err(error) => {
                for artifact in artifacts {
                    // A failed deletion leaves an orphan, which the janitor sweeps.
                    let _ = files.delete(&artifact.storage).await;
                }
                return Err(error);
            }
        }
    }
    Ok(artifacts)
}

async fn write_one(
    files: &dyn FileStore,
    lease: Lease,
    rendition: Rendition,
    document: Arc<Document>,
) -> Result<crate::ports::files::Stored, FileError> {
    let mut writer = files.create(&artifact_ref(lease, rendition)).await?;
    let (sender, mut chunks) = mpsc::channel::<Bytes>(CHUNKS_AHEAD);
    let rendering = tokio::task::spawn_blocking(move || {
        let mut chunk = String::with_capacity(CHUNK_BYTES);
        let mut wanted = true;
        render(rendition, &document, &mut |piece| {
            if wanted {
                chunk.push_str(piece);
                if chunk.len() >= CHUNK_BYTES {
                    wanted = sender.blocking_send(Bytes::from(std::mem::take(&mut chunk))).is_ok();
                }
            }
        });
        if wanted && !chunk.is_empty() {
            // A closed channel means that the writer failed and says so itself.
            let _ = sender.blocking_send(Bytes::from(chunk));
        }
    });
    while let Some(chunk) = chunks.recv().await {
        writer.write(chunk).await?;
    }
    if rendering.await.is_err() {
        return Err(FileError::Unavailable(format!("the {} renderer stopped", rendition.kind.as_str())));
    }
    writer.finish().await
}

/// Reads a segment log; a missing one is empty. Damaged lines are skipped and reported once.
pub async fn read_log(files: &dyn FileStore, log: &StorageRef) -> Result<Vec<Segment>, FileError> {
    let size = match files.size(log).await {
        Ok(size) => size,
        Err(FileError::NotFound) => return Ok(Vec::new()),
        Err(error) => return Err(error),
    };
    let mut reader = LogReader::default();
    if size > 0 {
        let mut chunks = files.read(log, 0, size).await?;
        while let Some(chunk) = chunks.next().await {
            reader.push(&chunk?);
        }
    }
    let (segments, damaged) = reader.finish();
    if damaged > 0 {
        tracing::warn!(log = %log.0, damaged, "segment log has damaged lines, skipped");
    }
    Ok(segments)
}
