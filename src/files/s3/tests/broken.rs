//! Servers that lie, fail, stand still and go away.

use super::proxy::{Fault, Proxy};
use super::scratch::{Scratch, content, object, read};
use crate::files::s3::write::PART_BYTES;
use crate::files::s3::{BucketError, S3Files};
use bytes::Bytes;
use sottovoce_actors::ports::files::{FileError, FileStore};
use std::net::TcpListener;
use std::time::Duration;

async fn proxied() -> (Scratch, Proxy) {
    let mut scratch = Scratch::new();
    let proxy = Proxy::before(scratch.settings.endpoint.as_deref().expect("an endpoint")).await;
    scratch.settings.endpoint = proxy.endpoint();
    (scratch, proxy)
}

fn is_unavailable<T>(answer: &Result<T, FileError>) -> bool {
    matches!(answer, Err(FileError::Unavailable(_)))
}

#[actix::test]
async fn a_server_that_does_not_keep_its_word_is_refused() {
    let (scratch, proxy) = proxied().await;
    for (fault, told) in [
        (Fault::Corrupt, "came back changed"),
        (Fault::Forgetful, "not listed"),
        (Fault::Clinging, "still there"),
    ] {
        proxy.set(fault);
        let error = S3Files::open(&scratch.settings).await.err().expect("refused");
        let text = error.to_string();
        assert!(matches!(error, BucketError::Untrue(_)) && error.is_refusal(), "{fault:?}: {text}");
        assert!(text.contains(told) && text.contains("checksums=when_required"), "{fault:?}: {text}");
        proxy.set(Fault::None);
    }
    proxy.set(Fault::NoBucket);
    let error = S3Files::open(&scratch.settings).await.err().expect("refused");
    assert!(error.is_refusal() && error.to_string().contains("404 NoSuchBucket"), "{error}");
    proxy.set(Fault::None);
    let files = scratch.open().await;
    proxy.set(Fault::NoBucket);
    assert!(is_unavailable(&files.size(&object("a")).await) || is_unavailable(&read(&files, "a").await));
}

#[actix::test]
async fn a_server_that_is_away_or_stands_still_is_not_refused_for_good() {
    let (mut scratch, proxy) = proxied().await;
    proxy.set(Fault::ReadOnly);
    let error = S3Files::open(&scratch.settings).await.err().expect("no canary");
    assert!(!error.is_refusal() && error.to_string().contains("503"), "{error}");
    proxy.leave().await;
    let error = S3Files::open(&scratch.settings).await.err().expect("nobody there");
    assert!(!error.is_refusal() && error.to_string().contains("cannot be reached"), "{error}");

    // Connections are taken, by the system, and nothing is ever answered.
    let silent = TcpListener::bind("127.0.0.1:0").expect("a port");
    scratch.settings.endpoint = Some(format!("http://{}", silent.local_addr().expect("an address")));
    scratch.settings.request_timeout = Duration::from_millis(100);
    let error = S3Files::open(&scratch.settings).await.err().expect("no answer");
    assert!(!error.is_refusal() && error.to_string().contains("did not answer in time"), "{error}");
}

#[actix::test]
async fn a_server_that_goes_away_amid_an_upload_is_told_and_keeps_nothing() {
    let (scratch, mut proxy) = proxied().await;
    let files = scratch.open().await;
    let mut writer = files.create(&object("a")).await.expect("create");
    writer.write(content(PART_BYTES)).await.expect("the first part");
    let uploads = proxy.uploads();
    assert!(scratch.keeps_parts_of(&uploads[0]));
    proxy.leave().await;
    let broken = writer.write(content(PART_BYTES)).await;
    assert!(is_unavailable(&broken), "{broken:?}");
    assert!(is_unavailable(&writer.write(content(1)).await), "no object with a hole");
    assert!(is_unavailable(&writer.finish().await));
    assert!(is_unavailable(&files.size(&object("a")).await), "away is not absent");

    proxy.come_back();
    assert_eq!(files.list(None, 10, 3600).await.expect("swept"), []);
    assert!(proxy.uploads().is_empty() && !scratch.keeps_parts_of(&uploads[0]));
    assert_eq!(scratch.keys(), [""; 0]);
}

#[actix::test]
async fn a_failed_last_request_leaves_nothing() {
    let (scratch, proxy) = proxied().await;
    let files = scratch.open().await;
    for length in [10, PART_BYTES] {
        let mut writer = files.create(&object("a")).await.expect("create");
        writer.write(content(length)).await.expect("write");
        proxy.set(Fault::ReadOnly);
        assert!(is_unavailable(&writer.finish().await));
        proxy.set(Fault::None);
        assert_eq!(scratch.keys(), [""; 0]);
    }
}

#[actix::test]
async fn a_download_that_breaks_goes_on_where_it_broke() {
    let (scratch, proxy) = proxied().await;
    let files = scratch.open().await;
    let content = content(1_000_000);
    let mut writer = files.create(&object("a")).await.expect("create");
    writer.write(content.clone()).await.expect("write");
    writer.finish().await.expect("finish");
    proxy.requests();
    proxy.set(Fault::Cut(300_001));
    assert!(read(&files, "a").await.expect("read") == content);
    let gets = proxy.requests().iter().filter(|request| request.starts_with("GET")).count();
    assert_eq!(gets, 2);
}

#[actix::test]
async fn lines_that_failed_are_there_once_when_they_are_appended_again() {
    let (scratch, mut proxy) = proxied().await;
    let files = scratch.open().await;
    let mut expected = String::new();
    // The 32nd append makes one part of all.
    for number in 1..=70 {
        let line = format!("line {number}\n");
        if number % 4 == 0 {
            // Kept, though the answer was that it failed.
            proxy.set(Fault::LostAnswer);
            let failed = files.append(&object("log"), Bytes::from(line.clone())).await;
            assert!(is_unavailable(&failed), "{failed:?}");
        }
        if number == 31 {
            proxy.leave().await;
            let failed = files.append(&object("log"), Bytes::from(line.clone())).await;
            assert!(is_unavailable(&failed), "{failed:?}");
            proxy.come_back();
        }
        files.append(&object("log"), Bytes::from(line.clone())).await.expect("append");
        expected.push_str(&line);
        assert_eq!(read(&files, "log").await.expect("read"), expected.as_bytes());
    }
}
