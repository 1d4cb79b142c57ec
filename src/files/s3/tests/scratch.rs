//! A bucket of a test's own on the server that `make test` starts.

use crate::files::s3::{Checksums, S3Files, S3Settings};
use crate::system::SystemIds;
use bytes::Bytes;
use futures_util::TryStreamExt;
use sottovoce_actors::ports::clock::Ids;
use sottovoce_actors::ports::files::{FileError, FileStore};
use sottovoce_actors::ports::store::StorageRef;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

fn told(name: &str) -> String {
    let name = format!("SOTTOVOCE_TEST_S3_{name}");
    std::env::var(&name).unwrap_or_else(|_| panic!("{name} is not set; run the tests with `make test`"))
}

/// The bucket; it goes when this is dropped.
pub struct Scratch {
    pub settings: S3Settings,
    folder: PathBuf,
}

impl Scratch {
    pub fn new() -> Self {
        // Short, as the server makes file names of twice the length.
        let bucket = format!("t-{}", &SystemIds.uuid().simple().to_string()[20..]);
        let folder = PathBuf::from(told("FOLDER")).join(&bucket);
        std::fs::create_dir(&folder).expect("a bucket");
        let settings = S3Settings {
            bucket,
            prefix: "c/t".into(),
            endpoint: Some(told("ENDPOINT")),
            region: "us-east-1".into(),
            path_style: true,
            checksums: Checksums::WhenRequired,
            access_key_id: told("ACCESS_KEY_ID"),
            secret_access_key: told("SECRET_ACCESS_KEY"),
            connect_timeout: Duration::from_secs(5),
            request_timeout: Duration::from_secs(20),
            attempts: 3,
        };
        Self { settings, folder }
    }

    /// Opens the store, canary and all.
    pub async fn open(&self) -> S3Files {
        S3Files::open(&self.settings).await.expect("a good bucket")
    }

    /// Returns the keys of all objects, as the server keeps them.
    pub fn keys(&self) -> Vec<String> {
        let (mut keys, mut folders) = (Vec::new(), vec![self.folder.clone()]);
        while let Some(folder) = folders.pop() {
            for entry in std::fs::read_dir(folder).expect("readable") {
                let path = entry.expect("readable").path();
                if path.is_dir() {
                    folders.push(path);
                } else {
                    let key = path.strip_prefix(&self.folder).expect("in the bucket");
                    keys.push(key.to_str().expect("text").to_owned());
                }
            }
        }
        keys.sort();
        keys
    }

    /// Puts objects where the server keeps them, without asking it.
    pub fn place(&self, key: &str, content: &[u8]) {
        let path = self.folder.join(key);
        std::fs::create_dir_all(path.parent().expect("a folder")).expect("made");
        std::fs::write(path, content).expect("written");
    }

    /// Returns whether the server keeps parts of an upload.
    pub fn keeps_parts_of(&self, upload: &str) -> bool {
        let server = self.folder.parent().expect("the server's folder");
        let names =
            std::fs::read_dir(server).expect("readable").map(|entry| entry.expect("readable").file_name());
        names.into_iter().any(|name| name.to_string_lossy().starts_with(&format!(".upload_id-{upload}")))
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.folder);
    }
}

/// A store for the conformance suite.
pub async fn store() -> (Scratch, Arc<dyn FileStore>) {
    let scratch = Scratch::new();
    let files = scratch.open().await;
    (scratch, Arc::new(files))
}

pub fn object(name: &str) -> StorageRef {
    StorageRef(name.into())
}

/// Bytes that differ everywhere.
pub fn content(length: usize) -> Bytes {
    (0..length).map(|at| (at.wrapping_mul(2_654_435_761) >> 13) as u8).collect::<Vec<u8>>().into()
}

/// Reads an object, or a log, to its end.
pub async fn read(files: &S3Files, name: &str) -> Result<Vec<u8>, FileError> {
    let size = files.size(&object(name)).await?;
    let pieces = files.read(&object(name), 0, size).await?;
    pieces
        .try_fold(Vec::new(), async |mut all, piece| {
            all.extend_from_slice(&piece);
            Ok(all)
        })
        .await
}
