//! Translations over real sockets, by a scripted translator: what is taken, what is refused, what is downloaded.

use super::{World, assert_problem, wav};
use actix_web::test;
use reqwest::{Body, Method, RequestBuilder};
use serde_json::Value;
use sottovoce_actors::testkit::{ScriptedEngine, ScriptedTranslator};
use std::sync::Arc;

const INTO_PORTUGUESE: &str = r#"{"type":"translation","target_language":"pt"}"#;

async fn world() -> World {
    World::start_on(
        ScriptedEngine::new(),
        |config| config.limits.text_bytes = 10_000,
        |ports| ports.translator = Arc::new(ScriptedTranslator::new(&[("en", "pt"), ("pt", "en")])),
    )
    .await
}

fn send(world: &World, params: &str, body: impl Into<Body>) -> RequestBuilder {
    world.request(Method::POST, "/saas/jobs").header("x-sottovoce-params", params).body(body)
}

async fn done(world: &World, params: &str, body: impl Into<Body>) -> (String, Value) {
    let response = send(world, params, body).send().await.unwrap();
    assert_eq!(response.status(), 201);
    let job: Value = response.json().await.unwrap();
    let id = job["id"].as_str().unwrap().to_owned();
    let job = world.ended(&id).await;
    assert_eq!((job["status"].as_str(), job["type"].as_str()), (Some("done"), Some("translation")), "{job}");
    (id, job)
}

async fn artifact(world: &World, id: &str, kind: &str) -> (u16, String) {
    let response = world.get(&format!("/saas/jobs/{id}/artifacts/{kind}")).await;
    (response.status().as_u16(), response.text().await.unwrap())
}

#[test]
async fn a_text_is_translated_with_its_paragraphs() {
    let world = world().await;
    let (id, job) = done(&world, INTO_PORTUGUESE, "One two.\n\nThree.").await;
    let kinds: Vec<_> =
        job["artifacts"].as_array().unwrap().iter().map(|one| (&one["kind"], &one["lang"])).collect();
    assert!(kinds.iter().any(|(kind, lang)| *kind == "translation" && *lang == "pt"), "{job}");
    let wanted = (200, "pt:One pt:two.\n\npt:Three.\n".to_owned());
    for path in ["translation", "translation?lang=pt", "translation?lang=pt-BR"] {
        assert_eq!(artifact(&world, &id, path).await, wanted, "{path}");
    }
    for path in ["translation?lang=en", "srt", "srt?lang=pt", "transcript"] {
        assert_eq!(artifact(&world, &id, path).await.0, 404, "{path}");
    }
    let (_, json) = artifact(&world, &id, "json").await;
    let json: Value = serde_json::from_str(&json).unwrap();
    assert_eq!(json["translations"]["pt"][1]["text"], "pt:Three.");
    assert_eq!(json["engine"], "fxtranslate");
    world.stop().await;
}

#[test]
async fn speech_is_translated_at_the_times_of_its_cues() {
    let world = world().await;
    let (id, _) = done(&world, INTO_PORTUGUESE, wav(&[1, 2, 3])).await;
    let (_, original) = artifact(&world, &id, "srt").await;
    let (status, translated) = artifact(&world, &id, "srt?lang=pt").await;
    assert_eq!((status, original.contains("w1 w2 w3")), (200, true));
    assert_eq!(original.replace("w1 w2 w3", "pt:w1 pt:w2 pt:w3"), translated);
    let response = world.get(&format!("/saas/jobs/{id}/artifacts/vtt?lang=pt")).await;
    assert!(response.headers()["content-disposition"].to_str().unwrap().contains(".pt.vtt"));
    assert_eq!(artifact(&world, &id, "transcript").await.1, "w1 w2 w3\n");
    assert_eq!(artifact(&world, &id, "translation").await.1, "pt:w1 pt:w2 pt:w3\n");
    world.stop().await;
}

#[test]
async fn an_empty_text_is_done_and_empty() {
    let world = world().await;
    let (id, _) = done(&world, INTO_PORTUGUESE, "").await;
    assert_eq!(artifact(&world, &id, "translation").await, (200, String::new()));
    world.stop().await;
}

#[test]
async fn what_cannot_be_translated_is_refused_and_leaves_nothing() {
    let world = world().await;
    let portuguese = r#"{"type":"translation","language":"pt","target_language":"en"}"#;
    for (params, body, status, code) in [
        (r#"{"type":"translation"}"#, b"One.".to_vec(), 400, "bad_request"),
        (r#"{"type":"translation","target_language":"en"}"#, b"One.".to_vec(), 400, "bad_request"),
        (r#"{"type":"translation","target_language":"fr"}"#, b"One.".to_vec(), 422, "language_unsupported"),
        (portuguese, wav(&[1]), 422, "language_unsupported"),
        (INTO_PORTUGUESE, b"caf\xe9 noir".to_vec(), 422, "text_invalid"),
        (INTO_PORTUGUESE, [b"a ".repeat(3_000), vec![0xff]].concat(), 422, "text_invalid"),
        (INTO_PORTUGUESE, b"a ".repeat(5_001), 413, "too_large"),
        (INTO_PORTUGUESE, b"\x7fELF\x02\x01\x01\0\0\0".repeat(100), 415, "media_unsupported"),
        (r#"{"type":"transcription"}"#, b"One.".to_vec(), 415, "media_unsupported"),
        (r#"{"type":"transcription","target_language":"pt"}"#, wav(&[1]), 400, "bad_request"),
    ] {
        assert_problem(send(&world, params, body).send().await.unwrap(), status, code).await;
    }
    let refused =
        send(&world, r#"{"type":"translation","target_language":"fr"}"#, "One.").send().await.unwrap();
    let problem: Value = refused.json().await.unwrap();
    assert!(problem["detail"].as_str().unwrap().contains("en-pt, pt-en"), "{problem}");
    // A recording may be far longer than a text.
    let long: Vec<u32> = (0..30).collect();
    assert!(wav(&long).len() > 10_000);
    done(&world, INTO_PORTUGUESE, wav(&long)).await;
    world.stop().await;
}

#[test]
async fn without_models_nothing_is_translated_and_all_else_works() {
    let world = World::start().await;
    let refused = send(&world, INTO_PORTUGUESE, "One.").send().await.unwrap();
    assert_problem(refused, 422, "language_unsupported").await;
    let job = world.submit(wav(&[1])).await;
    assert_eq!(world.ended(job["id"].as_str().unwrap()).await["status"], "done");
    world.stop().await;
}
