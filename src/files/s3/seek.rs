//! A whole object as a seekable file, for decoders on blocking threads: fetched a window at a time, so that a look at the
//! head of two gigabytes costs a window, and no disk is needed. One version of the object: replaced, it is unavailable.

use crate::files::s3::bucket::{Bucket, Head};
use bytes::Bytes;
use sottovoce_actors::ports::files::FileError;
use std::io::{self, Read, Seek, SeekFrom};
use std::sync::Arc;

/// What is fetched at once, and held in memory.
const WINDOW_BYTES: u64 = 1024 * 1024;

/// The view.
pub struct S3Reader {
    bucket: Arc<Bucket>,
    key: String,
    head: Head,
    position: u64,
    window_at: u64,
    window: Bytes,
}

impl S3Reader {
    /// Opens a view of an object that was looked at.
    pub const fn new(bucket: Arc<Bucket>, key: String, head: Head) -> Self {
        Self { bucket, key, head, position: 0, window_at: 0, window: Bytes::new() }
    }

    /// Returns what the window holds from the position on.
    fn held(&self) -> &[u8] {
        let from = self.position.checked_sub(self.window_at).and_then(|from| usize::try_from(from).ok());
        from.and_then(|from| self.window.get(from..)).unwrap_or_default()
    }
}

impl Read for S3Reader {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        if into.is_empty() || self.position >= self.head.size_bytes {
            return Ok(0);
        }
        if self.held().is_empty() {
            let length = WINDOW_BYTES.min(self.head.size_bytes - self.position);
            let bucket = self.bucket.clone();
            let fetching = bucket.fetch(self.key.clone(), self.head.etag.clone(), self.position, length);
            self.window = self.bucket.thread.wait(fetching).map_err(failed)?;
            self.window_at = self.position;
        }
        let length = self.held().len().min(into.len());
        into[..length].copy_from_slice(&self.held()[..length]);
        self.position += length as u64;
        Ok(length)
    }
}

impl Seek for S3Reader {
    fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
        let to = match to {
            SeekFrom::Start(offset) => Some(offset),
            SeekFrom::End(by) => self.head.size_bytes.checked_add_signed(by),
            SeekFrom::Current(by) => self.position.checked_add_signed(by),
        };
        self.position =
            to.ok_or_else(|| io::Error::new(io::ErrorKind::InvalidInput, "a seek before the beginning"))?;
        Ok(self.position)
    }
}

fn failed(error: FileError) -> io::Error {
    io::Error::other(error)
}
