//! Logs that grow in a bucket.

use super::scratch::{Scratch, object, read};
use crate::files::s3::S3Files;
use bytes::Bytes;
use futures_util::TryStreamExt;
use sottovoce_actors::ports::files::{FileError, FileStore};
use std::time::Duration;

fn line(number: usize) -> Bytes {
    format!("{{\"line\":{number}}}\n").into()
}

async fn append(files: &S3Files, numbers: std::ops::Range<usize>) -> Vec<u8> {
    let mut appended = Vec::new();
    for number in numbers {
        files.append(&object("s/log"), line(number)).await.expect("append");
        appended.extend_from_slice(&line(number));
    }
    appended
}

/// Waits until superfluous parts are gone.
async fn parts_are(scratch: &Scratch, count: usize) {
    let gone = async {
        while scratch.keys().len() != count {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(Duration::from_secs(30), gone)
        .await
        .unwrap_or_else(|_| panic!("{:?}", scratch.keys()));
}

#[actix::test]
async fn another_process_reads_and_continues_what_one_appended() {
    let scratch = Scratch::new();
    let first = scratch.open().await;
    let mut expected = append(&first, 0..40).await;
    parts_are(&scratch, 1 + 8).await;
    let second = scratch.open().await;
    assert_eq!(read(&second, "s/log").await.expect("read"), expected);
    expected.extend(append(&second, 40..100).await);
    parts_are(&scratch, 1 + 8 + 1 + 28).await;
    for files in [&first, &second] {
        assert_eq!(read(files, "s/log").await.expect("read"), expected);
        assert_eq!(files.size(&object("s/log")).await.expect("size"), expected.len() as u64);
    }
    for (offset, length) in [(0, 1), (500, 13), (expected.len() - 1, 1), (700, expected.len() - 700), (3, 0)]
    {
        let pieces = first.read(&object("s/log"), offset as u64, length as u64).await.expect("read");
        let pieces: Vec<Bytes> = pieces.try_collect().await.expect("read");
        assert_eq!(pieces.concat(), expected[offset..offset + length], "{offset} {length}");
    }
    let beyond = first.read(&object("s/log"), 1, expected.len() as u64).await;
    assert!(matches!(beyond, Err(FileError::BadRange)));
    assert_eq!(first.list(None, 10, 0).await.expect("list"), [object("s/log")]);
    second.delete(&object("s/log")).await.expect("delete");
    assert_eq!(scratch.keys(), [""; 0]);
}

#[actix::test]
async fn a_reader_is_not_disturbed_by_parts_that_become_one() {
    let scratch = Scratch::new();
    let files = scratch.open().await;
    let expected = append(&files, 0..31).await;
    let begun = files.read(&object("s/log"), 0, expected.len() as u64).await.expect("read");
    append(&files, 31..32).await;
    parts_are(&scratch, 1).await;
    let pieces: Vec<Bytes> = begun.try_collect().await.expect("read");
    assert_eq!(pieces.concat(), expected);
}

#[actix::test]
async fn a_log_with_a_hole_is_not_read() {
    let scratch = Scratch::new();
    let files = scratch.open().await;
    for offset in [0, 20] {
        scratch.place(&format!("c/t/objects/s/log!{offset:020}"), b"line\n");
    }
    assert!(matches!(read(&files, "s/log").await, Err(FileError::Unavailable(_))));
}
