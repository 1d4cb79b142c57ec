//! The canary: before anything is kept in a bucket, an object is written there in each way that the server writes, read
//! back, compared, listed and deleted. There are object servers that store something else than they were given, and answer
//! that all is well.

use crate::files::s3::bucket::Bucket;
use crate::files::s3::fault::{describe, status};
use crate::files::s3::write::S3Writer;
use crate::files::s3::{BucketError, S3Files};
use crate::system::SystemIds;
use aws_sdk_s3::primitives::ByteStream;
use bytes::Bytes;
use futures_util::TryStreamExt;
use sottovoce_actors::ports::clock::Ids;
use sottovoce_actors::ports::files::{FileError, FileStore, ObjectWriter};
use sottovoce_actors::ports::store::StorageRef;

const CANARY_BYTES: usize = 64 * 1024 + 7;

/// Answers that may be others later.
const TOO_EARLY: [u16; 2] = [408, 429];

fn untrue(what: &'static str) -> BucketError {
    BucketError::Untrue(what.into())
}

impl From<FileError> for BucketError {
    fn from(error: FileError) -> Self {
        match error {
            FileError::Unavailable(cause) => Self::Unreachable(cause),
            other => Self::Untrue(other.to_string()),
        }
    }
}

/// Tries the bucket; what it wrote is gone then.
pub async fn sing(files: &S3Files) -> Result<(), BucketError> {
    let name = StorageRef(format!("canary/{}", SystemIds.uuid()));
    let content = content(name.0.as_bytes());
    first_put(&files.bucket, &name, &content).await?;
    let tried = try_ways(files, &name, &content).await;
    let deleted = files.delete(&name).await;
    tried?;
    deleted?;
    match files.size(&name).await {
        Err(FileError::NotFound) => Ok(()),
        Err(error) => Err(error.into()),
        Ok(_) => Err(untrue("a deleted object is still there")),
    }
}

/// Bytes that differ from start to start, among them the line ends that a wrongly decoded body would gain or lose.
fn content(seed: &[u8]) -> Bytes {
    let seeded = seed.iter().cycle().enumerate().take(CANARY_BYTES);
    let mut content: Vec<u8> =
        seeded.map(|(at, byte)| (at.wrapping_mul(2_654_435_761) >> 13) as u8 ^ byte).collect();
    content[CANARY_BYTES - 5..].copy_from_slice(b"0\r\n\r\n");
    content.into()
}

/// The first request of all: tells a bucket that refuses from one that is away.
async fn first_put(bucket: &Bucket, name: &StorageRef, content: &Bytes) -> Result<(), BucketError> {
    let body = ByteStream::from(content.clone());
    let request = bucket.client.put_object().bucket(&bucket.name).key(bucket.keys.object(name)?).body(body);
    let answer = bucket.thread.run(async move { Ok(request.send().await) }).await?;
    answer.map(drop).map_err(|error| match status(&error) {
        Some(status) if (300..500).contains(&status) && !TOO_EARLY.contains(&status) => {
            BucketError::Refused(describe(&error))
        }
        _ => BucketError::Unreachable(describe(&error)),
    })
}

async fn try_ways(files: &S3Files, name: &StorageRef, content: &Bytes) -> Result<(), BucketError> {
    compare(files, name, content).await?;
    let in_parts: Bytes = content.iter().rev().copied().collect();
    let mut writer = Box::new(S3Writer::begin(files.bucket.clone(), files.bucket.keys.object(name)?));
    writer.write(in_parts.clone()).await?;
    writer.send_last_part().await?;
    writer.finish().await?;
    compare(files, name, &in_parts).await?;
    let key = files.bucket.keys.object(name)?;
    let listed = files.bucket.list(&key, None, 2).await?.objects;
    if listed.iter().any(|object| object.key.as_deref() == Some(&*key)) {
        Ok(())
    } else {
        Err(untrue("an object is not listed"))
    }
}

async fn compare(files: &S3Files, name: &StorageRef, content: &Bytes) -> Result<(), BucketError> {
    if files.size(name).await? != content.len() as u64 {
        return Err(untrue("an object came back longer or shorter"));
    }
    for (offset, length) in [(0, content.len()), (CANARY_BYTES / 3, 1000)] {
        let mut read = Vec::with_capacity(length);
        let mut pieces = files.read(name, offset as u64, length as u64).await?;
        while let Some(piece) = pieces.try_next().await? {
            read.extend_from_slice(&piece);
        }
        if read != content[offset..offset + length] {
            return Err(untrue("an object came back changed"));
        }
    }
    Ok(())
}
