//! The bucket: its client, its thread, and the requests that more than one part of the store makes.

use crate::files::s3::fault::{NOT_FOUND, status, translate, unavailable};
use crate::files::s3::keys::{Keys, Named};
use crate::files::s3::settings::S3Settings;
use crate::files::s3::tail::Part;
use crate::files::s3::thread::S3Thread;
use aws_sdk_s3::Client;
use aws_sdk_s3::primitives::ByteStream;
use aws_sdk_s3::types::Object;
use bytes::Bytes;
use sottovoce_actors::ports::files::FileError;
use sottovoce_actors::ports::store::StorageRef;
use std::sync::Arc;
use std::time::Duration;

/// Most keys that S3 lists at once.
const KEYS_AT_ONCE: i32 = 1000;

/// What all parts of the store share.
pub struct Bucket {
    pub client: Client,
    pub name: String,
    pub keys: Keys,
    pub thread: S3Thread,
    /// Between two pieces of a download.
    pub piece_timeout: Duration,
    /// At each request.
    pub attempts: u32,
}

/// What a whole object is now.
#[derive(Clone, Debug)]
pub struct Head {
    pub size_bytes: u64,
    /// Changes with the content.
    pub etag: Option<String>,
}

/// A page of a listing.
pub struct Page {
    pub objects: Vec<Object>,
    /// The last key, if there are more behind it.
    pub more_after: Option<String>,
}

impl Bucket {
    /// Makes the client; asks nothing of the server yet.
    pub fn new(settings: &S3Settings) -> std::io::Result<Self> {
        Ok(Self {
            client: settings.client(),
            name: settings.bucket.clone(),
            keys: Keys::under(&settings.prefix),
            thread: S3Thread::start()?,
            piece_timeout: settings.request_timeout,
            attempts: settings.attempts,
        })
    }

    /// Puts an object, whole.
    pub async fn put(&self, key: String, content: Bytes) -> Result<(), FileError> {
        let request = self.client.put_object().bucket(&self.name).key(key).body(ByteStream::from(content));
        self.thread.run(async move { request.send().await.map(drop).map_err(unavailable) }).await
    }

    /// Looks at a whole object.
    pub async fn head(&self, key: String) -> Result<Head, FileError> {
        let request = self.client.head_object().bucket(&self.name).key(key);
        let head = self.thread.run(async move { request.send().await.map_err(translate) }).await?;
        let size = head.content_length.and_then(|size| u64::try_from(size).ok());
        let size = size.ok_or_else(|| FileError::Unavailable("the object server told no size".into()))?;
        Ok(Head { size_bytes: size, etag: head.e_tag })
    }

    /// Deletes one key; absent is well.
    pub async fn remove(&self, key: String) -> Result<(), FileError> {
        let request = self.client.delete_object().bucket(&self.name).key(key);
        let removing = async move {
            match request.send().await {
                Err(error) if status(&error) == Some(NOT_FOUND) => match translate(error) {
                    FileError::NotFound => Ok(()),
                    other => Err(other),
                },
                answer => answer.map(drop).map_err(unavailable),
            }
        };
        self.thread.run(removing).await
    }

    /// Ends an upload in parts; one that is over is well.
    pub async fn abort(self: Arc<Self>, key: String, upload: String) -> Result<(), FileError> {
        let request =
            self.client.abort_multipart_upload().bucket(&self.name).key(key).upload_id(upload).send().await;
        match request {
            Err(error) if status(&error) == Some(NOT_FOUND) => Ok(()),
            answer => answer.map(drop).map_err(unavailable),
        }
    }

    /// Lists keys that begin with `prefix`, after `after`, in byte order.
    pub async fn list(&self, prefix: &str, after: Option<String>, limit: u32) -> Result<Page, FileError> {
        let limit = i32::try_from(limit).unwrap_or(KEYS_AT_ONCE).clamp(1, KEYS_AT_ONCE);
        let request = self
            .client
            .list_objects_v2()
            .bucket(&self.name)
            .prefix(prefix)
            .set_start_after(after)
            .max_keys(limit);
        let page = self.thread.run(async move { request.send().await.map_err(unavailable) }).await?;
        let objects = page.contents.unwrap_or_default();
        let last = objects.last().and_then(|object| object.key.clone());
        Ok(Page { objects, more_after: last.filter(|_| page.is_truncated == Some(true)) })
    }

    /// Lists a log's parts in order; none: there is no such log.
    pub async fn parts(&self, log: &StorageRef) -> Result<Vec<Part>, FileError> {
        let prefix = self.keys.log(log)?;
        let (mut parts, mut after) = (Vec::new(), None);
        loop {
            let page = self.list(&prefix, after, u32::MAX).await?;
            for object in &page.objects {
                let named = object.key.as_deref().and_then(|key| self.keys.parse(key));
                let size = object.size.and_then(|size| u64::try_from(size).ok());
                if let (Some(Named { offset: Some(offset), .. }), Some(size_bytes)) = (named, size) {
                    parts.push(Part { offset, size_bytes });
                }
            }
            after = page.more_after;
            if after.is_none() {
                return Ok(parts);
            }
        }
    }
}
