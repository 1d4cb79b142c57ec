//! The conformance suite of the object port, over `dyn FileStore`, on every adapter; and what is particular to a folder.

use super::LocalFiles;
use bytes::Bytes;
use futures_util::StreamExt;
use futures_util::future::join_all;
use sha2::{Digest, Sha256};
use sottovoce_actors::ports::files::{FileError, FileStore, Stored};
use sottovoce_actors::ports::store::StorageRef;
use std::io::{Read, Seek, SeekFrom};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;
use tempfile::TempDir;

async fn local() -> (TempDir, Arc<dyn FileStore>) {
    let folder = tempfile::tempdir().expect("temporary folder");
    let files = LocalFiles::open(folder.path().join("content")).await.expect("a new store");
    (folder, Arc::new(files))
}

fn object(name: &str) -> StorageRef {
    StorageRef(name.into())
}

/// Bytes that differ everywhere, so that a shifted read is seen.
fn content(length: usize) -> Vec<u8> {
    (0..length).map(|at| (at.wrapping_mul(2_654_435_761) >> 13) as u8).collect()
}

async fn put(files: &dyn FileStore, name: &str, content: &[u8]) -> Stored {
    let mut writer = files.create(&object(name)).await.expect("create");
    for chunk in content.chunks(100_000) {
        writer.write(Bytes::copy_from_slice(chunk)).await.expect("write");
    }
    writer.finish().await.expect("finish")
}

async fn append(files: &dyn FileStore, name: &str, lines: &'static str) -> Result<(), FileError> {
    files.append(&object(name), Bytes::from_static(lines.as_bytes())).await
}

async fn get(files: &dyn FileStore, name: &str, offset: u64, length: u64) -> Result<Vec<u8>, FileError> {
    let mut chunks = files.read(&object(name), offset, length).await?;
    let mut read = Vec::new();
    while let Some(chunk) = chunks.next().await {
        let chunk = chunk?;
        assert!((1..=64 * 1024).contains(&chunk.len()), "chunks are bounded");
        read.extend_from_slice(&chunk);
    }
    Ok(read)
}

async fn get_all(files: &dyn FileStore, name: &str) -> Vec<u8> {
    let size = files.size(&object(name)).await.expect("size");
    get(files, name, 0, size).await.expect("read")
}

async fn names(files: &dyn FileStore) -> Vec<String> {
    let listed = files.list(None, 1000, 0).await.expect("list");
    listed.into_iter().map(|name| name.0).collect()
}

fn assert_absent<T>(answer: Result<T, FileError>) {
    assert!(matches!(answer, Err(FileError::NotFound)));
}

/// Runs every function of the suite on each store.
macro_rules! conformance {
    ($($adapter:ident: $store:expr),* $(,)?; $tests:tt) => {
        $(mod $adapter {
            conformance!(@each $store; $tests);
        })*
    };
    (@each $store:expr; [$($test:ident),* $(,)?]) => {
        $(#[actix::test]
        async fn $test() {
            let (_kept, files) = $store.await;
            super::$test(&*files).await;
        })*
    };
}

conformance!(
    folder: super::local(),
    bucket: crate::files::s3::tests::store();
    [
        an_object_is_read_as_it_was_written,
        ranges_are_exact,
        an_object_appears_whole,
        a_dropped_object_leaves_nothing,
        a_later_object_replaces,
        an_empty_object_is_one,
        absent_objects_are_not_found,
        names_are_checked,
        a_log_grows_by_lines,
        half_a_line_is_refused,
        a_decoder_can_seek,
        deleting_is_repeatable,
        a_list_is_in_order_and_complete,
        young_objects_are_not_listed,
        writers_and_deletes_of_neighbours_do_not_meet,
    ]
);

async fn an_object_is_read_as_it_was_written(files: &dyn FileStore) {
    let content = content(1_234_567);
    let stored = put(files, "job-1/7/input", &content).await;
    let sha256: String = Sha256::digest(&content).iter().map(|byte| format!("{byte:02x}")).collect();
    assert_eq!(stored, Stored { size_bytes: 1_234_567, sha256 });
    assert_eq!(files.size(&object("job-1/7/input")).await.expect("size"), 1_234_567);
    assert!(get_all(files, "job-1/7/input").await == content);
}

async fn ranges_are_exact(files: &dyn FileStore) {
    let content = content(200_000);
    put(files, "a", &content).await;
    let cases = [(0, 0), (0, 1), (1, 65_536), (65_535, 2), (0, 200_000), (199_999, 1), (200_000, 0)];
    for (offset, length) in cases {
        let expected = &content[offset as usize..(offset + length) as usize];
        assert!(get(files, "a", offset, length).await.expect("read") == expected, "{offset} {length}");
    }
    for (offset, length) in [(0, 200_001), (200_000, 1), (200_001, 0), (1, u64::MAX), (u64::MAX, 1)] {
        let answer = get(files, "a", offset, length).await;
        assert!(matches!(answer, Err(FileError::BadRange)), "{offset} {length}");
    }
}

async fn an_object_appears_whole(files: &dyn FileStore) {
    let mut writer = files.create(&object("a")).await.expect("create");
    writer.write(Bytes::from_static(b"half")).await.expect("write");
    assert_absent(files.size(&object("a")).await);
    assert_eq!(names(files).await, [""; 0]);
}

async fn a_dropped_object_leaves_nothing(files: &dyn FileStore) {
    put(files, "a", b"before").await;
    let mut writer = files.create(&object("a")).await.expect("create");
    writer.write(Bytes::from_static(b"after")).await.expect("write");
    drop(writer);
    assert_eq!(get_all(files, "a").await, b"before");
    assert_eq!(names(files).await, ["a"]);
}

async fn a_later_object_replaces(files: &dyn FileStore) {
    put(files, "a/b", b"first, and longer").await;
    let kept = files.read(&object("a/b"), 0, 5).await.expect("read");
    put(files, "a/b", b"second").await;
    assert_eq!(get_all(files, "a/b").await, b"second");
    let begun: Vec<_> = kept.map(|chunk| chunk.expect("chunk")).collect().await;
    assert_eq!(begun, ["first"], "who reads goes on reading what it opened");
}

async fn an_empty_object_is_one(files: &dyn FileStore) {
    assert_eq!(put(files, "empty", b"").await.size_bytes, 0);
    assert_eq!(files.size(&object("empty")).await.expect("size"), 0);
    assert_eq!(get_all(files, "empty").await, b"");
}

async fn absent_objects_are_not_found(files: &dyn FileStore) {
    put(files, "a/b", b"x").await;
    for name in ["b", "a/c", "a/b2", "c/d/e"] {
        assert_absent(files.size(&object(name)).await);
        assert_absent(files.read(&object(name), 0, 0).await);
        assert_absent(files.open(&object(name)).await);
    }
}

async fn names_are_checked(files: &dyn FileStore) {
    let long = "a".repeat(129);
    let deep = ["a"; 9].join("/");
    let bad = [
        "",
        "/",
        "/etc/passwd",
        "..",
        "../a",
        "a/../b",
        "a//b",
        "a/",
        ".",
        "a/.",
        ".hidden",
        "a/.b",
        "a\\b",
        "a b",
        "a\0",
        "ä",
        "a~",
        "a\n",
        "C:",
        &long,
        &deep,
    ];
    for name in bad {
        let name = object(name);
        let is_refused = |error: Option<FileError>| matches!(error, Some(FileError::Malformed(_)));
        assert!(is_refused(files.create(&name).await.err()), "{name:?}");
        assert!(is_refused(files.append(&name, Bytes::new()).await.err()), "{name:?}");
        assert!(is_refused(files.read(&name, 0, 0).await.err()), "{name:?}");
        assert!(is_refused(files.open(&name).await.err()), "{name:?}");
        assert!(is_refused(files.size(&name).await.err()), "{name:?}");
        assert!(is_refused(files.delete(&name).await.err()), "{name:?}");
    }
    let good = ["x", "A-1_b.json", "0192f0c1-7b1e-7000-8000-000000000000/12/srt", &deep[2..], &long[1..]];
    for name in good {
        put(files, name, name.as_bytes()).await;
    }
    for name in good {
        assert_eq!(get_all(files, name).await, name.as_bytes());
    }
}

async fn a_log_grows_by_lines(files: &dyn FileStore) {
    append(files, "s/log", "one\n").await.expect("append");
    assert_eq!(get_all(files, "s/log").await, b"one\n");
    append(files, "s/log", "two\nthree\n").await.expect("append");
    append(files, "s/log", "").await.expect("nothing is nothing");
    assert_eq!(get_all(files, "s/log").await, b"one\ntwo\nthree\n");
    assert_eq!(get(files, "s/log", 4, 3).await.expect("read"), b"two");
    assert_eq!(names(files).await, ["s/log"]);
    assert_absent(files.open(&object("s/log")).await);
    files.delete(&object("s/log")).await.expect("delete");
    assert_absent(files.size(&object("s/log")).await);
}

async fn half_a_line_is_refused(files: &dyn FileStore) {
    let refused = append(files, "log", "one\ntw").await;
    assert!(matches!(refused, Err(FileError::Malformed(_))));
    assert_absent(files.size(&object("log")).await);
}

async fn a_decoder_can_seek(files: &dyn FileStore) {
    let content = content(100_000);
    put(files, "media", &content).await;
    let mut reader = files.open(&object("media")).await.expect("open");
    let decoder = tokio::task::spawn_blocking(move || {
        let mut read = [0; 100];
        reader.seek(SeekFrom::Start(70_000)).expect("seek");
        reader.read_exact(&mut read).expect("read");
        assert_eq!(reader.seek(SeekFrom::End(0)).expect("seek"), 100_000);
        assert_eq!(reader.read(&mut [0; 1]).expect("the end"), 0);
        assert!(reader.seek(SeekFrom::Current(-100_001)).is_err(), "before the beginning");
        read
    });
    assert_eq!(decoder.await.expect("a decoder"), content[70_000..70_100]);
}

async fn deleting_is_repeatable(files: &dyn FileStore) {
    put(files, "job/1/json", b"x").await;
    put(files, "job/1/srt", b"y").await;
    for _ in 0..2 {
        files.delete(&object("job/1/json")).await.expect("absent is well");
        assert_absent(files.size(&object("job/1/json")).await);
    }
    assert_eq!(get_all(files, "job/1/srt").await, b"y");
    files.delete(&object("never/was")).await.expect("absent is well");
}

async fn a_list_is_in_order_and_complete(files: &dyn FileStore) {
    // `-` and `.` sort before `/`, digits and letters after it.
    let mut expected = ["b", "a/x", "a/b/c", "a-b/x", "a.txt", "a0", "a/x-log", "a/x.y", "c/d/e/f", "a/b0"];
    for name in expected {
        match name.ends_with("log") {
            true => append(files, name, "line\n").await.expect("append"),
            false => drop(put(files, name, b"x").await),
        }
    }
    expected.sort_unstable();
    assert_eq!(names(files).await, expected);
    for limit in 1..=expected.len() as u32 + 1 {
        let mut seen: Vec<StorageRef> = Vec::new();
        loop {
            let page = files.list(seen.last(), limit, 0).await.expect("list");
            assert!(page.len() <= limit as usize);
            if page.is_empty() {
                break;
            }
            seen.extend(page);
        }
        assert_eq!(seen, expected.map(object), "pages of {limit}");
    }
    let after_gone = files.list(Some(&object("a/b/zzz")), 1, 0).await.expect("list");
    assert_eq!(after_gone, [object("a/b0")], "the place need not exist");
}

async fn young_objects_are_not_listed(files: &dyn FileStore) {
    put(files, "young", b"x").await;
    append(files, "log", "x\n").await.expect("append");
    assert_eq!(files.list(None, 10, 3600).await.expect("list"), []);
    assert_eq!(names(files).await, ["log", "young"]);
}

async fn writers_and_deletes_of_neighbours_do_not_meet(files: &dyn FileStore) {
    // Deletes take the empty folder away that the writers are about to use.
    let work = (0..8).map(|worker| async move {
        for round in 0..20 {
            let name = format!("job/1/{worker}");
            put(files, &name, name.as_bytes()).await;
            assert_eq!(get_all(files, &name).await, name.as_bytes());
            files.delete(&object(&name)).await.expect("delete");
            let log = format!("job/2/log-{worker}-{round}");
            files.append(&object(&log), Bytes::from_static(b"line\n")).await.expect("append");
            files.delete(&object(&log)).await.expect("delete");
        }
    });
    join_all(work).await;
    assert_eq!(names(files).await, [""; 0]);
}

fn entries(folder: &Path) -> Vec<String> {
    let entries = std::fs::read_dir(folder).expect("folder");
    entries.map(|entry| entry.expect("entry").file_name().into_string().expect("name")).collect()
}

#[tokio::test]
async fn a_torn_line_is_not_read_and_cut_by_the_next() {
    let (folder, files) = local().await;
    append(&*files, "s/log", "one\n").await.expect("append");
    let path = folder.path().join("content/objects/s/log~");
    for torn in ["t".to_owned(), "w".repeat(10_000), "two\n{\"te".to_owned()] {
        let before = get_all(&*files, "s/log").await;
        let mut bytes = before.clone();
        bytes.extend_from_slice(torn.as_bytes());
        std::fs::write(&path, &bytes).expect("what a crash leaves");
        let whole = bytes.iter().rposition(|byte| *byte == b'\n').expect("a line") + 1;
        bytes.truncate(whole);
        assert_eq!(get_all(&*files, "s/log").await, bytes);
        assert!(get(&*files, "s/log", 0, whole as u64 + 1).await.is_err());
        append(&*files, "s/log", "next\n").await.expect("append");
        bytes.extend_from_slice(b"next\n");
        assert_eq!(std::fs::read(&path).expect("log"), bytes);
    }
    std::fs::write(folder.path().join("content/objects/s/first~"), "torn").expect("what a crash leaves");
    assert_eq!(get_all(&*files, "s/first").await, b"");
    append(&*files, "s/first", "line\n").await.expect("append");
    assert_eq!(get_all(&*files, "s/first").await, b"line\n");
}

#[tokio::test]
async fn only_the_owner_can_read_the_files() {
    let (folder, files) = local().await;
    put(&*files, "job/1/json", b"x").await;
    append(&*files, "job/1/log", "x\n").await.expect("append");
    let mode = |path: &str| {
        let metadata = std::fs::metadata(folder.path().join("content").join(path)).expect("metadata");
        metadata.permissions().mode() & 0o777
    };
    for path in ["", "tmp", "objects", "objects/job", "objects/job/1"] {
        assert_eq!(mode(path), 0o700, "{path}");
    }
    for path in ["objects/job/1/json", "objects/job/1/log~"] {
        assert_eq!(mode(path), 0o600, "{path}");
    }
}

#[tokio::test]
async fn empty_folders_go_with_their_last_object() {
    let (folder, files) = local().await;
    put(&*files, "job/1/json", b"x").await;
    put(&*files, "job/2/json", b"x").await;
    files.delete(&object("job/1/json")).await.expect("delete");
    assert_eq!(entries(&folder.path().join("content/objects/job")), ["2"]);
    files.delete(&object("job/2/json")).await.expect("delete");
    assert_eq!(entries(&folder.path().join("content/objects")), [""; 0]);
}

#[tokio::test]
async fn the_sweep_removes_what_a_crash_left_unfinished() {
    let (folder, files) = local().await;
    let tmp = folder.path().join("content/tmp");
    let mut writer = files.create(&object("being-written")).await.expect("create");
    writer.write(Bytes::from_static(b"half")).await.expect("write");
    let left = tmp.join("left-by-a-crash");
    std::fs::write(&left, "half").expect("file");
    let file = std::fs::File::options().write(true).open(&left).expect("file");
    file.set_modified(std::time::UNIX_EPOCH).expect("an old date");
    assert_eq!(entries(&tmp).len(), 2);
    files.list(None, 10, 3600).await.expect("list");
    assert_eq!(entries(&tmp).len(), 1);
    writer.finish().await.expect("the young one goes on");
    assert_eq!(get_all(&*files, "being-written").await, b"half");
    assert_eq!(entries(&tmp), [""; 0]);
}

#[tokio::test]
async fn a_dropped_writer_removes_its_file() {
    let (folder, files) = local().await;
    let mut writer = files.create(&object("a")).await.expect("create");
    writer.write(Bytes::from_static(b"half")).await.expect("write");
    // One that is dropped in the middle of a write, too.
    let mut busy = files.create(&object("b")).await.expect("create");
    drop(futures_util::poll!(busy.write(Bytes::from(vec![0; 10_000_000]))));
    drop((writer, busy));
    let tmp = folder.path().join("content/tmp");
    let removed = async {
        while !entries(&tmp).is_empty() {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(Duration::from_secs(30), removed).await.expect("removed in the background");
}

#[tokio::test]
async fn a_full_disk_is_unavailable_and_loses_no_line() {
    let (folder, files) = local().await;
    append(&*files, "log", "one\n").await.expect("append");
    // Every write to this device answers ENOSPC.
    std::os::unix::fs::symlink("/dev/full", folder.path().join("content/objects/full~")).expect("link");
    let refused = append(&*files, "full", "line\n").await;
    assert!(matches!(refused, Err(FileError::Unavailable(_))), "{refused:?}");
    assert_eq!(get_all(&*files, "log").await, b"one\n");
}

#[tokio::test]
async fn a_failed_finish_leaves_nothing() {
    let (folder, files) = local().await;
    put(&*files, "a", b"x").await;
    let writer = files.create(&object("a/b")).await.expect("create");
    let refused = writer.finish().await;
    assert!(matches!(refused, Err(FileError::Unavailable(_))), "a file is in the folder's place");
    assert_eq!(entries(&folder.path().join("content/tmp")), [""; 0]);
    assert_eq!(names(&*files).await, ["a"]);
}
