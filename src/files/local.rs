//! Objects in a folder of this machine. Whole objects are written aside, synced and renamed; logs grow in place by
//! synced lines, and whatever stands after a log's last line feed (a torn write) is not read and cut by the next append.

use crate::files::layout::{Layout, remove_if_there, translate, unavailable};
use crate::files::name::check_lines;
use crate::files::writer::{LocalWriter, blocking};
use async_trait::async_trait;
use bytes::Bytes;
use futures_util::stream::{self, BoxStream, StreamExt};
use sottovoce_actors::ports::files::{FileError, FileStore, ObjectWriter, ReadSeek};
use sottovoce_actors::ports::store::StorageRef;
use std::fs::{File, OpenOptions};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::os::unix::fs::{FileExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::time::Duration;

/// Largest chunk of a read.
const CHUNK_BYTES: usize = 64 * 1024;

/// The folder store.
#[derive(Clone, Debug)]
pub struct LocalFiles {
    layout: Layout,
}

impl LocalFiles {
    /// Opens the store in a folder, made if it is new.
    ///
    /// # Errors
    /// `Unavailable` if the folder cannot be made or synced.
    pub async fn open(root: PathBuf) -> Result<Self, FileError> {
        let layout = blocking(move || Layout::prepare(&root).map_err(unavailable)).await?;
        Ok(Self { layout })
    }

    /// Returns the folder's two places of a name: as an object, as a log.
    fn places(&self, object: &StorageRef) -> Result<(PathBuf, PathBuf), FileError> {
        Ok((self.layout.object(object)?, self.layout.log(object)?))
    }
}

/// Opens an object or, if there is none, a log of that name; returns its size as readers see it.
fn open_either((object, log): &(PathBuf, PathBuf)) -> io::Result<(File, u64)> {
    match File::open(object) {
        Ok(file) => {
            let size = file.metadata()?.len();
            Ok((file, size))
        }
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            let file = File::open(log)?;
            let size = whole_lines_bytes(&file)?;
            Ok((file, size))
        }
        Err(error) => Err(error),
    }
}

/// Returns the length of a log up to and with its last line feed.
fn whole_lines_bytes(file: &File) -> io::Result<u64> {
    let mut end = file.metadata()?.len();
    let mut block = [0; 4096];
    while end > 0 {
        let from = end.saturating_sub(block.len() as u64);
        let length = usize::try_from(end - from).unwrap_or(block.len());
        file.read_exact_at(&mut block[..length], from)?;
        if let Some(at) = block[..length].iter().rposition(|byte| *byte == b'\n') {
            return Ok(from + at as u64 + 1);
        }
        end = from;
    }
    Ok(0)
}

fn append(layout: &Layout, path: &Path, lines: &[u8]) -> io::Result<()> {
    let mut options = OpenOptions::new();
    options.read(true).write(true).mode(0o600);
    let mut file = match options.open(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            layout.enter(path, || options.create(true).open(path))?
        }
        opened => opened?,
    };
    let end = whole_lines_bytes(&file)?;
    if end < file.metadata()?.len() {
        tracing::warn!("torn last line of a log cut");
        file.set_len(end)?;
    }
    file.seek(SeekFrom::Start(end))?;
    let written = file.write_all(lines).and_then(|()| file.sync_data());
    if written.is_err() {
        // The caller may append the same lines again; none of them must be there twice. If this fails too, the log
        // keeps whole lines at worst.
        let _ = file.set_len(end);
    }
    written
}

fn read_chunk(mut file: File, left: u64) -> Result<(Bytes, (File, u64)), FileError> {
    let mut chunk = vec![0; usize::try_from(left).unwrap_or(CHUNK_BYTES).min(CHUNK_BYTES)];
    file.read_exact(&mut chunk).map_err(unavailable)?;
    let left = left - chunk.len() as u64;
    Ok((chunk.into(), (file, left)))
}

#[async_trait]
impl FileStore for LocalFiles {
    async fn create(&self, object: &StorageRef) -> Result<Box<dyn ObjectWriter>, FileError> {
        let (layout, target) = (self.layout.clone(), self.layout.object(object)?);
        let writer = blocking(move || LocalWriter::begin(layout, target).map_err(unavailable)).await?;
        Ok(Box::new(writer))
    }

    async fn append(&self, object: &StorageRef, lines: Bytes) -> Result<(), FileError> {
        check_lines(&lines)?;
        let (layout, path) = (self.layout.clone(), self.layout.log(object)?);
        blocking(move || append(&layout, &path, &lines).map_err(unavailable)).await
    }

    async fn size(&self, object: &StorageRef) -> Result<u64, FileError> {
        let places = self.places(object)?;
        blocking(move || Ok(open_either(&places).map_err(translate)?.1)).await
    }

    async fn read(
        &self,
        object: &StorageRef,
        offset: u64,
        length: u64,
    ) -> Result<BoxStream<'static, Result<Bytes, FileError>>, FileError> {
        let places = self.places(object)?;
        let file = blocking(move || {
            let (mut file, size) = open_either(&places).map_err(translate)?;
            if offset.checked_add(length).is_none_or(|end| end > size) {
                return Err(FileError::BadRange);
            }
            file.seek(SeekFrom::Start(offset)).map_err(unavailable)?;
            Ok(file)
        })
        .await?;
        let chunks = stream::try_unfold((file, length), |(file, left)| async move {
            if left == 0 {
                return Ok(None);
            }
            blocking(move || read_chunk(file, left)).await.map(Some)
        });
        Ok(chunks.boxed())
    }

    async fn open(&self, object: &StorageRef) -> Result<Box<dyn ReadSeek>, FileError> {
        let path = self.layout.object(object)?;
        blocking(move || Ok(Box::new(File::open(path).map_err(translate)?) as Box<dyn ReadSeek>)).await
    }

    async fn delete(&self, object: &StorageRef) -> Result<(), FileError> {
        let (layout, (object, log)) = (self.layout.clone(), self.places(object)?);
        blocking(move || {
            remove_if_there(&object).map_err(unavailable)?;
            remove_if_there(&log).map_err(unavailable)?;
            layout.prune(&object);
            Ok(())
        })
        .await
    }

    async fn list(
        &self,
        after: Option<&StorageRef>,
        limit: u32,
        stale_s: u64,
    ) -> Result<Vec<StorageRef>, FileError> {
        let (layout, after) = (self.layout.clone(), after.cloned());
        let stale = Duration::from_secs(stale_s);
        blocking(move || {
            layout.remove_stale(stale).map_err(unavailable)?;
            let limit = usize::try_from(limit).unwrap_or(usize::MAX);
            layout.list(after.as_ref().map(|name| name.0.as_str()), limit, stale).map_err(unavailable)
        })
        .await
    }
}
