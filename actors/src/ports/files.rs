//! The object port: content lives here, never in the index. Objects appear whole or not at all, except logs, which grow
//! by whole durable lines.

use crate::ports::store::StorageRef;
use async_trait::async_trait;
use bytes::Bytes;
use futures_util::stream::BoxStream;
use std::io::{Read, Seek};
use std::time::Duration;

/// Why an object operation failed.
#[derive(Debug, thiserror::Error)]
pub enum FileError {
    /// No such object.
    #[error("object not found")]
    NotFound,
    /// The range lies outside of the object.
    #[error("range outside of the object")]
    BadRange,
    /// A name that is not a relative path of safe segments, or log lines without their end: the caller's bug.
    #[error("malformed {0}")]
    Malformed(&'static str),
    /// The disk is full, or the server unreachable.
    #[error("object storage is unavailable: {0}")]
    Unavailable(String),
}

/// A finished object.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Stored {
    /// Size in bytes.
    pub size_bytes: u64,
    /// SHA-256 of the content, hex.
    pub sha256: String,
}

/// A seekable local view of an object, for decoders; used on blocking threads only.
pub trait ReadSeek: Read + Seek + Send + Sync {}
impl<T: Read + Seek + Send + Sync> ReadSeek for T {}

/// What a link to an object says to whoever follows it.
#[derive(Clone, Copy, Debug)]
pub struct LinkTerms<'a> {
    /// How long it is good.
    pub expires_in: Duration,
    /// `Content-Type` of the answer.
    pub content_type: &'a str,
    /// `Content-Disposition` of the answer.
    pub disposition: &'a str,
}

/// An object being written; dropped without `finish` it leaves nothing behind.
#[async_trait]
pub trait ObjectWriter: Send {
    /// Appends.
    async fn write(&mut self, chunk: Bytes) -> Result<(), FileError>;
    /// Makes the object appear, durable.
    async fn finish(self: Box<Self>) -> Result<Stored, FileError>;
}

/// Stores content by reference.
#[async_trait]
pub trait FileStore: Send + Sync + 'static {
    /// Begins an object; one of the same name is replaced when it is finished.
    async fn create(&self, object: &StorageRef) -> Result<Box<dyn ObjectWriter>, FileError>;
    /// Appends whole lines (the last ends in a line feed) to a log, made if it is new; when this returns they survive a
    /// crash. After a crash inside of the call some of them may be there; a torn line is never read.
    async fn append(&self, object: &StorageRef, lines: Bytes) -> Result<(), FileError>;
    /// Returns the size in bytes.
    async fn size(&self, object: &StorageRef) -> Result<u64, FileError>;
    /// Streams `length` bytes from `offset` in bounded chunks.
    async fn read(
        &self,
        object: &StorageRef,
        offset: u64,
        length: u64,
    ) -> Result<BoxStream<'static, Result<Bytes, FileError>>, FileError>;
    /// Opens the object for a decoder; logs are not opened, only read.
    async fn open(&self, object: &StorageRef) -> Result<Box<dyn ReadSeek>, FileError>;
    /// Makes a link from which anybody may read the whole object without asking this server, where the store can serve by
    /// itself. Whether the object is there is not looked at.
    async fn link(&self, _object: &StorageRef, _terms: &LinkTerms<'_>) -> Result<Option<String>, FileError> {
        Ok(None)
    }
    /// Deletes the object; absent is well.
    async fn delete(&self, object: &StorageRef) -> Result<(), FileError>;
    /// Lists up to `limit` objects after `after` in byte order of name, for the sweep of orphans; objects written less
    /// than `stale_s` seconds ago are left out, as their rows may be about to come. Unfinished objects older than that
    /// are removed on the way.
    async fn list(
        &self,
        after: Option<&StorageRef>,
        limit: u32,
        stale_s: u64,
    ) -> Result<Vec<StorageRef>, FileError>;
}
