//! `kill -9` at any moment: jobs run again and end once, streams keep what their client saw, no file is left over.

use super::binary::{Server, recording};
use futures_util::{SinkExt, StreamExt};
use reqwest::{Client, multipart};
use serde_json::Value;
use std::collections::BTreeSet;
use std::path::Path;
use std::time::Duration;
use tokio_tungstenite::connect_async;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::client::IntoClientRequest;

const JOBS: usize = 20;
/// Kinds of artifact that a transcription leaves.
const KINDS: usize = 4;

struct Api {
    client: Client,
    key: String,
}

impl Api {
    async fn get(&self, server: &Server, path: &str) -> Value {
        let request = self.client.get(format!("{}{path}", server.url)).bearer_auth(&self.key);
        request.send().await.expect("answered").json().await.expect("JSON")
    }

    async fn submit(&self, server: &Server, file: &[u8], key: usize) -> String {
        let form = multipart::Form::new()
            .text("params", r#"{"type":"transcription","language":"en"}"#)
            .part("file", multipart::Part::bytes(file.to_vec()).file_name("talk.wav"));
        let request = self.client.post(format!("{}/saas/jobs", server.url)).bearer_auth(&self.key);
        let request = request.header("idempotency-key", format!("crash {key}")).multipart(form);
        let response = request.send().await.expect("answered");
        assert_eq!(response.status(), 201);
        let job: Value = response.json().await.expect("JSON");
        job["id"].as_str().expect("an id").to_owned()
    }

    async fn jobs(&self, server: &Server) -> Vec<Value> {
        let page = self.get(server, "/saas/jobs?limit=100").await;
        page["items"].as_array().expect("items").clone()
    }

    /// Waits until at least so many jobs have ended.
    async fn ended(&self, server: &Server, count: usize) -> Vec<Value> {
        loop {
            let jobs = self.jobs(server).await;
            let ended = |job: &&Value| job["status"] == "done" || job["status"] == "failed";
            if jobs.iter().filter(ended).count() >= count {
                return jobs;
            }
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    }
}

fn files(folder: &Path) -> usize {
    let Ok(entries) = std::fs::read_dir(folder) else { return 0 };
    entries.flatten().map(|entry| if entry.path().is_dir() { files(&entry.path()) } else { 1 }).sum()
}

#[actix_web::test]
async fn twenty_queued_jobs_survive_three_kills_and_end_once() {
    let file = std::fs::read(recording("sample-speech/beckett.wav")).expect("read");
    let mut server = Server::start();
    let api = Api { client: Client::new(), key: server.new_key() };
    let mut submitted = BTreeSet::new();
    for number in 0..JOBS {
        submitted.insert(api.submit(&server, &file, number).await);
    }
    assert_eq!(submitted.len(), JOBS);
    for ended in [1, 5, 11] {
        api.ended(&server, ended).await;
        server = Server::start_on(server.kill());
        // A client that got no answer before the kill sends again: no second job.
        assert!(submitted.contains(&api.submit(&server, &file, 0).await));
    }
    let jobs = api.ended(&server, JOBS).await;
    let seen: BTreeSet<String> =
        jobs.iter().map(|job| job["id"].as_str().expect("an id").to_owned()).collect();
    assert_eq!((jobs.len(), seen), (JOBS, submitted));
    let mut texts = BTreeSet::new();
    for job in &jobs {
        assert_eq!(job["status"], "done", "{job}");
        let kinds: BTreeSet<&str> = job["artifacts"]
            .as_array()
            .expect("artifacts")
            .iter()
            .map(|artifact| artifact["kind"].as_str().expect("a kind"))
            .collect();
        assert_eq!((kinds.len(), job["artifacts"].as_array().map(Vec::len)), (KINDS, Some(KINDS)));
        let id = job["id"].as_str().expect("an id");
        let transcript = api.get(&server, &format!("/saas/jobs/{id}/artifacts/json")).await;
        texts.insert(transcript["text"].as_str().expect("a text").to_owned());
    }
    assert_eq!(texts.len(), 1, "the same file gives the same text: {texts:?}");
    assert!(texts.first().is_some_and(|text| text.contains("No matter")), "{texts:?}");

    // Uploads are deleted a moment after their jobs; what is left is the artifacts and nothing else.
    let objects = server.data_dir().join("objects");
    for _ in 0..600 {
        if files(&objects) == JOBS * KINDS {
            break;
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    assert_eq!(files(&objects), JOBS * KINDS);
    assert!(server.interrupt().success());
}

#[actix_web::test]
async fn a_killed_stream_keeps_every_final_that_its_client_saw() {
    let file = std::fs::read(recording("sample-speech/beckett.wav")).expect("read");
    let server = Server::start();
    let api = Api { client: Client::new(), key: server.new_key() };
    let address = server.url.replace("http://", "ws://");
    let query = "encoding=linear16&sample_rate=16000&channels=1";
    let mut request = format!("{address}/v1/listen?{query}").into_client_request().expect("a request");
    let authorization = format!("Token {}", api.key).parse().expect("a header");
    request.headers_mut().insert("authorization", authorization);
    let (mut socket, response) = connect_async(request).await.expect("accepted");
    let id = response.headers()["dg-request-id"].to_str().expect("text").to_owned();

    // Twice the recording, so that words are still to come when the server dies.
    for chunk in file[44..].chunks(16_000).chain(file[44..].chunks(16_000)) {
        socket.send(Message::Binary(chunk.to_vec().into())).await.expect("sent");
    }
    let mut finals: Vec<String> = Vec::new();
    while finals.len() < 2 {
        let message = socket.next().await.expect("more to come").expect("a message");
        let Message::Text(text) = message else { continue };
        let result: Value = serde_json::from_str(&text).expect("JSON");
        let transcript = result["channel"]["alternatives"][0]["transcript"].as_str().unwrap_or_default();
        if result["is_final"] == true && !transcript.is_empty() {
            finals.push(transcript.to_owned());
        }
    }
    let server = Server::start_on(server.kill());
    api.ended(&server, 1).await;
    let job = api.get(&server, &format!("/saas/jobs/{id}")).await;
    assert_eq!((job["status"].as_str(), job["error_code"].as_str()), (Some("failed"), Some("lease_expired")), "{job}");
    let transcript = api.get(&server, &format!("/saas/jobs/{id}/artifacts/json")).await;
    let kept: Vec<&str> = transcript["segments"]
        .as_array()
        .expect("segments")
        .iter()
        .map(|segment| segment["text"].as_str().expect("a text"))
        .collect();
    assert!(kept.len() >= finals.len(), "{kept:?} of {finals:?}");
    assert_eq!(kept[..finals.len()], finals);
    assert!(server.interrupt().success());
}
