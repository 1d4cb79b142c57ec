//! The bucket store against a real server (s3s-fs, started by `src/tests/with_s3.sh`) and against one that fails, lies or
//! goes away (a proxy before it). The port's own promises are in [`crate::files::suite`].

mod broken;
mod links;
mod logs;
mod proxy;
mod real;
mod scratch;

pub use scratch::store;
