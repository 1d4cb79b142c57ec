//! Files that nobody should accept, and films that everybody should, at every door that takes files: the code, the status,
//! and that nothing of a refused one stays behind.

use super::flac::flac_silence;
use super::{World, form, wav};
use actix_web::test;
use reqwest::multipart::{Form, Part};
use reqwest::{Method, Response};
use serde_json::{Value, json};

const MAX_S: u64 = 60;

/// A door: its name, and how a file is brought to it.
const DOORS: [&str; 4] = ["form", "raw", "listen", "audio"];

async fn bring(world: &World, door: &str, file: Vec<u8>) -> Response {
    let request = match door {
        "form" => {
            world.request(Method::POST, "/saas/jobs").multipart(form(r#"{"type":"transcription"}"#, file))
        }
        // Whatever it is said to be, the bytes decide.
        "raw" => world.request(Method::POST, "/saas/jobs").header("content-type", "audio/wav").body(file),
        "listen" => world.request(Method::POST, "/v1/listen").header("content-type", "audio/wav").body(file),
        _ => world.request(Method::POST, "/v1/audio/transcriptions").multipart(
            Form::new().part("file", Part::bytes(file).file_name("talk.wav")).text("model", "whisper-1"),
        ),
    };
    request.send().await.unwrap()
}

/// Returns status and code as this door should say them.
fn expected(door: &str, code: &str) -> (u16, String) {
    let status = if code == "media_unsupported" { 415 } else { 422 };
    match (door, code) {
        ("listen", "media_unsupported") => (415, "UNSUPPORTED_MEDIA_TYPE".into()),
        ("listen", _) => (400, "Bad Request".into()),
        ("audio", code) => (400, code.into()),
        (_, code) => (status, code.into()),
    }
}

async fn told(response: Response) -> (u16, String) {
    let status = response.status().as_u16();
    let body: Value = response.json().await.unwrap();
    let code = [&body["code"], &body["err_code"], &body["error"]["code"]].into_iter().find_map(Value::as_str);
    (status, code.unwrap_or_else(|| panic!("no code in {body}")).to_owned())
}

/// A WAV file whose header announces four gigabytes, or that its format is absurd.
fn lying_wav(rate_hz: u32, data_bytes: u32, audio: &[u8]) -> Vec<u8> {
    let mut file = wav(&[1]);
    file.truncate(44);
    file[24..28].copy_from_slice(&rate_hz.to_le_bytes());
    file[40..44].copy_from_slice(&data_bytes.to_le_bytes());
    file.extend_from_slice(audio);
    file
}

/// A FLAC file that announces `samples` at 8 kHz.
fn announcing(samples: u64) -> Vec<u8> {
    let mut file = flac_silence(1, 8000);
    let said = (8000u64 << 44) | (15 << 36) | samples;
    file[18..26].copy_from_slice(&said.to_be_bytes());
    file
}

#[test]
async fn hostile_files_are_refused_at_every_door_and_leave_nothing() {
    let world = World::start_with(Default::default(), |config| config.limits.decoded_seconds = MAX_S).await;
    let film = include_bytes!("../../media/fixtures/video_only.mp4").to_vec();
    let web_film = include_bytes!("../../media/fixtures/video_only.webm").to_vec();
    let rows: [(&str, Vec<u8>, &str); 14] = [
        ("a playlist", b"#EXTM3U\n#EXTINF:10,\nfile:///etc/passwd\n".to_vec(), "media_unsupported"),
        (
            "a playlist behind a mark",
            b"\xEF\xBB\xBF#EXTM3U\nfile:///etc/passwd\n".to_vec(),
            "media_unsupported",
        ),
        ("a list of files", b"ffconcat version 1.0\nfile /etc/passwd\n".to_vec(), "media_unsupported"),
        ("XML", b"<?xml version=\"1.0\"?><MPD/>".to_vec(), "media_unsupported"),
        ("zero bytes", vec![0; 100_000], "media_unsupported"),
        ("a program", b"\x7FELF\x02\x01\x01".repeat(100), "media_unsupported"),
        ("nothing", Vec::new(), "media_corrupt"),
        ("a header alone", wav(&[1])[..44].to_vec(), "media_corrupt"),
        ("tags alone", b"ID3\x04\0\0\0\0\0\x05hello".to_vec(), "media_corrupt"),
        ("a film without sound", film, "no_audio"),
        ("a film of the web without sound", web_film, "no_audio"),
        ("an absurd rate", lying_wav(u32::MAX / 4, 32_000, &[0; 32_000]), "media_unsupported"),
        ("ten hours announced", announcing(36_000 * 8000), "media_too_long"),
        ("a bomb: an hour in kilobytes", flac_silence(450, 8000), "media_too_long"),
    ];
    for (what, file, code) in rows {
        for door in DOORS {
            let response = bring(&world, door, file.clone()).await;
            if what.starts_with("a bomb") && ["form", "raw"].contains(&door) {
                // It announces nothing: only who decodes it finds out.
                assert_eq!(response.status(), 201);
                let job: Value = response.json().await.unwrap();
                let job = world.ended(job["id"].as_str().unwrap()).await;
                assert_eq!((&job["status"], &job["error_code"]), (&json!("failed"), &json!(code)));
                assert_eq!(job["artifacts"], json!([]));
                assert_eq!(world.delete(&format!("/saas/jobs/{}", job["id"].as_str().unwrap())).await, 204);
                continue;
            }
            assert_eq!(told(response).await, expected(door, code), "{what} at {door}");
        }
    }
    let page: Value = world.get("/saas/jobs").await.json().await.unwrap();
    assert_eq!(page["items"], json!([]), "no row");
    world.objects_become(0).await;
    world.stop().await;
}

/// What is there counts, not what is announced.
#[test]
async fn a_header_that_promises_too_much_is_not_believed() {
    let world = World::start_with(Default::default(), |config| config.limits.decoded_seconds = MAX_S).await;
    let spoken = wav(&[4, 5, 6])[44..].to_vec();
    for door in ["listen", "audio"] {
        let response = bring(&world, door, lying_wav(16_000, u32::MAX, &spoken)).await;
        assert_eq!(response.status(), 200, "{door}");
        let said = response.text().await.unwrap();
        assert!(said.contains("w4 w5 w6"), "{door}: {said}");
    }
    world.stop().await;
}

#[test]
async fn films_are_heard_at_every_door() {
    let world = World::start().await;
    for (name, film) in [
        ("fragmented_48k.mp4", include_bytes!("../../media/fixtures/fragmented_48k.mp4").to_vec()),
        ("stereo_opus.webm", include_bytes!("../../media/fixtures/stereo_opus.webm").to_vec()),
        ("film_44k.mov", include_bytes!("../../media/fixtures/film_44k.mov").to_vec()),
    ] {
        for door in DOORS {
            let response = bring(&world, door, film.clone()).await;
            let status = response.status().as_u16();
            let body: Value = response.json().await.unwrap();
            let seconds = match door {
                "listen" => body["metadata"]["duration"].clone(),
                "audio" => body["usage"]["seconds"].clone(),
                _ => {
                    assert_eq!(status, 201, "{name} at {door}: {body}");
                    let job = world.ended(body["id"].as_str().unwrap()).await;
                    assert_eq!(job["status"], "done", "{name} at {door}: {job}");
                    job["duration_seconds"].clone()
                }
            };
            assert!(seconds.as_f64().is_some_and(|seconds| seconds > 0.5), "{name} at {door}: {body}");
        }
    }
    world.stop().await;
}
