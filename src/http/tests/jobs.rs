//! List, show, delete; one owner never learns of another's jobs.

use super::{World, assert_problem, wav};
use actix_web::test;
use reqwest::Method;
use serde_json::Value;
use sottovoce_actors::testkit::{Fault, Hold, ScriptedEngine};
use std::collections::BTreeSet;

#[test]
async fn a_file_in_is_a_transcript_out() {
    let world = World::start().await;
    let job = world.submit(wav(&[1, 2, 3])).await;
    assert_eq!((job["type"].as_str(), job["status"].as_str()), (Some("transcription"), Some("queued")));
    let id = job["id"].as_str().unwrap();
    let job = world.ended(id).await;
    assert_eq!((job["status"].as_str(), job["progress"].as_u64()), (Some("done"), Some(100)), "{job}");
    assert_eq!(job["file_name"], "Gespräch 1.wav");
    assert_eq!(job["duration_seconds"], 1.8);
    let kinds: BTreeSet<&str> = job["artifacts"]
        .as_array()
        .unwrap()
        .iter()
        .map(|artifact| artifact["kind"].as_str().unwrap())
        .collect();
    assert_eq!(kinds, BTreeSet::from(["json", "srt", "transcript", "vtt"]));
    let text = world.get(&format!("/saas/jobs/{id}/artifacts/transcript")).await.text().await.unwrap();
    assert_eq!(text, "w1 w2 w3\n");
    // The upload is garbage once the job has ended; the four artifacts stay.
    world.stop().await;
}

#[test]
async fn pages_go_through_all_jobs_even_while_some_are_deleted() {
    let world = World::start().await;
    let mut submitted = Vec::new();
    for word in 0..5 {
        let job = world.submit(wav(&[word])).await;
        submitted.push(job["id"].as_str().unwrap().to_owned());
    }
    for id in &submitted {
        world.ended(id).await;
    }
    let mut listed = Vec::new();
    let mut path = "/saas/jobs?limit=2&status=done".to_owned();
    loop {
        let page: Value = world.get(&path).await.json().await.unwrap();
        let items = page["items"].as_array().unwrap();
        listed.extend(items.iter().map(|job| job["id"].as_str().unwrap().to_owned()));
        // The last one seen is deleted: the next page must neither skip nor repeat.
        assert_eq!(world.delete(&format!("/saas/jobs/{}", listed.last().unwrap())).await, 204);
        match page["next_cursor"].as_str() {
            Some(cursor) => path = format!("/saas/jobs?limit=2&status=done&cursor={cursor}"),
            None => break,
        }
    }
    submitted.reverse();
    assert_eq!(listed, submitted);
    let page: Value = world.get("/saas/jobs").await.json().await.unwrap();
    assert_eq!(page["items"].as_array().unwrap().len(), 2);
    world.stop().await;
}

#[test]
async fn a_cursor_is_refused_when_altered_or_moved_to_another_list() {
    let world = World::start().await;
    for word in 0..2 {
        world.submit(wav(&[word])).await;
    }
    let page: Value = world.get("/saas/jobs?limit=1").await.json().await.unwrap();
    let cursor = page["next_cursor"].as_str().unwrap();
    assert_eq!(world.get(&format!("/saas/jobs?cursor={cursor}")).await.status(), 200);
    let mut altered = cursor.to_owned();
    altered.replace_range(0..1, if cursor.starts_with('A') { "B" } else { "A" });
    for path in [
        format!("/saas/jobs?cursor={altered}"),
        format!("/saas/jobs?cursor={cursor}&status=done"),
        format!("/saas/jobs?cursor={cursor}&type=stream"),
        "/saas/jobs?cursor=".to_owned(),
    ] {
        assert_problem(world.get(&path).await, 400, "bad_cursor").await;
    }
    let other = world.make_key("other@example.test").await;
    let stolen = world.client.get(format!("{}/saas/jobs?cursor={cursor}", world.base)).bearer_auth(other);
    assert_problem(stolen.send().await.unwrap(), 400, "bad_cursor").await;
    for limit in ["0", "101", "-1"] {
        assert_problem(world.get(&format!("/saas/jobs?limit={limit}")).await, 400, "bad_request").await;
    }
    world.stop().await;
}

#[test]
async fn an_unchanged_job_is_not_sent_again() {
    let world = World::start().await;
    let id = world.submit(wav(&[1])).await["id"].as_str().unwrap().to_owned();
    world.ended(&id).await;
    let path = format!("/saas/jobs/{id}");
    let etag = world.get(&path).await.headers()["etag"].to_str().unwrap().to_owned();
    for (tag, status) in [(etag.clone(), 304), (format!("\"0\", W/{etag}"), 304), ("\"0\"".into(), 200)] {
        let response = world.request(Method::GET, &path).header("if-none-match", tag).send().await.unwrap();
        assert_eq!(response.status(), status);
    }
    world.stop().await;
}

#[test]
async fn deleting_frees_the_files_and_may_be_repeated() {
    let world = World::start().await;
    let id = world.submit(wav(&[1])).await["id"].as_str().unwrap().to_owned();
    world.ended(&id).await;
    let path = format!("/saas/jobs/{id}");
    assert_eq!(world.delete(&path).await, 204);
    assert_eq!(world.delete(&path).await, 204);
    assert_problem(world.get(&path).await, 404, "not_found").await;
    assert_problem(world.get(&format!("{path}/artifacts/json")).await, 404, "not_found").await;
    world.stop().await;
}

#[test]
async fn a_running_job_is_cancelled_and_a_queued_one_is_gone() {
    let hold = Hold::default();
    let engine = ScriptedEngine::new().with_fault(0, Fault::Hold(hold.clone()));
    let world = World::start_with(engine, |config| config.jobs.concurrency = 1).await;
    let running = world.submit(wav(&[1])).await["id"].as_str().unwrap().to_owned();
    let queued = world.submit(wav(&[2])).await["id"].as_str().unwrap().to_owned();
    let held = hold.clone();
    tokio::task::spawn_blocking(move || held.wait_for_held(1)).await.unwrap();
    assert_eq!(world.delete(&format!("/saas/jobs/{queued}")).await, 204);
    assert_problem(world.get(&format!("/saas/jobs/{queued}")).await, 404, "not_found").await;
    assert_eq!(world.delete(&format!("/saas/jobs/{running}")).await, 202);
    hold.release();
    world.stop().await;
}

#[test]
async fn anothers_job_answers_exactly_like_none() {
    let world = World::start().await;
    let id = world.submit(wav(&[1])).await["id"].as_str().unwrap().to_owned();
    world.ended(&id).await;
    let other = world.make_key("other@example.test").await;
    let absent = "01920000-0000-7000-8000-000000000000";
    let upper = id.to_ascii_uppercase();
    for (method, tail) in [
        (Method::GET, ""),
        (Method::DELETE, ""),
        (Method::GET, "/artifacts/json"),
        (Method::GET, "/artifacts/transcript"),
    ] {
        let mut seen = BTreeSet::new();
        for id in [id.as_str(), absent, "not-an-id", &upper] {
            let url = format!("{}/saas/jobs/{id}{tail}", world.base);
            let response =
                world.client.request(method.clone(), url).bearer_auth(&other).send().await.unwrap();
            let status = response.status().as_u16();
            let names: BTreeSet<String> = response.headers().keys().map(ToString::to_string).collect();
            let mut body: Value = response.json().await.unwrap();
            body["request_id"] = Value::Null;
            seen.insert((status, names, body.to_string()));
        }
        assert_eq!(seen.len(), 1, "{method} {tail}: {seen:?}");
        assert_eq!(seen.first().unwrap().0, 404);
    }
    let page: Value = world
        .client
        .get(format!("{}/saas/jobs", world.base))
        .bearer_auth(&other)
        .send()
        .await
        .unwrap()
        .json()
        .await
        .unwrap();
    assert_eq!(page["items"].as_array().map(Vec::len), Some(0));
    assert_eq!(world.get(&format!("/saas/jobs/{id}")).await.status(), 200, "still there for its owner");
    world.stop().await;
}
