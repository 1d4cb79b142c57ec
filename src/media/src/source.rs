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

/// The media part of a source, behind a header of our own (empty for most formats).
pub(crate) struct BoundedSource {
    inner: Box<dyn MediaSource>,
    header: Vec<u8>,
    /// Part of `inner` that is shown.
    start: u64,
    length_bytes: u64,
    position: u64,
    seekable: bool,
    shared: Arc<Shared>,
}

impl BoundedSource {
    /// Shows `header`, then the bytes of `inner` from `start` to `end`.
    pub fn new(inner: Box<dyn MediaSource>, header: Vec<u8>, start: u64, end: u64) -> (Self, SourceWatch) {
        let shared = Arc::new(Shared::default());
        let watch = SourceWatch(Arc::clone(&shared));
        watch.refill();
        let length_bytes = end.saturating_sub(start) + header.len() as u64;
        (Self { inner, header, start, length_bytes, position: 0, seekable: true, shared }, watch)
    }

    /// Makes demuxers read from front to back, without an eye on the index or the length.
    pub fn forward_only(mut self) -> Self {
        self.seekable = false;
        self
    }

    fn read_inner(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let at = self.start + (self.position - self.header.len() as u64);
        self.inner.seek(SeekFrom::Start(at))?;
        read_up_to(self.inner.as_mut(), buffer)
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
        if wanted == 0 {
            return Ok(0);
        }
        let own = usize::try_from(self.position).ok().and_then(|at| self.header.get(at..));
        let count = match own {
            Some(own) if !own.is_empty() => {
                let count = wanted.min(own.len());
                buffer[..count].copy_from_slice(&own[..count]);
                count
            }
            _ => self.read_inner(&mut buffer[..wanted]).inspect_err(|error| {
                let copy = io::Error::new(error.kind(), error.to_string());
                self.shared.failure.lock().unwrap_or_else(PoisonError::into_inner).get_or_insert(copy);
            })?,
        };
        self.position += count as u64;
        self.shared.budget_bytes.store(budget - count as u64, Ordering::Relaxed);
        Ok(count)
    }
}

impl Seek for BoundedSource {
    /// Only moves the position; the store is asked when bytes are wanted. Damaged files make demuxers stand far behind the
    /// end, which stores disagree about.
    fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
        let target = match to {
            SeekFrom::Start(offset) => Some(offset),
            SeekFrom::Current(delta) => self.position.checked_add_signed(delta),
            SeekFrom::End(delta) => self.length_bytes.checked_add_signed(delta),
        };
        let outside = || io::Error::new(io::ErrorKind::InvalidInput, "seek outside of the file");
        self.position = target.filter(|target| *target <= i64::MAX as u64).ok_or_else(outside)?;
        Ok(self.position)
    }
}

/// Reads until the buffer is full or the source at its end.
pub(crate) fn read_up_to(source: &mut dyn MediaSource, buffer: &mut [u8]) -> io::Result<usize> {
    let mut have = 0;
    while have < buffer.len() {
        match source.read(&mut buffer[have..]) {
            Ok(0) => break,
            Ok(count) => have += count,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(have)
}

impl symphonia::core::io::MediaSource for BoundedSource {
    fn is_seekable(&self) -> bool {
        self.seekable
    }

    fn byte_len(&self) -> Option<u64> {
        self.seekable.then_some(self.length_bytes)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Cursor;

    #[test]
    fn the_header_and_the_part_read_as_one_however_cut() {
        let inner = Cursor::new((0..40).collect::<Vec<u8>>());
        let (mut source, _) = BoundedSource::new(Box::new(inner), b"abc".to_vec(), 10, 20);
        let mut expected = b"abc".to_vec();
        expected.extend(10..20);
        for cut in 1..14 {
            source.seek(SeekFrom::Start(0)).expect("seeks");
            let mut seen = Vec::new();
            let mut piece = vec![0; cut];
            while let Ok(count @ 1..) = source.read(&mut piece) {
                seen.extend_from_slice(&piece[..count]);
            }
            assert_eq!(seen, expected, "cut by {cut}");
        }
        let mut byte = [0];
        assert_eq!(source.seek(SeekFrom::End(-1)).expect("seeks"), 12);
        assert_eq!(source.read(&mut byte).expect("reads"), 1);
        assert_eq!(byte[0], 19);
        assert_eq!(source.seek(SeekFrom::Start(1 << 40)).expect("seeks"), 1 << 40);
        assert_eq!(source.read(&mut byte).expect("reads"), 0);
        assert!(source.seek(SeekFrom::Start(u64::MAX)).is_err());
        assert!(source.seek(SeekFrom::End(-100)).is_err());
    }

    #[test]
    fn a_step_cannot_read_without_end() {
        let inner = Cursor::new(vec![0; 128 << 20]);
        let (mut source, watch) = BoundedSource::new(Box::new(inner), Vec::new(), 0, 128 << 20);
        let mut buffer = vec![0; 100 << 20];
        assert_eq!(source.read(&mut buffer).expect("reads"), 64 << 20);
        assert!(source.read(&mut buffer).is_err());
        assert!(watch.overspent());
        assert!(watch.take_failure().is_none());
    }
}
