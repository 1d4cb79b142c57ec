//! `kill -9` of a working server: nothing that a client was shown is lost, and every job ends exactly once.

use super::binary::{Server, recording};
use super::client::BackEnd;
use super::text::words;
use std::collections::BTreeSet;

#[tokio::test]
async fn finals_that_a_client_saw_are_in_the_artifacts_after_a_crash() {
    let server = Server::start();
    let back_end = BackEnd::of(&server);
    let mut stream = back_end.listen(&recording("test-speech/two_cities.wav")).await;
    let mut seen = Vec::new();
    for _ in 0..3 {
        seen.extend(words(&stream.next_final().await.expect("the stream runs")));
    }
    let data = server.kill();

    let server = Server::start_on(data);
    assert!(server.greeting.is_empty(), "the first key is made once: {:?}", server.greeting);
    let back_end = back_end.moved_to(&server);
    let job = back_end.ended(&stream.id).await;
    assert_eq!(job["type"], "stream", "{job}");
    let kept = words(&back_end.artifact(&stream.id, "transcript").await);
    assert!(kept.starts_with(&seen), "seen: {seen:?}\nkept: {kept:?}");
}

#[tokio::test]
async fn queued_jobs_end_once_each_after_a_crash() {
    const JOBS: usize = 20;
    let server = Server::start();
    let back_end = BackEnd::of(&server);
    let mut ids = Vec::new();
    for _ in 0..JOBS {
        ids.push(back_end.submit(&recording("sample-speech/beckett.wav")).await);
    }
    // Some are done, some run, most wait.
    back_end.ended(&ids[0]).await;
    let data = server.kill();

    let server = Server::start_on(data);
    let back_end = back_end.moved_to(&server);
    let mut transcripts = BTreeSet::new();
    for id in &ids {
        let job = back_end.ended(id).await;
        assert_eq!(job["status"], "done", "{job}");
        let artifacts = job["artifacts"].as_array().expect("artifacts");
        let kinds: BTreeSet<&str> =
            artifacts.iter().filter_map(|artifact| artifact["kind"].as_str()).collect();
        assert_eq!(kinds.len(), artifacts.len(), "an artifact twice: {job}");
        assert!(kinds.is_superset(&BTreeSet::from(["json", "srt", "transcript"])), "{job}");
        transcripts.insert(back_end.artifact(id, "transcript").await);
    }
    assert_eq!(transcripts.len(), 1, "one file, one transcript: {transcripts:?}");
    assert!(words(transcripts.first().expect("one")).starts_with(&words("ever tried ever failed")));
}
