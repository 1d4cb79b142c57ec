//! An object being written: under a temporary name until it is whole and durable.

use crate::files::layout::{Layout, remove_if_there, unavailable};
use async_trait::async_trait;
use bytes::Bytes;
use sha2::{Digest, Sha256};
use sottovoce_actors::hex::hex;
use sottovoce_actors::ports::files::{FileError, ObjectWriter, Stored};
use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::PathBuf;
use tokio::task::spawn_blocking;

/// Runs file work where blocking is allowed.
pub async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, FileError> + Send + 'static,
) -> Result<T, FileError> {
    spawn_blocking(work).await.map_err(|error| FileError::Unavailable(error.to_string()))?
}

/// The file behind a writer; dropped before `appear` it removes itself.
struct Unfinished {
    layout: Layout,
    path: PathBuf,
    target: PathBuf,
    file: File,
    hash: Sha256,
    size_bytes: u64,
    has_appeared: bool,
}

impl Unfinished {
    fn write(&mut self, chunk: &[u8]) -> io::Result<()> {
        self.file.write_all(chunk)?;
        self.hash.update(chunk);
        self.size_bytes += chunk.len() as u64;
        Ok(())
    }

    fn appear(&mut self) -> io::Result<Stored> {
        self.file.sync_all()?;
        self.layout.enter(&self.target, || fs::rename(&self.path, &self.target))?;
        self.has_appeared = true;
        let sha256 = hex(std::mem::take(&mut self.hash).finalize());
        Ok(Stored { size_bytes: self.size_bytes, sha256 })
    }
}

impl Drop for Unfinished {
    fn drop(&mut self) {
        if !self.has_appeared
            && let Err(error) = remove_if_there(&self.path)
        {
            tracing::warn!(%error, "unfinished object not removed; the sweep will");
        }
    }
}

/// The port's writer; its file is away on a blocking thread while a call runs.
pub struct LocalWriter(Option<Unfinished>);

impl LocalWriter {
    /// Begins an object that will appear at `target`. Blocking.
    pub fn begin(layout: Layout, target: PathBuf) -> io::Result<Self> {
        let path = layout.unfinished();
        let file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&path)?;
        Ok(Self(Some(Unfinished {
            layout,
            path,
            target,
            file,
            hash: Sha256::new(),
            size_bytes: 0,
            has_appeared: false,
        })))
    }

    fn take(&mut self) -> Result<Unfinished, FileError> {
        self.0.take().ok_or_else(|| FileError::Unavailable("an earlier write of this object failed".into()))
    }
}

#[async_trait]
impl ObjectWriter for LocalWriter {
    async fn write(&mut self, chunk: Bytes) -> Result<(), FileError> {
        let mut unfinished = self.take()?;
        // A failed or cancelled write drops the file: an object with a hole never appears.
        let unfinished = blocking(move || {
            unfinished.write(&chunk).map_err(unavailable)?;
            Ok(unfinished)
        })
        .await?;
        self.0 = Some(unfinished);
        Ok(())
    }

    async fn finish(mut self: Box<Self>) -> Result<Stored, FileError> {
        let mut unfinished = self.take()?;
        blocking(move || unfinished.appear().map_err(unavailable)).await
    }
}

impl Drop for LocalWriter {
    fn drop(&mut self) {
        if let Some(unfinished) = self.0.take()
            && let Ok(runtime) = tokio::runtime::Handle::try_current()
        {
            drop(runtime.spawn_blocking(move || drop(unfinished)));
        }
    }
}
