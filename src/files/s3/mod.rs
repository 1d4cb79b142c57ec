//! Objects in a bucket of S3, or of a server that speaks its protocol. The only folder that knows the SDK. Whole objects are
//! objects of the bucket; logs, which no object there can be, are runs of small ones (see [`tail`]).

mod bucket;
mod canary;
mod fault;
mod keys;
mod logs;
mod read;
mod seek;
mod settings;
mod sweep;
mod tail;
#[cfg(test)]
pub mod tests;
mod thread;
mod write;

pub use settings::{Checksums, S3Settings};

use crate::files::name::check_lines;
use async_trait::async_trait;
use aws_sdk_s3::config::{Config, ResponseChecksumValidation};
use aws_sdk_s3::presigning::PresigningConfig;
use bucket::Bucket;
use bytes::Bytes;
use futures_util::stream::BoxStream;
use seek::S3Reader;
use sottovoce_actors::ports::files::{FileError, FileStore, LinkTerms, ObjectWriter, ReadSeek};
use sottovoce_actors::ports::store::StorageRef;
use std::sync::Arc;
use write::S3Writer;

/// Why a bucket cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum BucketError {
    /// It does not take what this server wants to keep.
    #[error(
        "the bucket of files.url refuses this server ({0}); check the bucket's name and region in files.url, \
         files.access_key_id and files.secret_access_key, and what they may do"
    )]
    Refused(String),
    /// It is not there now.
    #[error(
        "the bucket of files.url cannot be used now ({0}); check the endpoint in files.url and that its server runs"
    )]
    Unreachable(String),
    /// It does not keep what it takes.
    #[error(
        "the object server of files.url does not keep what it is given ({0}), nothing may be trusted to it; try \
         `checksums=when_required` in files.url, or use another object server"
    )]
    Untrue(String),
    /// The system refused a thread.
    #[error("the system refused a thread for files.url: {0}")]
    Thread(std::io::Error),
}

impl BucketError {
    /// Returns whether only another configuration can help.
    pub const fn is_refusal(&self) -> bool {
        matches!(self, Self::Refused(_) | Self::Untrue(_))
    }
}

/// The bucket store.
#[derive(Clone)]
pub struct S3Files {
    bucket: Arc<Bucket>,
    tails: Arc<logs::Tails>,
}

impl S3Files {
    /// Opens the store, after an object was written to it, read back, compared and deleted.
    ///
    /// # Errors
    /// See [`BucketError`].
    pub async fn open(settings: &S3Settings) -> Result<Self, BucketError> {
        let files = Self::untried(settings)?;
        canary::sing(&files).await?;
        Ok(files)
    }

    fn untried(settings: &S3Settings) -> Result<Self, BucketError> {
        let bucket = Arc::new(Bucket::new(settings).map_err(BucketError::Thread)?);
        Ok(Self { bucket, tails: Arc::default() })
    }
}

#[async_trait]
impl FileStore for S3Files {
    async fn create(&self, object: &StorageRef) -> Result<Box<dyn ObjectWriter>, FileError> {
        let key = self.bucket.keys.object(object)?;
        Ok(Box::new(S3Writer::begin(self.bucket.clone(), key)))
    }

    async fn append(&self, object: &StorageRef, lines: Bytes) -> Result<(), FileError> {
        check_lines(&lines)?;
        logs::append(&self.bucket, &self.tails, object, lines).await
    }

    async fn size(&self, object: &StorageRef) -> Result<u64, FileError> {
        match self.bucket.head(self.bucket.keys.object(object)?).await {
            Ok(head) => Ok(head.size_bytes),
            Err(FileError::NotFound) => logs::size(&self.bucket, object).await,
            Err(error) => Err(error),
        }
    }

    async fn read(
        &self,
        object: &StorageRef,
        offset: u64,
        length: u64,
    ) -> Result<BoxStream<'static, Result<Bytes, FileError>>, FileError> {
        let key = self.bucket.keys.object(object)?;
        match self.bucket.clone().download(key, None, offset, length).await {
            Err(FileError::NotFound) => logs::read(self.bucket.clone(), object.clone(), offset, length).await,
            answer => answer,
        }
    }

    async fn open(&self, object: &StorageRef) -> Result<Box<dyn ReadSeek>, FileError> {
        let key = self.bucket.keys.object(object)?;
        let head = self.bucket.head(key.clone()).await?;
        Ok(Box::new(S3Reader::new(self.bucket.clone(), key, head)))
    }

    async fn link(&self, object: &StorageRef, terms: &LinkTerms<'_>) -> Result<Option<String>, FileError> {
        let unsigned = |error: &dyn std::fmt::Display| FileError::Unavailable(format!("no link: {error}"));
        let expiring = PresigningConfig::expires_in(terms.expires_in).map_err(|error| unsigned(&error))?;
        // A header besides `Host` would be signed too, and nobody who follows a link sends one.
        let plain = Config::builder().response_checksum_validation(ResponseChecksumValidation::WhenRequired);
        let link = self
            .bucket
            .client
            .get_object()
            .bucket(&self.bucket.name)
            .key(self.bucket.keys.object(object)?)
            .response_content_type(terms.content_type)
            .response_content_disposition(terms.disposition)
            .customize()
            .config_override(plain)
            .presigned(expiring)
            .await
            .map_err(fault::unavailable)?;
        Ok(Some(link.uri().to_owned()))
    }

    async fn delete(&self, object: &StorageRef) -> Result<(), FileError> {
        self.bucket.remove(self.bucket.keys.object(object)?).await?;
        logs::delete(&self.bucket, &self.tails, object).await
    }

    async fn list(
        &self,
        after: Option<&StorageRef>,
        limit: u32,
        stale_s: u64,
    ) -> Result<Vec<StorageRef>, FileError> {
        if after.is_none() {
            sweep::abort_stale(&self.bucket, stale_s).await?;
        }
        sweep::list(&self.bucket, after, limit, stale_s).await
    }
}
