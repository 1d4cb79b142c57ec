//! Adapters of the object port.

mod layout;
mod local;
mod name;
mod s3;
mod writer;

#[cfg(test)]
mod suite;

pub use local::LocalFiles;
pub use s3::{BucketError, Checksums, S3Files, S3Settings};
