//! The models folder: where a file lies, whether it is whole, and how a new one is put in its place.

use super::catalogue::{Entry, ModelFile};
use sha2::{Digest, Sha256};
use sottovoce_actors::hex::hex;
use std::fs::{self, File};
use std::io::{self, Read};
use std::path::{Path, PathBuf};

/// Leftovers of an interrupted fetch are here and removed by the next one.
const PARTIAL: &str = ".fetching";
const LOCK: &str = ".lock";
const HASH_BLOCK_BYTES: usize = 1 << 20;

/// `models.dir`.
#[derive(Clone, Debug)]
pub struct ModelsFolder(PathBuf);

/// What is on disk under a file's name.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum FileState {
    /// Whole: size and SHA-256 are right.
    Present,
    /// Not there.
    Missing,
    /// There, with another content.
    Damaged,
}

impl ModelsFolder {
    /// Names the folder; it need not exist.
    pub fn new(path: impl Into<PathBuf>) -> Self {
        Self(path.into())
    }

    /// Returns its path.
    pub fn path(&self) -> &Path {
        &self.0
    }

    /// Returns where a file of an entry lies.
    pub fn file(&self, entry: &Entry, file: &ModelFile) -> PathBuf {
        self.0.join("source").join(&entry.id).join(&file.name)
    }

    /// Reads a file through and says whether it is whole.
    ///
    /// # Errors
    /// It is there but cannot be read.
    pub fn state(&self, entry: &Entry, file: &ModelFile) -> io::Result<FileState> {
        let opened = match File::open(self.file(entry, file)) {
            Ok(opened) => opened,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(FileState::Missing),
            Err(error) => return Err(error),
        };
        let whole = opened.metadata()?.len() == file.bytes && sha256_hex(opened)? == file.sha256;
        Ok(if whole { FileState::Present } else { FileState::Damaged })
    }

    /// Takes the folder for writing until the file is dropped; waits for another process that has it.
    pub(super) fn lock(&self) -> io::Result<File> {
        fs::create_dir_all(&self.0)?;
        let lock = File::create(self.0.join(LOCK))?;
        lock.lock()?;
        Ok(lock)
    }

    /// Returns an empty folder for downloads, on the same file system. Call with the lock held.
    pub(super) fn fresh_partial(&self) -> io::Result<PathBuf> {
        self.clear_partial()?;
        let partial = self.0.join(PARTIAL);
        fs::create_dir_all(&partial)?;
        Ok(partial)
    }

    /// Removes what a fetch left behind. Call with the lock held.
    pub(super) fn clear_partial(&self) -> io::Result<()> {
        match fs::remove_dir_all(self.0.join(PARTIAL)) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
            _ => Ok(()),
        }
    }

    /// Moves a checked download into its place, whole or not at all.
    pub(super) fn put(&self, entry: &Entry, file: &ModelFile, download: &Path) -> io::Result<()> {
        let place = self.file(entry, file);
        if let Some(folder) = place.parent() {
            fs::create_dir_all(folder)?;
        }
        File::open(download)?.sync_all()?;
        fs::rename(download, place)
    }
}

/// Returns the SHA-256 of all that can be read, in hex.
pub(super) fn sha256_hex(mut source: impl Read) -> io::Result<String> {
    let mut hasher = Sha256::new();
    let mut block = vec![0; HASH_BLOCK_BYTES];
    loop {
        match source.read(&mut block)? {
            0 => break,
            count => hasher.update(&block[..count]),
        }
    }
    Ok(hex(hasher.finalize()))
}
