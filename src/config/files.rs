//! `[files]`: where content (uploads, transcripts) is kept.

use super::Mode;
use super::bucket::BucketPlace;
use super::defect::Checker;
use super::secret::{SecretText, is_example};
use serde::Deserialize;
use std::path::PathBuf;
use std::time::Duration;

/// Keys that object servers come with or show in their examples, in small letters; [`is_example`] knows more.
const EXAMPLE_KEYS: [&str; 10] = [
    "s3rver",
    "test",
    "testing",
    "minio",
    "minio123",
    "minioadmin",
    "rustfsadmin",
    "admin",
    "any",
    "akiaiosfodnn7example",
];

/// Content; keys as in `default.toml`.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FilesConfig {
    /// `file:PATH` or `s3://BUCKET…`; filled in when left empty. See [`FilesConfig::place`].
    pub url: SecretText,
    /// Who asks the object server.
    pub access_key_id: SecretText,
    /// Proves it.
    pub secret_access_key: SecretText,
    /// Whether downloads are links to the bucket.
    pub presigned_downloads: bool,
    /// How long such a link is good.
    pub presigned_ms: u64,
    /// To get a connection.
    pub connect_timeout_ms: u64,
    /// For one attempt at a request.
    pub request_timeout_ms: u64,
    /// At each request.
    pub attempts: u32,
}

/// Where content is kept.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum FilesPlace {
    /// A folder of this machine, or one that is mounted.
    Folder(PathBuf),
    /// A bucket.
    Bucket(BucketPlace),
}

impl FilesConfig {
    /// Returns where content is kept.
    pub fn place(&self) -> FilesPlace {
        parse(self.url.expose())
            .unwrap_or_else(|_| panic!("files.url was checked when the configuration was loaded"))
    }

    /// Returns how long a download's link to the bucket is good; `None`: downloads are no links.
    pub fn presigned(&self) -> Option<Duration> {
        self.presigned_downloads.then(|| Duration::from_millis(self.presigned_ms))
    }

    pub(super) fn check(&self, mode: Mode, checker: &mut Checker<'_>) {
        checker.within("files.presigned_ms", self.presigned_ms, 1_000, 3_600_000);
        checker.within("files.connect_timeout_ms", self.connect_timeout_ms, 10, 600_000);
        checker.within("files.request_timeout_ms", self.request_timeout_ms, 10, 600_000);
        checker.within("files.attempts", u64::from(self.attempts), 1, 20);
        match parse(self.url.expose()) {
            Ok(FilesPlace::Bucket(place)) => self.check_bucket(&place, mode, checker),
            Ok(FilesPlace::Folder(_)) => self.check_folder(checker),
            Err(_) if self.url.is_empty() => self.check_folder(checker),
            Err(problem) => checker.require("files.url", false, || problem),
        }
    }

    fn keys(&self) -> [(&'static str, &SecretText); 2] {
        [("files.access_key_id", &self.access_key_id), ("files.secret_access_key", &self.secret_access_key)]
    }

    fn check_folder(&self, checker: &mut Checker<'_>) {
        for (key, value) in self.keys() {
            checker.require(key, value.is_empty(), || {
                "it is set, but files.url is no s3:// URL; set both or neither".into()
            });
        }
        checker.require("files.presigned_downloads", !self.presigned_downloads, || {
            "a folder gives no links; set files.url to an s3:// URL, or leave it off".into()
        });
    }

    fn check_bucket(&self, place: &BucketPlace, mode: Mode, checker: &mut Checker<'_>) {
        checker.require("files.url", mode == Mode::Embedded || place.is_private(), || {
            "in production its endpoint must be https, or on this machine; what is spoken goes there".into()
        });
        for (key, value) in self.keys() {
            checker.require(key, !value.is_empty(), || {
                "it is missing; the object server gives it when you make a key there for this bucket".into()
            });
            let text = value.expose();
            checker.require(key, text.bytes().all(|byte| byte.is_ascii_graphic()), || {
                "it holds a space or another character that no key has; copy it again".into()
            });
            let is_known = EXAMPLE_KEYS.contains(&&*text.to_ascii_lowercase())
                || (key == "files.secret_access_key" && is_example(text));
            checker.require(key, mode == Mode::Embedded || !is_known, || {
                "it is taken from an example, everybody knows it; make a key of your own at the object server".into()
            });
        }
    }
}

fn parse(url: &str) -> Result<FilesPlace, String> {
    match url.split_once(':') {
        Some(("file", path)) => {
            Ok(FilesPlace::Folder(PathBuf::from(path.strip_prefix("//").unwrap_or(path))))
        }
        Some(("s3", _)) => BucketPlace::parse(url).map(FilesPlace::Bucket),
        _ => Err("its scheme is not known; use file:PATH or s3://BUCKET?endpoint=URL".into()),
    }
}
