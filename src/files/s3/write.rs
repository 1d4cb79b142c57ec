//! An object being uploaded: one put if it is small, parts of 8 MiB if it is not. Holds one part in memory. Until the last
//! request is answered the bucket shows nothing of it; whatever ends it earlier aborts the upload.

use crate::files::s3::bucket::Bucket;
use crate::files::s3::fault::unavailable;
use crate::files::writer::blocking;
use async_trait::async_trait;
use aws_sdk_s3::primitives::ByteStream;
use aws_sdk_s3::types::{CompletedMultipartUpload, CompletedPart};
use bytes::Bytes;
use sha2::{Digest, Sha256};
use sottovoce_actors::hex::hex;
use sottovoce_actors::ports::files::{FileError, ObjectWriter, Stored};
use std::sync::Arc;

/// Size of all parts but the last; S3 wants 5 MiB at least, and takes 10,000 parts: 78 GiB.
pub const PART_BYTES: usize = 8 * 1024 * 1024;

/// An upload in parts that has begun; dropped before `complete` it is aborted in the background.
struct Parts {
    bucket: Arc<Bucket>,
    key: String,
    upload: String,
    sent: Vec<CompletedPart>,
    is_over: bool,
}

impl Parts {
    async fn begin(bucket: Arc<Bucket>, key: String) -> Result<Self, FileError> {
        let request = bucket.client.create_multipart_upload().bucket(&bucket.name).key(&key);
        let begun = bucket.thread.run(async move { request.send().await.map_err(unavailable) }).await?;
        let upload = begun
            .upload_id
            .ok_or_else(|| FileError::Unavailable("the object server gave an upload no id".into()))?;
        Ok(Self { bucket, key, upload, sent: Vec::new(), is_over: false })
    }

    async fn send(&mut self, part: Bytes) -> Result<(), FileError> {
        let number = i32::try_from(self.sent.len() + 1).unwrap_or(i32::MAX);
        let request = self
            .bucket
            .client
            .upload_part()
            .bucket(&self.bucket.name)
            .key(&self.key)
            .upload_id(&self.upload)
            .part_number(number)
            .body(ByteStream::from(part));
        let sent = self.bucket.thread.run(async move { request.send().await.map_err(unavailable) }).await?;
        let sent = CompletedPart::builder()
            .part_number(number)
            .set_e_tag(sent.e_tag)
            .set_checksum_crc32(sent.checksum_crc32)
            .build();
        self.sent.push(sent);
        Ok(())
    }

    async fn complete(mut self) -> Result<(), FileError> {
        let parts =
            CompletedMultipartUpload::builder().set_parts(Some(std::mem::take(&mut self.sent))).build();
        let request = self
            .bucket
            .client
            .complete_multipart_upload()
            .bucket(&self.bucket.name)
            .key(&self.key)
            .upload_id(&self.upload)
            .multipart_upload(parts);
        self.bucket.thread.run(async move { request.send().await.map_err(unavailable) }).await?;
        self.is_over = true;
        Ok(())
    }
}

impl Drop for Parts {
    fn drop(&mut self) {
        if !self.is_over {
            let aborting = self.bucket.clone().abort(self.key.clone(), self.upload.clone());
            self.bucket.thread.leave(aborting);
        }
    }
}

/// What a write takes along; dropped in the middle, it ends the upload.
struct Unfinished {
    bucket: Arc<Bucket>,
    key: String,
    buffer: Vec<u8>,
    parts: Option<Parts>,
    hash: Sha256,
    size_bytes: u64,
}

impl Unfinished {
    /// Takes what fits into the part; returns the rest.
    fn fill(&mut self, mut chunk: Bytes) -> Bytes {
        let fits = chunk.split_to(chunk.len().min(PART_BYTES - self.buffer.len()));
        let wanted = self.buffer.len() + fits.len();
        if wanted > self.buffer.capacity() {
            // Doubled, but never beyond a part.
            let capacity = wanted.max(self.buffer.capacity() * 2).min(PART_BYTES);
            self.buffer.reserve_exact(capacity - self.buffer.len());
        }
        self.buffer.extend_from_slice(&fits);
        chunk
    }

    /// Takes the buffer out, counted into size and checksum.
    async fn take_buffer(&mut self) -> Result<Bytes, FileError> {
        let buffer = Bytes::from(std::mem::take(&mut self.buffer));
        self.size_bytes += buffer.len() as u64;
        let (mut hash, part) = (std::mem::take(&mut self.hash), buffer.clone());
        self.hash = blocking(move || {
            hash.update(&part);
            Ok(hash)
        })
        .await?;
        Ok(buffer)
    }

    async fn send_part(&mut self) -> Result<(), FileError> {
        let part = self.take_buffer().await?;
        if self.parts.is_none() {
            self.parts = Some(Parts::begin(self.bucket.clone(), self.key.clone()).await?);
        }
        match &mut self.parts {
            Some(parts) => parts.send(part).await,
            None => Ok(()),
        }
    }

    async fn appear(mut self) -> Result<Stored, FileError> {
        if self.parts.is_some() && !self.buffer.is_empty() {
            self.send_part().await?;
        }
        match self.parts.take() {
            Some(parts) => parts.complete().await?,
            None => {
                let content = self.take_buffer().await?;
                self.bucket.put(self.key, content).await?;
            }
        }
        Ok(Stored { size_bytes: self.size_bytes, sha256: hex(self.hash.finalize()) })
    }
}

/// The port's writer.
pub struct S3Writer(Option<Unfinished>);

impl S3Writer {
    /// Begins an object; nothing is asked of the server yet.
    pub fn begin(bucket: Arc<Bucket>, key: String) -> Self {
        let hash = Sha256::new();
        Self(Some(Unfinished { bucket, key, buffer: Vec::new(), parts: None, hash, size_bytes: 0 }))
    }

    /// Sends what was written as a part, however little it is; nothing may be written after it.
    pub async fn send_last_part(&mut self) -> Result<(), FileError> {
        let mut unfinished = self.take()?;
        unfinished.send_part().await?;
        self.0 = Some(unfinished);
        Ok(())
    }

    fn take(&mut self) -> Result<Unfinished, FileError> {
        self.0.take().ok_or_else(|| FileError::Unavailable("an earlier write of this object failed".into()))
    }
}

#[async_trait]
impl ObjectWriter for S3Writer {
    async fn write(&mut self, mut chunk: Bytes) -> Result<(), FileError> {
        // A failed or cancelled write drops the upload: an object with a hole never appears.
        let mut unfinished = self.take()?;
        while !chunk.is_empty() {
            chunk = unfinished.fill(chunk);
            if unfinished.buffer.len() == PART_BYTES {
                unfinished.send_part().await?;
            }
        }
        self.0 = Some(unfinished);
        Ok(())
    }

    async fn finish(mut self: Box<Self>) -> Result<Stored, FileError> {
        self.take()?.appear().await
    }
}
