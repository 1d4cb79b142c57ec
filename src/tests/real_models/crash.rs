//! `kill -9` of a working server: nothing that a client was shown is lost, and every job ends exactly once.

use super::binary::{Server, recording};
use super::client::BackEnd;
use super::text::words;
use crate::bucket::Bucket;
use sottovoce::config::{SecretText, StorageConfig};
use sottovoce::storage;
use sottovoce::system::{SystemClock, SystemIds};
use sottovoce_actors::ports::clock::{Clock, Ids};
use sottovoce_actors::ports::store::JobQuery;
use sottovoce_protocol::ids::AccountId;
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::time::Duration;
use tempfile::TempDir;

#[tokio::test]
async fn finals_that_a_client_saw_are_in_the_artifacts_after_a_crash() {
    finals_are_kept(Vec::new()).await;
}

#[tokio::test]
async fn finals_that_a_client_saw_are_in_the_artifacts_after_a_crash_of_a_server_on_a_bucket() {
    let bucket = Bucket::new();
    let settings = bucket.settings().into_iter().map(|(name, value)| match name {
        "files__url" => ("SOTTOVOCE__FILES__URL", value),
        "files__access_key_id" => ("SOTTOVOCE__FILES__ACCESS_KEY_ID", value),
        _ => ("SOTTOVOCE__FILES__SECRET_ACCESS_KEY", value),
    });
    finals_are_kept(settings.collect()).await;
    assert!(bucket.keys().iter().any(|key| key.ends_with("/transcript")), "{:?}", bucket.keys());
}

async fn finals_are_kept(settings: Vec<(&'static str, String)>) {
    let server = Server::start_with(TempDir::new().expect("temporary folder"), settings.clone());
    let back_end = BackEnd::of(&server);
    let mut stream = back_end.listen(&recording("test-speech/two_cities.wav")).await;
    let mut seen = Vec::new();
    for _ in 0..3 {
        seen.extend(words(&stream.next_final().await.expect("the stream runs")));
    }
    let data = server.kill();

    let server = Server::start_with(data, settings);
    assert!(server.greeting.is_empty(), "the first key is made once: {:?}", server.greeting);
    let back_end = back_end.moved_to(&server);
    let job = back_end.ended(&stream.id).await;
    assert_eq!(job["type"], "stream", "{job}");
    let kept = words(&back_end.artifact(&stream.id, "transcript").await);
    assert!(kept.starts_with(&seen), "seen: {seen:?}\nkept: {kept:?}");
}

#[tokio::test]
async fn queued_jobs_end_once_each_after_three_crashes_and_leave_no_orphan() {
    const JOBS: usize = 20;
    let mut server = Server::start();
    let mut back_end = BackEnd::of(&server);
    let mut ids = Vec::new();
    for _ in 0..JOBS {
        ids.push(back_end.submit(&recording("sample-speech/beckett.wav")).await);
    }
    for ended in [0, 4, 10] {
        // Some are done, some run, most wait.
        back_end.ended(&ids[ended]).await;
        server = Server::start_on(server.kill());
        back_end = back_end.moved_to(&server);
    }
    let (mut transcripts, mut artifact_count) = (BTreeSet::new(), 0);
    for id in &ids {
        let job = back_end.ended(id).await;
        assert_eq!(job["status"], "done", "{job}");
        let artifacts = job["artifacts"].as_array().expect("artifacts");
        let kinds: BTreeSet<&str> =
            artifacts.iter().filter_map(|artifact| artifact["kind"].as_str()).collect();
        assert_eq!(kinds.len(), artifacts.len(), "an artifact twice: {job}");
        assert!(kinds.is_superset(&BTreeSet::from(["json", "srt", "transcript"])), "{job}");
        artifact_count += artifacts.len();
        transcripts.insert(back_end.artifact(id, "transcript").await);
    }
    assert_eq!(transcripts.len(), 1, "one file, one transcript: {transcripts:?}");
    assert!(words(transcripts.first().expect("one")).starts_with(&words("ever tried ever failed")));

    // Uploads go a moment after their jobs have ended; what half-written attempts left went at the starts.
    let objects = server.data_dir().join("objects");
    for _ in 0..600 {
        if files(&objects).len() == artifact_count {
            break;
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    assert_eq!(files(&objects).len(), artifact_count, "{:?}", files(&objects));
}

#[tokio::test]
async fn a_killed_servers_jobs_are_finished_by_its_neighbour() {
    const JOBS: usize = 12;
    let folder = TempDir::new().expect("temporary folder");
    let objects = folder.path().join("objects");
    let index = crate::postgres::new_index();
    let settings = vec![
        ("SOTTOVOCE__STORAGE__URL", index.clone()),
        ("SOTTOVOCE__FILES__URL", format!("file:{}", objects.display())),
        ("SOTTOVOCE__JOBS__CONCURRENCY", "2".into()),
        ("SOTTOVOCE__JOBS__POLL_MS", "100".into()),
        ("SOTTOVOCE__JOBS__LEASE_MS", "2000".into()),
        ("SOTTOVOCE__JOBS__HEARTBEAT_MS", "500".into()),
    ];
    let data_dir = || TempDir::new().expect("temporary folder");
    let (doomed, heir) =
        (Server::start_with(data_dir(), settings.clone()), Server::start_with(data_dir(), settings));
    let mut back_end = BackEnd::of(&doomed);
    let mut ids = Vec::new();
    for _ in 0..JOBS {
        ids.push(back_end.submit(&recording("sample-speech/beckett.wav")).await);
    }
    back_end.ended(&ids[0]).await;
    doomed.kill();

    back_end = back_end.moved_to(&heir);
    let (mut transcripts, mut artifact_count) = (BTreeSet::new(), 0);
    for id in &ids {
        let job = back_end.ended(id).await;
        assert_eq!(job["status"], "done", "{job}");
        artifact_count += job["artifacts"].as_array().expect("artifacts").len();
        transcripts.insert(back_end.artifact(id, "transcript").await);
    }
    assert_eq!(transcripts.len(), 1, "one file, one transcript: {transcripts:?}");
    // What the killed server was just writing (`tmp/`) is left to the janitor's daily round: a neighbour cannot tell.
    let whole = objects.join("objects");
    for _ in 0..600 {
        if files(&whole).len() == artifact_count {
            break;
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    assert_eq!(files(&whole).len(), artifact_count, "{:?}", files(&whole));

    let config =
        StorageConfig { url: SecretText::new(index), ..crate::app::config(folder.path(), &[]).storage };
    let index = storage::connect(&config).await.expect("index");
    let (store, identity) = (index.store(), index.identity());
    let nobody = AccountId::from_uuid(SystemIds.uuid());
    let owner =
        identity.ensure_account("someone@example.org", nobody, SystemClock.now()).await.expect("account");
    let all = JobQuery { account: owner, status: None, job_type: None, before: None, limit: 100 };
    let jobs = store.jobs(all).await.expect("listed");
    assert_eq!(jobs.len(), JOBS);
    let inherited = jobs.iter().filter(|job| job.attempt > 1).count();
    assert!((1..=2).contains(&inherited), "the killed server had taken one or two: {inherited}");
}

fn files(folder: &Path) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(folder).expect("a folder").flatten().map(|entry| entry.path());
    entries.flat_map(|path| if path.is_dir() { files(&path) } else { vec![path] }).collect()
}
