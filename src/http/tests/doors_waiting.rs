//! What happens while a request waits for its transcript: time, places, clients that go, a server that stops.

use super::{World, wav};
use actix_web::test;
use reqwest::Method;
use serde_json::{Value, json};
use sottovoce_actors::testkit::{Fault, Hold, ScriptedEngine};
use sottovoce_protocol::error_code::ErrorCode;
use sottovoce_protocol::jobs::JobStatus;
use std::time::Duration;
use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;

/// An engine that holds its first call back.
fn holding() -> (ScriptedEngine, Hold) {
    let hold = Hold::default();
    (ScriptedEngine::new().with_fault(0, Fault::Hold(hold.clone())), hold)
}

async fn held(hold: &Hold) {
    let hold = hold.clone();
    tokio::task::spawn_blocking(move || hold.wait_for_held(1)).await.unwrap();
}

/// Returns the account's jobs.
async fn jobs(world: &World) -> Vec<Value> {
    let page: Value = world.get("/saas/jobs").await.json().await.unwrap();
    page["items"].as_array().unwrap().clone()
}

/// Waits until the one job of the account was cancelled or is gone: it is deleted soon after it has stopped.
async fn job_is_cancelled(world: &World) {
    for _ in 0..2_000 {
        match &jobs(world).await[..] {
            [] => return,
            [job] if job["status"] == JobStatus::Failed.as_str() => {
                assert_eq!(job["error_code"], ErrorCode::Canceled.as_str());
                assert_eq!(job["artifacts"], json!([]));
                return;
            }
            _ => {}
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    panic!("not cancelled: {:?}", jobs(world).await);
}

#[test]
async fn a_transcript_that_is_not_ready_in_time_is_given_up() {
    let (engine, hold) = holding();
    let world = World::start_with(engine, |config| config.doors.answer_timeout_ms = 300).await;
    let response = world.request(Method::POST, "/v1/listen").body(wav(&[1])).send().await.unwrap();
    assert_eq!(response.status(), 504);
    assert_eq!(response.headers()["x-should-retry"], "false");
    assert_eq!(response.json::<Value>().await.unwrap()["err_code"], "TIMED_OUT");
    hold.release();
    job_is_cancelled(&world).await;
    world.stop().await;
}

#[test]
async fn a_client_that_goes_away_takes_its_job_along() {
    let (engine, hold) = holding();
    let world = World::start_with(engine, |config| config.doors.look_ms = 20).await;
    let address = world.running.address();
    let mut socket = TcpStream::connect(address).await.unwrap();
    let file = wav(&[1]);
    let head = format!(
        "POST /v1/listen HTTP/1.1\r\nhost: {address}\r\nauthorization: Token {}\r\ncontent-length: {}\r\n\r\n",
        world.key,
        file.len()
    );
    socket.write_all(head.as_bytes()).await.unwrap();
    socket.write_all(&file).await.unwrap();
    held(&hold).await;
    let job = &jobs(&world).await[0];
    assert_eq!(job["status"], "processing");
    drop(socket);
    job_is_cancelled(&world).await;
    hold.release();
    world.objects_become(0).await;
    world.stop().await;
}

#[test]
async fn so_many_requests_wait_and_no_more() {
    let (engine, hold) = holding();
    let world = World::start_with(engine, |config| config.doors.waiting_per_account = 1).await;
    let first = world.request(Method::POST, "/v1/listen").body(wav(&[1])).send();
    let second = async {
        held(&hold).await;
        let second =
            world.request(Method::POST, "/v1/audio/translations").body(wav(&[2])).send().await.unwrap();
        let other = world.make_key("other@example.test").await;
        let other = world.client.post(format!("{}/v1/listen", world.base)).bearer_auth(other).body(wav(&[3]));
        assert_eq!(other.send().await.unwrap().status(), 200, "places are an account's own");
        hold.release();
        second
    };
    let (first, second) = futures_util::future::join(first, second).await;
    assert_eq!(second.status(), 429);
    assert!(second.headers().contains_key("retry-after"));
    assert_eq!(second.json::<Value>().await.unwrap()["error"]["code"], "rate_limit_exceeded");
    assert_eq!(first.unwrap().status(), 200);
    let again = world.request(Method::POST, "/v1/listen").body(wav(&[4])).send().await.unwrap();
    assert_eq!(again.status(), 200, "the place was given back");
    world.stop().await;
}

#[test]
async fn who_waits_goes_before_what_was_submitted_at_leisure() {
    let (engine, hold) = holding();
    let world = World::start_with(engine.clone(), |config| config.jobs.concurrency = 1).await;
    for word in [1, 2, 3] {
        world.submit(wav(&[word])).await;
    }
    held(&hold).await;
    let waiting = world.request(Method::POST, "/v1/listen").body(wav(&[9])).send();
    let release = async {
        while jobs(&world).await.len() < 4 {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        hold.release();
    };
    let (answer, ()) = futures_util::future::join(waiting, release).await;
    assert_eq!(answer.unwrap().status(), 200);
    let order: Vec<String> =
        engine.calls().into_iter().map(|call| call.text).filter(|text| !text.is_empty()).collect();
    let at = |text: &str| order.iter().position(|heard| heard == text);
    assert!(at("w9") < at("w2").or(Some(usize::MAX)), "{order:?}");
    world.stop().await;
}

#[test]
async fn an_operator_may_keep_the_jobs() {
    let world = World::start_with(ScriptedEngine::new(), |config| config.doors.keep_jobs = true).await;
    let response = world.request(Method::POST, "/v1/listen").body(wav(&[5])).send().await.unwrap();
    let id = response.headers()["dg-request-id"].to_str().unwrap().to_owned();
    assert_eq!(response.status(), 200);
    assert_eq!(world.ended(&id).await["status"], "done");
    let text = world.get(&format!("/saas/jobs/{id}/artifacts/transcript")).await.text().await.unwrap();
    assert_eq!(text, "w5\n");
    world.stop().await;
}

#[test]
async fn a_server_that_stops_tells_who_waits() {
    let (engine, hold) = holding();
    let world = World::start_with(engine, |config| {
        config.doors.look_ms = 20;
        config.live.drain_timeout_ms = 1_000;
    })
    .await;
    let World { running, client, base, key, .. } = world;
    let waiting = client.post(format!("{base}/v1/audio/transcriptions")).bearer_auth(key);
    let form = reqwest::multipart::Form::new();
    let form = form.part("file", reqwest::multipart::Part::bytes(wav(&[1])).file_name("a.wav"));
    let stopping = async {
        held(&hold).await;
        running.stop().await;
    };
    let answer = async {
        let answer = waiting.multipart(form).send().await.unwrap();
        hold.release();
        answer
    };
    let (answer, ()) = futures_util::future::join(answer, stopping).await;
    assert_eq!(answer.status(), 503);
    assert!(answer.headers().contains_key("retry-after"));
    assert_eq!(answer.json::<Value>().await.unwrap()["error"]["code"], "shutting_down");
}
