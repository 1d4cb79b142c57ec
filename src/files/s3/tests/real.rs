//! What the store does with a good server.

use super::proxy::{Fault, Proxy};
use super::scratch::{Scratch, content, object, read};
use crate::files::s3::write::PART_BYTES;
use crate::files::s3::{BucketError, S3Files};
use bytes::Bytes;
use futures_util::TryStreamExt;
use sha2::{Digest, Sha256};
use sottovoce_actors::hex::hex;
use sottovoce_actors::ports::files::{FileError, FileStore};
use std::io::{Read, Seek, SeekFrom};
use std::time::Duration;

/// Writes in the pieces in which uploads come.
async fn write(files: &S3Files, name: &str, content: &Bytes) {
    let mut writer = files.create(&object(name)).await.expect("create");
    for piece in content.chunks(32 * 1024 - 1) {
        writer.write(Bytes::copy_from_slice(piece)).await.expect("write");
    }
    let stored = writer.finish().await.expect("finish");
    assert_eq!(stored.size_bytes, content.len() as u64);
    assert_eq!(stored.sha256, hex(Sha256::digest(content)));
}

async fn proxied() -> (Scratch, Proxy, S3Files) {
    let mut scratch = Scratch::new();
    let proxy = Proxy::before(scratch.settings.endpoint.as_deref().expect("an endpoint")).await;
    scratch.settings.endpoint = proxy.endpoint();
    let files = scratch.open().await;
    proxy.requests();
    (scratch, proxy, files)
}

#[actix::test]
async fn a_long_object_goes_up_in_parts_and_comes_down_whole() {
    let (scratch, proxy, files) = proxied().await;
    let before = proxy.parts();
    for (name, length, parts) in [("a/long", 2 * PART_BYTES + 5, 3), ("a/exact", 2 * PART_BYTES, 2)] {
        let content = content(length);
        write(&files, name, &content).await;
        assert!(read(&files, name).await.expect("read") == content);
        let put = proxy.requests().iter().filter(|request| request.contains("partNumber=")).count();
        assert_eq!(put, parts);
    }
    assert_eq!((proxy.parts() - before, proxy.uploads()), (5, Vec::new()));
    assert_eq!(scratch.keys(), ["c/t/objects/a/exact", "c/t/objects/a/long"]);
}

#[actix::test]
async fn a_short_object_is_one_request() {
    let (_scratch, proxy, files) = proxied().await;
    write(&files, "a", &content(PART_BYTES - 1)).await;
    assert_eq!(proxy.requests(), ["PUT c/t/objects/a?x-id=PutObject"]);
}

#[actix::test]
async fn an_upload_that_is_given_up_leaves_nothing() {
    let (scratch, proxy, files) = proxied().await;
    let mut writer = files.create(&object("a")).await.expect("create");
    writer.write(content(PART_BYTES + 1)).await.expect("write");
    let uploads = proxy.uploads();
    assert!(scratch.keeps_parts_of(&uploads[0]));
    drop(writer);
    let aborted = async {
        while !proxy.uploads().is_empty() {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(Duration::from_secs(30), aborted).await.expect("aborted in the background");
    assert!(!scratch.keeps_parts_of(&uploads[0]));
    assert_eq!(scratch.keys(), [""; 0]);
}

#[actix::test]
async fn the_sweep_ends_uploads_that_a_crash_left() {
    let (scratch, proxy, files) = proxied().await;
    let mut writer = files.create(&object("a")).await.expect("create");
    writer.write(content(PART_BYTES)).await.expect("write");
    // As a killed process leaves it.
    std::mem::forget(writer);
    let uploads = proxy.uploads();
    assert!(scratch.keeps_parts_of(&uploads[0]));
    assert_eq!(files.list(None, 10, 3600).await.expect("list"), []);
    assert!(proxy.uploads().is_empty() && !scratch.keeps_parts_of(&uploads[0]));
}

#[actix::test]
async fn a_server_that_lists_no_uploads_is_swept_all_the_same() {
    let scratch = Scratch::new();
    let files = scratch.open().await;
    write(&files, "a", &content(10)).await;
    assert_eq!(files.list(None, 10, 0).await.expect("list"), [object("a")]);
}

#[actix::test]
async fn more_than_a_page_of_objects_is_listed() {
    let scratch = Scratch::new();
    let files = scratch.open().await;
    let root = "c/t/objects";
    let mut expected: Vec<String> = (0..1100).map(|number| format!("jobs/{number}/json")).collect();
    for name in &expected {
        scratch.place(&format!("{root}/{name}"), b"x");
    }
    let lines: Vec<String> = (0..1050).map(|number| format!("line {number}\n")).collect();
    let mut offset = 0;
    for line in &lines {
        scratch.place(&format!("{root}/jobs/5/segments!{offset:020}"), line.as_bytes());
        offset += line.len();
    }
    for foreign in ["c/t/other", "else/objects/a", "c/t/objects/not ours", "top"] {
        scratch.place(foreign, b"not ours");
    }
    expected.push("jobs/5/segments".into());
    expected.sort_unstable();
    let expected: Vec<_> = expected.iter().map(|name| object(name)).collect();
    assert_eq!(files.list(None, 100_000, 0).await.expect("list"), expected);
    assert_eq!(files.list(None, 100_000, 3600).await.expect("list"), [], "all are young");
    let mut seen = Vec::new();
    loop {
        let page = files.list(seen.last(), 250, 0).await.expect("list");
        assert!(page.len() <= 250);
        if page.is_empty() {
            break;
        }
        seen.extend(page);
    }
    assert_eq!(seen, expected);

    let log = lines.concat();
    assert_eq!(files.size(&object("jobs/5/segments")).await.expect("size"), log.len() as u64);
    let end = files.read(&object("jobs/5/segments"), log.len() as u64 - 100, 100).await.expect("read");
    let end: Vec<Bytes> = end.try_collect().await.expect("read");
    assert_eq!(end.concat(), &log.as_bytes()[log.len() - 100..]);
}

#[actix::test]
async fn other_keys_are_refused() {
    let scratch = Scratch::new();
    let secret = &scratch.settings.secret_access_key;
    let mut tampered = secret.clone();
    let last = secret.len() - 1;
    tampered.replace_range(last.., if secret.ends_with('0') { "1" } else { "0" });
    for (name, told) in [("secret", "403 SignatureDoesNotMatch"), ("id", "403")] {
        let mut settings = scratch.settings.clone();
        match name {
            "secret" => settings.secret_access_key.clone_from(&tampered),
            _ => settings.access_key_id.push('0'),
        }
        let error = S3Files::open(&settings).await.err().expect("refused");
        let text = error.to_string();
        assert!(matches!(error, BucketError::Refused(_)) && error.is_refusal(), "{name}: {text}");
        assert!(text.contains(told) && !text.contains(&tampered) && !text.contains(secret), "{name}: {text}");
    }
    assert_eq!(scratch.keys(), [""; 0]);
}

#[actix::test]
async fn the_canary_leaves_nothing() {
    let scratch = Scratch::new();
    scratch.open().await;
    assert_eq!(scratch.keys(), [""; 0]);
}

#[actix::test]
async fn a_decoder_sees_one_version_of_an_object() {
    let scratch = Scratch::new();
    let files = scratch.open().await;
    // More than two windows.
    let content = content(2_500_000);
    write(&files, "media", &content).await;
    let mut reader = files.open(&object("media")).await.expect("open");
    let decoder = tokio::task::spawn_blocking(move || {
        let mut all = Vec::new();
        reader.read_to_end(&mut all).expect("read");
        for at in [2_400_000, 0, 1_048_575, 1_048_576] {
            reader.seek(SeekFrom::Start(at)).expect("seek");
            let mut some = [0; 3];
            reader.read_exact(&mut some).expect("read");
            assert_eq!(some, all[at as usize..at as usize + 3]);
        }
        (all, reader)
    });
    let (all, mut reader) = decoder.await.expect("a decoder");
    assert!(all == content);
    write(&files, "media", &content.slice(1..)).await;
    let late = tokio::task::spawn_blocking(move || {
        reader.seek(SeekFrom::Start(0)).expect("seek");
        reader.read(&mut [0; 10]).err()
    });
    assert!(late.await.expect("a decoder").is_some(), "two versions are never mixed");
}

#[actix::test]
async fn a_reader_that_is_cut_off_by_a_replacement_is_told() {
    let (_scratch, proxy, files) = proxied().await;
    write(&files, "a", &content(1_000_000)).await;
    proxy.set(Fault::Cut(100_000));
    let pieces = files.read(&object("a"), 0, 1_000_000).await.expect("read");
    write(&files, "a", &content(1_000_001).slice(1..)).await;
    let end = pieces.try_collect::<Vec<_>>().await;
    assert!(matches!(end, Err(FileError::Unavailable(_))), "two versions are never mixed");
}
