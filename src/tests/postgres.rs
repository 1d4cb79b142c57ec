//! Servers on PostgreSQL: alone, and several that share one index and one folder of objects.

use crate::app::TestApp;
use crate::sound::wav;
use sottovoce::system::SystemIds;
use sottovoce_actors::ports::clock::Ids;
use sottovoce_actors::testkit::{Fault, Hold, ScriptedEngine, tone};
use sottovoce_protocol::ids::JobId;
use sottovoce_protocol::jobs::{JobStatus, JobView};
use std::process::Command;
use tempfile::TempDir;

const WORDS: [u32; 8] = [5, 6, 7, 8, 9, 10, 11, 12];

/// Returns the URL of an empty index on the server that `make test` starts.
pub fn new_index() -> String {
    const URL: &str = "SOTTOVOCE_TEST_POSTGRES_URL";
    let server =
        std::env::var(URL).unwrap_or_else(|_| panic!("{URL} is not set; run the tests with `make test`"));
    let schema = format!("it_{}", SystemIds.uuid().simple());
    let made = Command::new("psql").arg(&server).args(["-qc", &format!("create schema {schema}")]).status();
    assert!(made.expect("psql").success());
    format!("{server}?options[search_path]={schema}")
}

async fn submitted(app: &TestApp, words: &[u32]) -> JobId {
    let answer = app.submit(wav(words)).await;
    assert_eq!(answer.status(), 201);
    answer.json::<JobView>().await.expect("a job").id
}

#[actix::test]
async fn a_job_is_done_and_there_after_a_restart() {
    let url = new_index();
    let settings = [("storage__url", url.as_str())];
    let app = TestApp::with(&settings).await;
    let id = submitted(&app, &WORDS).await;
    assert_eq!(app.ended_job(id).await.status, JobStatus::Done);
    let key = app.key.clone();
    let (in_time, data) = app.stop().await;
    assert!(in_time);
    let left = std::fs::read_dir(data.path()).expect("readable").flatten().map(|entry| entry.file_name());
    let databases: Vec<_> = left.filter(|name| name.to_string_lossy().contains(".db")).collect();
    assert!(databases.is_empty(), "{databases:?}");

    let app = TestApp::on(data, &settings, ScriptedEngine::new()).await.signed_in(key);
    assert_eq!(app.kept_words(id).await, tone::caption(&WORDS));
    app.finish().await;
}

#[actix::test]
async fn a_neighbour_takes_the_work_of_a_server_that_is_busy_or_leaves() {
    let (url, folder) = (new_index(), TempDir::new().expect("temporary folder"));
    let objects = format!("file:{}", folder.path().join("objects").display());
    let settings = [
        ("storage__url", url.as_str()),
        ("files__url", &objects),
        ("jobs__concurrency", "1"),
        ("jobs__poll_ms", "50"),
        ("live__drain_timeout_ms", "500"),
    ];
    let hold = Hold::default();
    let stuck = ScriptedEngine::new().with_fault(0, Fault::Hold(hold.clone()));
    let busy = TestApp::with_engine(&settings, stuck).await;
    let first = submitted(&busy, &WORDS).await;
    let waiting = hold.clone();
    tokio::task::spawn_blocking(move || waiting.wait_for_held(1)).await.expect("held");

    let free = TestApp::with_engine(&settings, ScriptedEngine::new()).await;
    let second = submitted(&busy, &WORDS[..5]).await;
    assert_eq!(free.ended_job(second).await.status, JobStatus::Done);
    assert_eq!(busy.kept_words(second).await, tone::caption(&WORDS[..5]), "either server shows it");
    assert_eq!(busy.job(first).await.status, JobStatus::Processing, "a living server's lease is its own");

    let stopping = actix::spawn(busy.stop());
    assert_eq!(free.ended_job(first).await.status, JobStatus::Done);
    assert_eq!(free.kept_words(first).await, tone::caption(&WORDS));
    hold.release();
    stopping.await.expect("stopped");
    free.finish().await;
}
