//! Objects in memory, with planned outages.

use crate::ports::files::{FileError, FileStore, ObjectWriter, ReadSeek, Stored};
use crate::ports::store::StorageRef;
use async_trait::async_trait;
use bytes::Bytes;
use futures_util::StreamExt;
use futures_util::stream::{BoxStream, iter};
use std::collections::BTreeMap;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::io::Cursor;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

#[derive(Debug, Default)]
struct Inner {
    objects: BTreeMap<StorageRef, Vec<u8>>,
    outage: u32,
}

/// The objects. Clones share them.
#[derive(Clone, Debug, Default)]
pub struct MemoryFiles {
    inner: Arc<Mutex<Inner>>,
}

impl MemoryFiles {
    /// Makes the next calls answer `Unavailable`.
    pub fn fail_next(&self, calls: u32) {
        self.lock().outage = calls;
    }

    /// Puts an object.
    pub fn put(&self, object: &StorageRef, content: &[u8]) {
        self.lock().objects.insert(object.clone(), content.to_vec());
    }

    /// Returns an object's content.
    pub fn content(&self, object: &StorageRef) -> Option<Vec<u8>> {
        self.lock().objects.get(object).cloned()
    }

    /// Returns the names of all objects.
    pub fn names(&self) -> Vec<String> {
        self.lock().objects.keys().map(|object| object.0.clone()).collect()
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn open_up(&self) -> Result<MutexGuard<'_, Inner>, FileError> {
        let mut inner = self.lock();
        if inner.outage > 0 {
            inner.outage -= 1;
            return Err(FileError::Unavailable("planned outage".into()));
        }
        Ok(inner)
    }
}

struct Writer {
    files: MemoryFiles,
    object: StorageRef,
    content: Vec<u8>,
}

#[async_trait]
impl ObjectWriter for Writer {
    async fn write(&mut self, chunk: Bytes) -> Result<(), FileError> {
        self.content.extend_from_slice(&chunk);
        Ok(())
    }

    async fn finish(self: Box<Self>) -> Result<Stored, FileError> {
        // Not SHA-256, which this crate does not know: any stable digest tells contents apart.
        let mut hash = DefaultHasher::new();
        self.content.hash(&mut hash);
        let stored = Stored {
            size_bytes: self.content.len() as u64,
            sha256: format!("{:016x}", hash.finish()).repeat(4),
        };
        self.files.open_up()?.objects.insert(self.object, self.content);
        Ok(stored)
    }
}

#[async_trait]
impl FileStore for MemoryFiles {
    async fn create(&self, object: &StorageRef) -> Result<Box<dyn ObjectWriter>, FileError> {
        self.open_up()?;
        Ok(Box::new(Writer { files: self.clone(), object: object.clone(), content: Vec::new() }))
    }

    async fn append(&self, object: &StorageRef, lines: Bytes) -> Result<(), FileError> {
        self.open_up()?.objects.entry(object.clone()).or_default().extend_from_slice(&lines);
        Ok(())
    }

    async fn size(&self, object: &StorageRef) -> Result<u64, FileError> {
        let inner = self.open_up()?;
        inner.objects.get(object).map(|content| content.len() as u64).ok_or(FileError::NotFound)
    }

    async fn read(
        &self,
        object: &StorageRef,
        offset: u64,
        length: u64,
    ) -> Result<BoxStream<'static, Result<Bytes, FileError>>, FileError> {
        let inner = self.open_up()?;
        let content = inner.objects.get(object).ok_or(FileError::NotFound)?;
        let part = content.get(offset as usize..(offset + length) as usize).ok_or(FileError::BadRange)?;
        let chunks: Vec<_> = part.chunks(1024).map(|chunk| Ok(Bytes::copy_from_slice(chunk))).collect();
        Ok(iter(chunks).boxed())
    }

    async fn open(&self, object: &StorageRef) -> Result<Box<dyn ReadSeek>, FileError> {
        let inner = self.open_up()?;
        let content = inner.objects.get(object).ok_or(FileError::NotFound)?;
        Ok(Box::new(Cursor::new(content.clone())))
    }

    async fn delete(&self, object: &StorageRef) -> Result<(), FileError> {
        self.open_up()?.objects.remove(object);
        Ok(())
    }

    async fn list(
        &self,
        after: Option<&StorageRef>,
        limit: u32,
        _stale_s: u64,
    ) -> Result<Vec<StorageRef>, FileError> {
        let inner = self.open_up()?;
        let later = inner.objects.keys().filter(|object| after.is_none_or(|after| *object > after));
        Ok(later.take(limit as usize).cloned().collect())
    }
}
