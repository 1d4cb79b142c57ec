//! Submissions: both forms, what is refused, what stays behind (nothing), and repeated ones.

use super::{World, assert_problem, form, wav};
use actix_web::test;
use futures_util::stream;
use reqwest::multipart::{Form, Part};
use reqwest::{Body, Method, RequestBuilder};
use serde_json::Value;
use sottovoce_actors::testkit::{Fault, Hold, ScriptedEngine};
use std::collections::BTreeSet;
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

const PARAMS: &str = r#"{"type":"transcription"}"#;

fn raw(world: &World, params: &str, body: impl Into<Body>) -> RequestBuilder {
    world.request(Method::POST, "/saas/jobs").header("x-sottovoce-params", params).body(body)
}

#[test]
async fn both_forms_are_taken() {
    let world = World::start().await;
    let response = world.upload(wav(&[1])).send().await.unwrap();
    assert_eq!(response.status(), 201);
    let location = response.headers()["location"].to_str().unwrap().to_owned();
    let job: Value = response.json().await.unwrap();
    assert_eq!(location, format!("/saas/jobs/{}", job["id"].as_str().unwrap()));
    assert_eq!(world.get(&location).await.status(), 200);

    let response = raw(&world, PARAMS, wav(&[2])).send().await.unwrap();
    assert_eq!(response.status(), 201);
    let job: Value = response.json().await.unwrap();
    assert_eq!(job["file_name"], Value::Null);
    assert_eq!(world.ended(job["id"].as_str().unwrap()).await["status"], "done");

    for (disposition, name) in [
        ("attachment; filename=\"talk.wav\"", "talk.wav"),
        ("attachment; filename=\"talk.wav\"; filename*=UTF-8''Gespr%C3%A4ch.wav", "Gespräch.wav"),
        ("attachment; filename=\"../../etc/passwd\"", "passwd"),
    ] {
        let alone = world.request(Method::POST, "/saas/jobs").header("content-disposition", disposition);
        let response = alone.header("content-type", "audio/wav").body(wav(&[3])).send().await.unwrap();
        assert_eq!(response.status(), 201);
        let job: Value = response.json().await.unwrap();
        assert_eq!((job["file_name"].as_str(), job["type"].as_str()), (Some(name), Some("transcription")));
    }
    world.stop().await;
}

#[test]
async fn malformed_submissions_are_refused_and_leave_nothing() {
    let world = World::start().await;
    let post = || world.request(Method::POST, "/saas/jobs");
    let file = || Part::bytes(wav(&[1])).file_name("a.wav");
    let wrong_order = Form::new().part("file", file()).text("params", PARAMS);
    let only_params = Form::new().text("params", PARAMS);
    let extra = Form::new().text("params", PARAMS).part("file", file()).text("more", "x");
    let large_params = Form::new().text("params", "x".repeat(20_000)).part("file", file());
    let boundary = "multipart/form-data; boundary=b";
    for request in [
        post().multipart(wrong_order),
        post().multipart(only_params),
        post().multipart(extra),
        post().multipart(large_params),
        post().multipart(form("{}", wav(&[1]))),
        post().multipart(form(r#"{"type":"stream"}"#, wav(&[1]))),
        post().header("content-type", "multipart/mixed; boundary=b").body(wav(&[1])),
        raw(&world, "{", wav(&[1])),
        raw(&world, PARAMS, wav(&[1])).header("content-encoding", "gzip"),
        raw(&world, PARAMS, wav(&[1])).header("idempotency-key", ""),
        raw(&world, PARAMS, wav(&[1])).header("idempotency-key", "k".repeat(256)),
        post().header("content-type", "multipart/form-data").body("x"),
        post().header("content-type", boundary).body("--b\r\n\r\n"),
        post().header("content-type", boundary).body("no part at all"),
        post().header("content-type", boundary).body("--b--\r\n"),
    ] {
        assert_problem(request.send().await.unwrap(), 400, "bad_request").await;
    }
    let unknown = raw(&world, r#"{"type":"transcription","model":"nova-3"}"#, wav(&[1]));
    assert_problem(unknown.send().await.unwrap(), 400, "model_unknown").await;
    let german = raw(&world, r#"{"type":"transcription","language":"de"}"#, wav(&[1]));
    assert_problem(german.send().await.unwrap(), 422, "language_unsupported").await;
    world.objects_become(0).await;
    world.stop().await;
}

#[test]
async fn files_that_are_no_audio_are_refused_at_once_and_leave_nothing() {
    let world = World::start().await;
    for body in [
        b"#EXTM3U\nfile:///etc/passwd".to_vec(),
        b"ffconcat version 1.0".to_vec(),
        b"<?xml version=\"1.0\"?>".to_vec(),
        vec![0; 100_000],
        Vec::new(),
    ] {
        let response = world.upload(body.clone()).send().await.unwrap();
        let status = response.status().as_u16();
        assert!([415, 422].contains(&status), "{status} for {:?}", &body[..body.len().min(20)]);
        let problem: Value = response.json().await.unwrap();
        assert!(problem["code"].as_str().is_some_and(|code| code.starts_with("media_")), "{problem}");
    }
    world.objects_become(0).await;
    world.stop().await;
}

#[test]
async fn an_upload_over_the_limit_is_refused_however_it_is_announced() {
    let limit = 100_000;
    let world = World::start_with(ScriptedEngine::new(), |config| config.limits.upload_bytes = limit).await;
    let announced = raw(&world, PARAMS, vec![0; 200_000]);
    assert_problem(announced.send().await.unwrap(), 413, "too_large").await;
    let chunks = (0..20).map(|_| Ok::<_, std::io::Error>(vec![0u8; 10_000]));
    let unannounced = raw(&world, PARAMS, Body::wrap_stream(stream::iter(chunks)));
    assert_problem(unannounced.send().await.unwrap(), 413, "too_large").await;
    assert_problem(world.upload(vec![0; 100_001]).send().await.unwrap(), 413, "too_large").await;
    let fits = world.upload(wav(&[1])).send().await.unwrap();
    assert_eq!(fits.status(), 201);
    world.ended(fits.json::<Value>().await.unwrap()["id"].as_str().unwrap()).await;
    world.stop().await;
}

/// Sends a request's head and the beginning of its body, then nothing.
async fn half_upload(world: &World) -> TcpStream {
    let address = world.running.address();
    let mut socket = TcpStream::connect(address).await.unwrap();
    let head = format!(
        "POST /saas/jobs HTTP/1.1\r\nhost: {address}\r\nauthorization: Bearer {}\r\n\
         x-sottovoce-params: {PARAMS}\r\ncontent-length: 50000\r\n\r\n",
        world.key
    );
    socket.write_all(head.as_bytes()).await.unwrap();
    socket.write_all(&wav(&[1])[..10_000]).await.unwrap();
    socket.flush().await.unwrap();
    socket
}

#[test]
async fn an_upload_that_stands_still_is_given_up() {
    let world = World::start_with(ScriptedEngine::new(), |config| config.limits.upload_idle_ms = 100).await;
    let mut socket = half_upload(&world).await;
    let mut answer = String::new();
    socket.read_to_string(&mut answer).await.unwrap();
    assert!(answer.starts_with("HTTP/1.1 408 "), "{answer}");
    assert!(answer.contains("upload_too_slow"));
    world.objects_become(0).await;
    world.stop().await;
}

#[test]
async fn a_client_that_goes_away_leaves_nothing() {
    let world = World::start().await;
    let socket = half_upload(&world).await;
    for _ in 0..500 {
        if !world.objects().is_empty() {
            break;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    assert_eq!(world.objects().len(), 1, "the upload is being written");
    drop(socket);
    world.objects_become(0).await;
    world.stop().await;
}

#[test]
async fn a_repeated_submission_answers_the_first_job() {
    let world = World::start().await;
    let keyed = |file| world.upload(file).header("idempotency-key", "order 66");
    let first = keyed(wav(&[1])).send().await.unwrap();
    assert!(!first.headers().contains_key("idempotent-replayed"));
    let first: Value = first.json().await.unwrap();
    world.ended(first["id"].as_str().unwrap()).await;
    let objects = world.objects().len();

    let again = keyed(wav(&[1])).send().await.unwrap();
    assert_eq!(again.status(), 201);
    assert_eq!(again.headers()["idempotent-replayed"], "true");
    let again: Value = again.json().await.unwrap();
    assert_eq!(again["id"], first["id"]);
    world.objects_become(objects).await;

    assert_problem(keyed(wav(&[2])).send().await.unwrap(), 422, "idempotency_mismatch").await;
    let params = r#"{"type":"transcription","language":"en"}"#;
    let other_params = world
        .request(Method::POST, "/saas/jobs")
        .multipart(form(params, wav(&[1])))
        .header("idempotency-key", "order 66");
    assert_problem(other_params.send().await.unwrap(), 422, "idempotency_mismatch").await;
    world.objects_become(objects).await;

    let other = world.make_key("other@example.test").await;
    let others = world
        .client
        .post(format!("{}/saas/jobs", world.base))
        .bearer_auth(other)
        .multipart(form(PARAMS, wav(&[1])))
        .header("idempotency-key", "order 66")
        .send()
        .await
        .unwrap();
    assert!(!others.headers().contains_key("idempotent-replayed"), "keys are the account's own");
    world.stop().await;
}

#[test]
async fn a_race_of_one_key_makes_one_job() {
    let world = World::start().await;
    let sends = (0..10).map(|_| world.upload(wav(&[7])).header("idempotency-key", "once").send());
    let answers = futures_util::future::join_all(sends).await;
    let (mut ids, mut new) = (BTreeSet::new(), 0);
    for answer in answers {
        let answer = answer.unwrap();
        assert_eq!(answer.status(), 201);
        new += usize::from(!answer.headers().contains_key("idempotent-replayed"));
        ids.insert(answer.json::<Value>().await.unwrap()["id"].as_str().unwrap().to_owned());
    }
    assert_eq!((ids.len(), new), (1, 1));
    let page: Value = world.get("/saas/jobs").await.json().await.unwrap();
    assert_eq!(page["items"].as_array().map(Vec::len), Some(1));
    world.stop().await;
}

#[test]
async fn a_full_queue_refuses_and_leaves_nothing() {
    let hold = Hold::default();
    let engine = ScriptedEngine::new().with_fault(0, Fault::Hold(hold.clone()));
    let world = World::start_with(engine, |config| {
        config.limits.queued_jobs_per_account = 1;
        config.jobs.concurrency = 1;
    })
    .await;
    let running = world.submit(wav(&[1])).await;
    let held = hold.clone();
    tokio::task::spawn_blocking(move || held.wait_for_held(1)).await.unwrap();
    let queued = world.submit(wav(&[2])).await;
    let refused = world.upload(wav(&[3])).send().await.unwrap();
    assert!(refused.headers().contains_key("retry-after"));
    assert_problem(refused, 429, "too_many_jobs").await;
    world.objects_become(2).await;
    hold.release();
    for job in [running, queued] {
        assert_eq!(world.ended(job["id"].as_str().unwrap()).await["status"], "done");
    }
    world.stop().await;
}

#[test]
async fn a_client_that_sends_on_reads_the_refusal() {
    let world =
        World::start_with(ScriptedEngine::new(), |config| config.limits.upload_bytes = 1_000_000).await;
    let chunks = (0..640).map(|_| Ok::<_, std::io::Error>(vec![0u8; 64 * 1024]));
    let endless = raw(&world, PARAMS, Body::wrap_stream(stream::iter(chunks)));
    assert_problem(endless.send().await.unwrap(), 413, "too_large").await;
    let stranger = world.client.post(format!("{}/saas/jobs", world.base)).bearer_auth("sv_nobody");
    let stranger = stranger.header("x-sottovoce-params", PARAMS).body(vec![0; 40_000_000]);
    assert_problem(stranger.send().await.unwrap(), 401, "unauthorized").await;
    world.objects_become(0).await;
    world.stop().await;
}
