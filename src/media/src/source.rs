//! The only door between a file's bytes and the demuxers: counts what they read, so that no header can make them read or
//! keep more than a bounded share of the file at once. Never follows anything outside of the one source it was given.

use std::io::{self, Read, Seek, SeekFrom};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

/// A seekable source of bytes.
pub trait MediaSource: Read + Seek + Send + Sync {}
impl<T: Read + Seek + Send + Sync + ?Sized> MediaSource for T {}

/// Most bytes that opening a file, or reading one packet of it, may take. Headers of a 10 h film with per-frame tables
/// need about 40 MiB.
const STEP_BUDGET_BYTES: u64 = 64 << 20;

/// Bytes shown in place of those stored, to repair a header.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Patch {
    /// Position from the start of the media.
    pub offset: u64,
    /// What is shown there.
    pub bytes: [u8; 4],
}

/// What the source and its owner share.
#[derive(Default)]
struct Shared {
    budget_bytes: AtomicU64,
    overspent: AtomicBool,
    failure: Mutex<Option<io::Error>>,
}

/// The owner's side of a [`BoundedSource`].
#[derive(Clone)]
pub(crate) struct SourceWatch(Arc<Shared>);

impl SourceWatch {
    /// Allows one more step's worth of reading.
    pub fn refill(&self) {
        self.0.budget_bytes.store(STEP_BUDGET_BYTES, Ordering::Relaxed);
    }

    /// Tells whether a step wanted more than it may read.
    pub fn overspent(&self) -> bool {
        self.0.overspent.load(Ordering::Relaxed)
    }

    /// Takes the failure of the underlying storage, which demuxers would report as a fault of the file.
    pub fn take_failure(&self) -> Option<io::Error> {
        self.0.failure.lock().unwrap_or_else(PoisonError::into_inner).take()
    }
}

/// The media part of a source: from `base` (behind tags) to its end, with patches applied.
pub(crate) struct BoundedSource {
    inner: Box<dyn MediaSource>,
    base: u64,
    length_bytes: u64,
    position: u64,
    patches: Vec<Patch>,
    shared: Arc<Shared>,
}

impl BoundedSource {
    /// Wraps `inner`, whose media starts at `base` and whose whole length is `end`.
    pub fn new(
        mut inner: Box<dyn MediaSource>,
        base: u64,
        end: u64,
        patches: Vec<Patch>,
    ) -> io::Result<(Self, SourceWatch)> {
        inner.seek(SeekFrom::Start(base))?;
        let shared = Arc::new(Shared::default());
        let watch = SourceWatch(Arc::clone(&shared));
        watch.refill();
        Ok((
            Self { inner, base, length_bytes: end.saturating_sub(base), position: 0, patches, shared },
            watch,
        ))
    }

    fn failed(&self, error: &io::Error) {
        let copy = io::Error::new(error.kind(), error.to_string());
        self.shared.failure.lock().unwrap_or_else(PoisonError::into_inner).get_or_insert(copy);
    }
}

impl Read for BoundedSource {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let budget = self.shared.budget_bytes.load(Ordering::Relaxed);
        if budget == 0 {
            self.shared.overspent.store(true, Ordering::Relaxed);
            return Err(io::Error::other("read budget of one step spent"));
        }
        let left = self.length_bytes.saturating_sub(self.position);
        let wanted = usize::try_from(left.min(budget)).unwrap_or(usize::MAX).min(buffer.len());
        let count = loop {
            match self.inner.read(&mut buffer[..wanted]) {
                Ok(count) => break count,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => {
                    self.failed(&error);
                    return Err(error);
                }
            }
        };
        for patch in &self.patches {
            for (index, &byte) in patch.bytes.iter().enumerate() {
                let place = (patch.offset + index as u64).checked_sub(self.position);
                if let Some(shown) = place.and_then(|at| buffer[..count].get_mut(usize::try_from(at).ok()?)) {
                    *shown = byte;
                }
            }
        }
        self.position += count as u64;
        self.shared.budget_bytes.store(budget - count as u64, Ordering::Relaxed);
        Ok(count)
    }
}

impl Seek for BoundedSource {
    fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
        let target = match to {
            SeekFrom::Start(offset) => Some(offset),
            SeekFrom::Current(delta) => self.position.checked_add_signed(delta),
            SeekFrom::End(delta) => self.length_bytes.checked_add_signed(delta),
        };
        let absolute = target.and_then(|target| self.base.checked_add(target));
        // Stores disagree on how far behind the end one may stand; demuxers of damaged files do try.
        let (Some(target), Some(absolute)) = (target, absolute.filter(|at| *at <= i64::MAX as u64)) else {
            return Err(io::Error::new(io::ErrorKind::InvalidInput, "seek outside of the file"));
        };
        let absolute = absolute.min(self.base + self.length_bytes);
        self.inner.seek(SeekFrom::Start(absolute)).inspect_err(|error| self.failed(error))?;
        self.position = target;
        Ok(target)
    }
}

impl symphonia::core::io::MediaSource for BoundedSource {
    fn is_seekable(&self) -> bool {
        true
    }

    fn byte_len(&self) -> Option<u64> {
        Some(self.length_bytes)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Cursor;

    #[test]
    fn the_base_is_hidden_and_patches_show_wherever_a_read_cuts() {
        let bytes: Vec<u8> = (0..40).collect();
        let patches = vec![Patch { offset: 3, bytes: [0xAA; 4] }];
        let (mut source, _) =
            BoundedSource::new(Box::new(Cursor::new(bytes)), 10, 40, patches).expect("opens");
        let mut seen = Vec::new();
        let mut byte = [0; 2];
        while let Ok(count @ 1..) = source.read(&mut byte) {
            seen.extend_from_slice(&byte[..count]);
        }
        let mut expected: Vec<u8> = (10..40).collect();
        expected[3..7].fill(0xAA);
        assert_eq!(seen, expected);
        assert_eq!(source.seek(SeekFrom::End(-1)).expect("seeks"), 29);
        assert_eq!(source.read(&mut byte).expect("reads"), 1);
        assert_eq!(byte[0], 39);
        assert_eq!(source.seek(SeekFrom::Start(1 << 40)).expect("seeks"), 1 << 40);
        assert_eq!(source.read(&mut byte).expect("reads"), 0);
        assert!(source.seek(SeekFrom::Start(u64::MAX)).is_err());
    }

    #[test]
    fn a_step_cannot_read_without_end() {
        let (mut source, watch) =
            BoundedSource::new(Box::new(Cursor::new(vec![0; 128 << 20])), 0, 128 << 20, vec![])
                .expect("opens");
        let mut buffer = vec![0; 100 << 20];
        assert_eq!(source.read(&mut buffer).expect("reads"), 64 << 20);
        assert!(source.read(&mut buffer).is_err());
        assert!(watch.overspent());
        assert!(watch.take_failure().is_none());
    }
}
