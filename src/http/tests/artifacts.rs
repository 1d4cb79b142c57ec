//! Downloads: whole, in part, unchanged, not there.

use super::{World, assert_problem, wav};
use actix_web::test;
use reqwest::Method;
use serde_json::Value;
use sha2::{Digest, Sha256};
use sottovoce_actors::testkit::{Fault, Hold, ScriptedEngine};

async fn done() -> (World, String) {
    let world = World::start().await;
    let id = world.submit(wav(&[1, 2, 3, 4, 5, 6, 7, 8])).await["id"].as_str().unwrap().to_owned();
    assert_eq!(world.ended(&id).await["status"], "done");
    (world, format!("/saas/jobs/{id}/artifacts"))
}

#[test]
async fn every_kind_has_its_type_name_and_tag() {
    let (world, path) = done().await;
    for (kind, content_type, extension) in [
        ("transcript", "text/plain; charset=utf-8", "txt"),
        ("srt", "application/x-subrip; charset=utf-8", "srt"),
        ("vtt", "text/vtt; charset=utf-8", "vtt"),
        ("json", "application/json", "json"),
    ] {
        let response = world.get(&format!("{path}/{kind}")).await;
        assert_eq!(response.status(), 200);
        let headers = response.headers().clone();
        assert_eq!(headers["content-type"], content_type);
        assert_eq!(headers["x-content-type-options"], "nosniff");
        assert_eq!(headers["accept-ranges"], "bytes");
        let disposition = format!(
            "attachment; filename=\"Gespr_ch 1.{extension}\"; filename*=UTF-8''Gespr%C3%A4ch%201.{extension}"
        );
        assert_eq!(headers["content-disposition"], disposition);
        let length: usize = headers["content-length"].to_str().unwrap().parse().unwrap();
        let body = response.bytes().await.unwrap();
        assert_eq!(body.len(), length);
        let sha256: String = Sha256::digest(&body).iter().map(|byte| format!("{byte:02x}")).collect();
        assert_eq!(headers["etag"], format!("\"{sha256}\""));
        let again =
            world.request(Method::GET, &format!("{path}/{kind}")).header("if-none-match", &headers["etag"]);
        assert_eq!(again.send().await.unwrap().status(), 304);
        let head = world.request(Method::HEAD, &format!("{path}/{kind}")).send().await.unwrap();
        assert_eq!(
            (head.status().as_u16(), &head.headers()["content-length"]),
            (200, &headers["content-length"])
        );
        assert_eq!(head.bytes().await.unwrap().len(), 0);
    }
    world.stop().await;
}

#[test]
async fn parts_join_to_the_whole() {
    let (world, path) = done().await;
    let path = format!("{path}/json");
    let response = world.get(&path).await;
    let etag = response.headers()["etag"].clone();
    let whole = response.bytes().await.unwrap();
    let size = whole.len();
    let ranged = |range: String| world.request(Method::GET, &path).header("range", range);

    let mut joined = Vec::new();
    while joined.len() < size {
        let response = ranged(format!("bytes={}-{}", joined.len(), joined.len() + 99)).send().await.unwrap();
        assert_eq!(response.status(), 206);
        let last = (joined.len() + 99).min(size - 1);
        let content_range = format!("bytes {}-{last}/{size}", joined.len());
        assert_eq!(response.headers()["content-range"], content_range);
        joined.extend_from_slice(&response.bytes().await.unwrap());
    }
    assert_eq!(joined, whole);

    let tail = ranged("bytes=-10".into()).send().await.unwrap();
    assert_eq!(tail.bytes().await.unwrap(), whole[size - 10..]);
    let current = ranged("bytes=0-4".into()).header("if-range", etag).send().await.unwrap();
    assert_eq!(current.status(), 206);
    let stale = ranged("bytes=0-4".into()).header("if-range", "\"old\"").send().await.unwrap();
    assert_eq!(stale.status(), 200);

    let beyond = ranged(format!("bytes={size}-")).send().await.unwrap();
    assert_eq!(beyond.headers()["content-range"], format!("bytes */{size}"));
    assert_problem(beyond, 416, "range_not_satisfiable").await;
    world.stop().await;
}

#[test]
async fn silence_is_an_empty_file_not_an_error() {
    let world = World::start().await;
    let id = world.submit(wav(&[])).await["id"].as_str().unwrap().to_owned();
    assert_eq!(world.ended(&id).await["status"], "done");
    let response = world.get(&format!("/saas/jobs/{id}/artifacts/transcript")).await;
    assert_eq!((response.status().as_u16(), response.bytes().await.unwrap().len()), (200, 0));
    let json: Value = world.get(&format!("/saas/jobs/{id}/artifacts/json")).await.json().await.unwrap();
    assert_eq!((json["text"].as_str(), json["segments"].as_array().map(Vec::len)), (Some(""), Some(0)));
    world.stop().await;
}

#[test]
async fn an_artifact_is_not_ready_before_the_end_and_unknown_ones_never_are() {
    let hold = Hold::default();
    let engine = ScriptedEngine::new().with_fault(0, Fault::Hold(hold.clone()));
    let world = World::start_with(engine, |_| {}).await;
    let id = world.submit(wav(&[1])).await["id"].as_str().unwrap().to_owned();
    let path = format!("/saas/jobs/{id}/artifacts");
    assert_problem(world.get(&format!("{path}/srt")).await, 409, "not_ready").await;
    assert_problem(world.get(&format!("{path}/mp3")).await, 404, "not_found").await;
    hold.release();
    assert_eq!(world.ended(&id).await["status"], "done");
    assert_problem(world.get(&format!("{path}/translation")).await, 404, "not_found").await;
    assert_problem(world.get(&format!("{path}/srt?lang=de")).await, 404, "not_found").await;
    assert_eq!(world.get(&format!("{path}/srt")).await.status(), 200);
    world.stop().await;
}
