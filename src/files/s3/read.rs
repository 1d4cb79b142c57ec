//! Content on its way down: a range of one object in bounded pieces. A connection that breaks or stands still is replaced,
//! at the place where it broke and for the same version of the object, a bounded number of times.

use crate::files::s3::bucket::Bucket;
use crate::files::s3::fault::translate;
use aws_sdk_s3::primitives::ByteStream;
use bytes::{Bytes, BytesMut};
use futures_util::stream::{self, BoxStream, StreamExt, TryStreamExt};
use sottovoce_actors::ports::files::FileError;
use std::sync::Arc;

/// Largest piece of a read.
const PIECE_BYTES: usize = 64 * 1024;

/// A download that has begun.
struct Download {
    bucket: Arc<Bucket>,
    key: String,
    /// The version that was begun with, where the server tells.
    etag: Option<String>,
    body: ByteStream,
    piece: Bytes,
    position: u64,
    left: u64,
    tries_left: u32,
}

/// The answer to a ranged request.
struct Ranged {
    body: ByteStream,
    etag: Option<String>,
}

/// Asks for `length` bytes from `offset`, at least one.
async fn ask(
    bucket: &Bucket,
    key: &str,
    etag: Option<String>,
    offset: u64,
    length: u64,
) -> Result<Ranged, FileError> {
    // No object is longer, and some servers read no larger numbers.
    let end =
        offset.checked_add(length).filter(|end| i64::try_from(*end).is_ok()).ok_or(FileError::BadRange)?;
    let last = end - 1;
    let request = bucket
        .client
        .get_object()
        .bucket(&bucket.name)
        .key(key)
        .set_if_match(etag.clone())
        .range(format!("bytes={offset}-{last}"));
    let answer = bucket.thread.run(async move { request.send().await.map_err(translate) }).await?;
    let told = answer.content_range.as_deref().and_then(parse_range);
    let (first_told, last_told) =
        told.ok_or_else(|| FileError::Unavailable("the object server ignores ranges".into()))?;
    if (first_told, last_told) != (offset, last) {
        return Err(FileError::BadRange);
    }
    // Not every server honours the condition.
    if etag.is_some() && answer.e_tag != etag {
        return Err(FileError::Unavailable("the object was replaced while it was read".into()));
    }
    Ok(Ranged { body: answer.body, etag: answer.e_tag })
}

/// Reads `bytes FIRST-LAST/SIZE`.
fn parse_range(text: &str) -> Option<(u64, u64)> {
    let (range, _) = text.strip_prefix("bytes ")?.split_once('/')?;
    let (first, last) = range.split_once('-')?;
    Some((first.parse().ok()?, last.parse().ok()?))
}

impl Download {
    /// Returns the next piece, or nothing at the end.
    async fn next(mut self) -> Result<Option<(Bytes, Self)>, FileError> {
        if self.left == 0 {
            return Ok(None);
        }
        while self.piece.is_empty() {
            self.piece = self.receive().await?;
        }
        let most = usize::try_from(self.left).unwrap_or(PIECE_BYTES).min(PIECE_BYTES);
        let piece = self.piece.split_to(self.piece.len().min(most));
        self.position += piece.len() as u64;
        self.left -= piece.len() as u64;
        Ok(Some((piece, self)))
    }

    async fn receive(&mut self) -> Result<Bytes, FileError> {
        let broken = match tokio::time::timeout(self.bucket.piece_timeout, self.body.next()).await {
            Ok(Some(Ok(piece))) => return Ok(piece),
            Ok(Some(Err(error))) => error.to_string(),
            Ok(None) => "the body ended early".into(),
            Err(_) => "nothing came in time".into(),
        };
        if self.tries_left == 0 {
            return Err(FileError::Unavailable(format!("a download broke off: {broken}")));
        }
        self.tries_left -= 1;
        self.body = ask(&self.bucket, &self.key, self.etag.clone(), self.position, self.left).await?.body;
        Ok(Bytes::new())
    }
}

impl Bucket {
    /// Streams `length` bytes from `offset` of a whole object, of one version of it where an etag is given.
    pub async fn download(
        self: Arc<Self>,
        key: String,
        etag: Option<String>,
        offset: u64,
        length: u64,
    ) -> Result<BoxStream<'static, Result<Bytes, FileError>>, FileError> {
        if length == 0 {
            let head = self.head(key).await?;
            return if offset <= head.size_bytes {
                Ok(stream::empty().boxed())
            } else {
                Err(FileError::BadRange)
            };
        }
        let ranged = ask(&self, &key, etag, offset, length).await?;
        let download = Download {
            tries_left: self.attempts.saturating_sub(1),
            bucket: self,
            key,
            etag: ranged.etag,
            body: ranged.body,
            piece: Bytes::new(),
            position: offset,
            left: length,
        };
        Ok(stream::try_unfold(download, Download::next).boxed())
    }

    /// Returns a range that fits in memory.
    pub async fn fetch(
        self: Arc<Self>,
        key: String,
        etag: Option<String>,
        offset: u64,
        length: u64,
    ) -> Result<Bytes, FileError> {
        let mut pieces = self.download(key, etag, offset, length).await?;
        let mut content = BytesMut::with_capacity(usize::try_from(length).unwrap_or_default());
        while let Some(piece) = pieces.try_next().await? {
            content.extend_from_slice(&piece);
        }
        Ok(content.freeze())
    }
}
