//! Objects in memory.

use crate::ports::files::{FileError, FileStore, ObjectWriter, ReadSeek, Stored};
use crate::ports::store::StorageRef;
use async_trait::async_trait;
use bytes::Bytes;
use futures_util::stream::{self, BoxStream, StreamExt};
use std::collections::BTreeMap;
use std::io::Cursor;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// Largest piece that a read yields.
const PIECE_BYTES: usize = 64 * 1024;

/// Keeps objects in a map. Clones share all. The checksum it tells is not SHA-256: nothing in a test may rely on it.
#[derive(Clone, Default)]
pub struct MemoryFiles(Arc<Mutex<State>>);

#[derive(Default)]
struct State {
    objects: BTreeMap<StorageRef, Vec<u8>>,
    broken: bool,
    failing: u32,
}

impl MemoryFiles {
    /// Makes an empty store.
    pub fn new() -> Self {
        Self::default()
    }

    /// Makes all calls fail, or work again.
    pub fn set_broken(&self, broken: bool) {
        self.lock().broken = broken;
    }

    /// Makes the next `calls` calls fail.
    pub fn fail_next(&self, calls: u32) {
        self.lock().failing = calls;
    }

    /// Puts an object in place.
    pub fn put(&self, object: &StorageRef, content: impl Into<Vec<u8>>) {
        self.lock().objects.insert(object.clone(), content.into());
    }

    /// Returns an object's content.
    pub fn content(&self, object: &StorageRef) -> Option<Vec<u8>> {
        self.lock().objects.get(object).cloned()
    }

    /// Returns the names of all objects, in order.
    pub fn names(&self) -> Vec<StorageRef> {
        self.lock().objects.keys().cloned().collect()
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn working(&self) -> Result<MutexGuard<'_, State>, FileError> {
        let mut state = self.lock();
        let fails = state.broken || state.failing > 0;
        state.failing = state.failing.saturating_sub(1);
        if fails { Err(FileError::Unavailable("planned fault".into())) } else { Ok(state) }
    }

    fn found(&self, object: &StorageRef) -> Result<Vec<u8>, FileError> {
        self.working()?.objects.get(object).cloned().ok_or(FileError::NotFound)
    }
}

struct MemoryWriter {
    files: MemoryFiles,
    object: StorageRef,
    content: Vec<u8>,
}

#[async_trait]
impl ObjectWriter for MemoryWriter {
    async fn write(&mut self, chunk: Bytes) -> Result<(), FileError> {
        drop(self.files.working()?);
        self.content.extend_from_slice(&chunk);
        Ok(())
    }

    async fn finish(self: Box<Self>) -> Result<Stored, FileError> {
        let size_bytes = self.content.len() as u64;
        self.files.working()?.objects.insert(self.object, self.content);
        Ok(Stored { size_bytes, sha256: format!("{size_bytes:064x}") })
    }
}

#[async_trait]
impl FileStore for MemoryFiles {
    async fn create(&self, object: &StorageRef) -> Result<Box<dyn ObjectWriter>, FileError> {
        drop(self.working()?);
        Ok(Box::new(MemoryWriter { files: self.clone(), object: object.clone(), content: Vec::new() }))
    }

    async fn append(&self, object: &StorageRef, lines: Bytes) -> Result<(), FileError> {
        self.working()?.objects.entry(object.clone()).or_default().extend_from_slice(&lines);
        Ok(())
    }

    async fn size(&self, object: &StorageRef) -> Result<u64, FileError> {
        Ok(self.found(object)?.len() as u64)
    }

    async fn read(
        &self,
        object: &StorageRef,
        offset: u64,
        length: u64,
    ) -> Result<BoxStream<'static, Result<Bytes, FileError>>, FileError> {
        let content = self.found(object)?;
        let end = offset.checked_add(length).filter(|end| *end <= content.len() as u64);
        let wanted = &content[offset as usize..end.ok_or(FileError::BadRange)? as usize];
        let pieces: Vec<_> =
            wanted.chunks(PIECE_BYTES).map(|piece| Ok(Bytes::copy_from_slice(piece))).collect();
        Ok(stream::iter(pieces).boxed())
    }

    async fn open(&self, object: &StorageRef) -> Result<Box<dyn ReadSeek>, FileError> {
        Ok(Box::new(Cursor::new(self.found(object)?)))
    }

    async fn delete(&self, object: &StorageRef) -> Result<(), FileError> {
        self.working()?.objects.remove(object);
        Ok(())
    }

    async fn list(
        &self,
        after: Option<&StorageRef>,
        limit: u32,
        _stale_s: u64,
    ) -> Result<Vec<StorageRef>, FileError> {
        let state = self.working()?;
        let later = state.objects.keys().filter(|name| after.is_none_or(|after| *name > after));
        Ok(later.take(limit as usize).cloned().collect())
    }
}
