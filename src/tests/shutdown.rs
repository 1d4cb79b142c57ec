//! Stopping and starting again: clients are told, work is put back, nothing is left over; one server per data folder.

use crate::app::{TestApp, config};
use crate::client::Client;
use crate::sound::{said, wav};
use sottovoce::app::Running;
use sottovoce_actors::testkit::{Fault, Hold, ScriptedEngine, tone};
use sottovoce_protocol::ids::JobId;
use sottovoce_protocol::jobs::{JobStatus, JobView};
use std::sync::Arc;

const WORDS: [u32; 8] = [5, 6, 7, 8, 9, 10, 11, 12];

#[actix::test]
async fn streams_get_their_last_words_then_1001_and_newcomers_503() {
    let hold = Hold::default();
    let engine = ScriptedEngine::new().with_live_cost(0.001).with_fault(0, Fault::Hold(hold.clone()));
    let app = TestApp::with_engine(&[("live__drain_timeout_ms", "10000")], engine).await;
    let mut speaker = Client::listen(&app, "").await;
    let mut reader = Client::open(&app, "/ws").await;
    reader.text(&format!(r#"{{"op":"subscribe","job":"{}"}}"#, speaker.job())).await;
    reader.next().await;
    // The engine works on the words while the server is told to stop.
    speaker.pour(&said(&WORDS)).await;
    let waiting = hold.clone();
    tokio::task::spawn_blocking(move || waiting.wait_for_held(1)).await.expect("held");

    let (url, http, key) =
        (app.url("/v1/listen?encoding=linear16&sample_rate=16000"), app.http.clone(), app.key.clone());
    let stopping = actix::spawn(app.stop());
    // Status sockets have nothing to wait for.
    let told = reader.ending().await;
    assert_eq!(told.code(), Some(1001));
    let refused = http
        .get(&url)
        .bearer_auth(&key)
        .header("connection", "upgrade")
        .header("upgrade", "websocket")
        .header("sec-websocket-version", "13")
        .header("sec-websocket-key", "dGhlIHNhbXBsZSBub25jZQ==")
        .send()
        .await
        .expect("an answer while stopping");
    assert_eq!(refused.status(), 503);
    assert!(refused.headers().contains_key("retry-after") && refused.headers().contains_key("dg-error"));
    let ready =
        http.get(url.replace("/v1/listen?encoding=linear16&sample_rate=16000", "/readyz")).send().await;
    assert_eq!(ready.expect("an answer").status(), 503);

    hold.release();
    let ending = speaker.ending().await;
    assert_eq!((ending.words(0), ending.code()), (tone::caption(&WORDS), Some(1001)));
    let (in_time, data) = stopping.await.expect("stopped");
    assert!(in_time);
    drop(data);
}

#[actix::test]
async fn a_job_under_way_goes_back_to_the_queue_and_is_done_after_the_restart() {
    let hold = Hold::default();
    let engine = ScriptedEngine::new().with_fault(0, Fault::Hold(hold.clone()));
    let app = TestApp::with_engine(&[("live__drain_timeout_ms", "500")], engine).await;
    let id: JobId = app.submit(wav(&WORDS)).await.json::<JobView>().await.expect("a job").id;
    let waiting = hold.clone();
    tokio::task::spawn_blocking(move || waiting.wait_for_held(1)).await.expect("held");
    let key = app.key.clone();
    let stopping = actix::spawn(app.stop());
    tokio::task::spawn_blocking(move || hold.release()).await.expect("released");
    let (_, data) = stopping.await.expect("stopped");

    let app = TestApp::on(data, &[], ScriptedEngine::new()).await.signed_in(key);
    let row = app.ended_job(id).await;
    assert_eq!(row.status, JobStatus::Done);
    assert_eq!(app.kept_words(id).await, tone::caption(&WORDS));
    app.finish().await;
}

#[actix::test]
async fn one_data_folder_has_one_server() {
    let app = TestApp::start().await;
    let again = config(app.data_dir(), &[]);
    let Err(refused) = Running::start(&again, Arc::new(ScriptedEngine::new())).await else {
        panic!("a second server started on the same data")
    };
    assert!(refused.to_string().contains("another"), "{refused}");
    let mut client = Client::listen(&app, "").await;
    client.pour(&said(&WORDS)).await;
    client.close_stream().await;
    assert_eq!(client.ending().await.words(0), tone::caption(&WORDS), "the first is not disturbed");
    app.finish().await;
}

#[actix::test]
async fn spoken_words_are_in_no_database_and_no_object_is_left_over() {
    let app = TestApp::start().await;
    // A word that stands nowhere else: no id, no name, no message holds it.
    let words = [7_777 % 97, 11, 12, 13];
    let mut client = Client::listen(&app, "&interim_results=true").await;
    client.pour(&said(&words)).await;
    client.close_stream().await;
    let job = client.job();
    client.ending().await;
    app.ended_job(job).await;
    let file: JobId = app.submit(wav(&words)).await.json::<JobView>().await.expect("a job").id;
    app.ended_job(file).await;
    let text = tone::caption(&words);
    assert_eq!(app.kept_words(job).await, text);
    assert_eq!(app.kept_words(file).await, text);
    app.idle().await;
    let (in_time, data) = app.stop().await;
    assert!(in_time);

    let mut seen = 0;
    for entry in std::fs::read_dir(data.path()).expect("readable") {
        let path = entry.expect("readable").path();
        let name = path.file_name().expect("a name").to_string_lossy().into_owned();
        if !name.starts_with("sottovoce.db") {
            continue;
        }
        seen += 1;
        let bytes = std::fs::read(&path).expect("readable");
        for needle in [text.as_bytes(), b"w11 w12"] {
            assert!(!bytes.windows(needle.len()).any(|window| window == needle), "{name} holds a transcript");
        }
    }
    assert!(seen > 0, "the database is where it was looked for");
    assert_eq!(crate::app::orphans(data.path()).await, []);
}
