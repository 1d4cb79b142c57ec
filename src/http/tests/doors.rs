//! The doors of `/v1` for files: shapes of answers and refusals, as the services that they stand for have them.

use super::{World, said, wav, wav_of};
use actix_web::test;
use reqwest::multipart::{Form, Part};
use reqwest::{Method, RequestBuilder, Response};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use sottovoce_actors::hex::hex;
use uuid::Uuid;

fn listen(world: &World, query: &str, file: Vec<u8>) -> RequestBuilder {
    world.request(Method::POST, &format!("/v1/listen{query}")).body(file)
}

fn audio(world: &World, task: &str, fields: &[(&'static str, &'static str)]) -> RequestBuilder {
    let file = Part::bytes(wav(&[4, 5, 6])).file_name("talk.wav");
    // Node's library sends the file first.
    let form =
        fields.iter().fold(Form::new().part("file", file), |form, (name, value)| form.text(*name, *value));
    world.request(Method::POST, &format!("/v1/audio/{task}")).multipart(form)
}

async fn json_of(request: RequestBuilder) -> Value {
    let response = request.send().await.unwrap();
    let status = response.status();
    let text = response.text().await.unwrap();
    assert_eq!(status, 200, "{text}");
    serde_json::from_str(&text).unwrap_or_else(|error| panic!("{error}: {text}"))
}

fn fields(value: &Value) -> Vec<&str> {
    value.as_object().expect("an object").keys().map(String::as_str).collect()
}

/// Nothing of an answered request stays.
async fn assert_nothing_stays(world: &World) {
    let page: Value = world.get("/saas/jobs").await.json().await.unwrap();
    assert_eq!(page["items"], json!([]));
    world.objects_become(0).await;
}

#[test]
async fn a_file_is_answered_in_deepgrams_shape_and_deleted() {
    let world = World::start().await;
    let file = wav(&[4, 5, 6]);
    let query =
        "?model=nova-3&smart_format=true&utterances=true&tag=a&tag=b&extra=room:7&diarize=true&no_delay=1";
    let response = listen(&world, query, file.clone()).send().await.unwrap();
    assert_eq!(response.status(), 200);
    let request_id = response.headers()["dg-request-id"].to_str().unwrap().to_owned();
    assert!(request_id.parse::<Uuid>().is_ok());
    let answer: Value = response.json().await.unwrap();

    let metadata = &answer["metadata"];
    assert_eq!(
        fields(metadata),
        [
            "channels",
            "created",
            "duration",
            "extra",
            "model_info",
            "models",
            "request_id",
            "sha256",
            "tags",
            "transaction_key",
            "warnings"
        ]
    );
    assert_eq!((&metadata["request_id"], &metadata["channels"]), (&json!(request_id), &json!(1)));
    assert_eq!(metadata["sha256"], hex(Sha256::digest(&file)));
    assert!((metadata["duration"].as_f64().unwrap() - 1.8).abs() < 0.01, "{metadata}");
    assert!(metadata["created"].as_str().is_some_and(|created| created.ends_with('Z')));
    let model = metadata["models"][0].as_str().unwrap();
    assert!(model.parse::<Uuid>().is_ok());
    assert_eq!(fields(&metadata["model_info"][model]), ["arch", "name", "version"]);
    assert_eq!((&metadata["extra"]["room"], &metadata["tags"]), (&json!("7"), &json!(["a", "b"])));
    assert_eq!(metadata["warnings"][0]["parameter"], "diarize");

    let best = &answer["results"]["channels"][0]["alternatives"][0];
    assert_eq!(fields(best), ["confidence", "paragraphs", "transcript", "words"]);
    assert_eq!(best["transcript"], "w4 w5 w6");
    let word = &best["words"][0];
    assert_eq!(fields(word), ["confidence", "end", "punctuated_word", "start", "word"]);
    assert!((word["start"].as_f64().unwrap() - 0.5).abs() < 0.02, "{word}");
    assert_eq!(best["paragraphs"]["paragraphs"][0]["num_words"], 3);
    let utterance = &answer["results"]["utterances"][0];
    assert_eq!(fields(utterance), ["channel", "confidence", "end", "id", "start", "transcript", "words"]);
    assert_nothing_stays(&world).await;
    world.stop().await;
}

#[test]
async fn any_content_type_but_json_is_a_file_and_silence_is_an_empty_transcript() {
    let world = World::start().await;
    for kind in [None, Some("deepgram/audio+video"), Some("application/octet-stream"), Some("text/plain")] {
        let mut request = listen(&world, "", wav(&[7]));
        if let Some(kind) = kind {
            request = request.header("content-type", kind);
        }
        let answer = json_of(request).await;
        assert_eq!(answer["results"]["channels"][0]["alternatives"][0]["transcript"], "w7", "{kind:?}");
        assert_eq!(answer["results"].get("utterances"), None);
    }
    let silence = json_of(listen(&world, "", wav(&[]))).await;
    let best = &silence["results"]["channels"][0]["alternatives"][0];
    assert_eq!(
        (&best["transcript"], &best["confidence"], &best["words"]),
        (&json!(""), &json!(0.0), &json!([]))
    );
    world.stop().await;
}

#[test]
async fn each_channel_has_its_own_words() {
    let world = World::start().await;
    let (left, right) = (said(&[4, 5, 6]), said(&[14, 15, 16]));
    let both: Vec<f32> = left.iter().zip(&right).flat_map(|(left, right)| [*left, *right]).collect();
    let third: Vec<f32> = both.chunks_exact(2).flat_map(|pair| [pair[0], pair[1], 0.0]).collect();
    let transcripts = |answer: &Value| -> Vec<String> {
        let channels = answer["results"]["channels"].as_array().unwrap().iter();
        channels
            .map(|channel| channel["alternatives"][0]["transcript"].as_str().unwrap().to_owned())
            .collect()
    };
    let query = "?multichannel=true&utterances=true";
    let answer = json_of(listen(&world, query, wav_of(2, &both))).await;
    assert_eq!(transcripts(&answer), ["w4 w5 w6", "w14 w15 w16"]);
    assert_eq!(answer["metadata"]["channels"], 2);
    let channels: Vec<&Value> =
        answer["results"]["utterances"].as_array().unwrap().iter().map(|said| &said["channel"]).collect();
    assert_eq!(channels, [0, 1]);
    let answer = json_of(listen(&world, query, wav_of(3, &third))).await;
    assert_eq!(transcripts(&answer), ["w4 w5 w6", "w14 w15 w16", ""]);
    // A film's one channel, and a stereo file that is mixed.
    assert_eq!(transcripts(&json_of(listen(&world, query, wav(&[3]))).await), ["w3"]);
    let mixed = json_of(listen(&world, "", wav_of(2, &both))).await;
    assert_eq!(mixed["metadata"]["channels"], 1);

    // The same by a job.
    let params = r#"{"type":"transcription","multichannel":true}"#;
    let submitted = world.request(Method::POST, "/saas/jobs").header("x-sottovoce-params", params);
    let job: Value = submitted.body(wav_of(2, &both)).send().await.unwrap().json().await.unwrap();
    let id = job["id"].as_str().unwrap();
    assert_eq!(world.ended(id).await["status"], "done");
    let text = world.get(&format!("/saas/jobs/{id}/artifacts/transcript")).await.text().await.unwrap();
    assert_eq!(text, "w4 w5 w6\n\nw14 w15 w16\n");
    world.stop().await;
}

async fn assert_deepgram_error(response: Response, status: u16, code: &str) {
    assert_eq!(response.status(), status);
    let id = response.headers()["dg-request-id"].to_str().unwrap().to_owned();
    assert!(response.headers().contains_key("dg-error"));
    let body: Value = response.json().await.unwrap();
    assert_eq!(fields(&body), ["err_code", "err_msg", "request_id"]);
    assert_eq!((&body["err_code"], &body["request_id"]), (&json!(code), &json!(id)), "{body}");
    assert!(body["err_msg"].as_str().is_some_and(|told| told.contains(' ')), "{body}");
}

#[test]
async fn deepgrams_refusals_have_its_shape() {
    let world = World::start_with(Default::default(), |config| config.limits.upload_bytes = 200_000).await;
    for query in
        ["?callback=https://example.org/", "?language=de", "?redact=pci", "?utt_split=x", "?punctuate=x"]
    {
        let refused = listen(&world, query, wav(&[1])).send().await.unwrap();
        assert_deepgram_error(refused, 400, "INVALID_QUERY_PARAMETER").await;
    }
    let address = world.request(Method::POST, "/v1/listen").json(&json!({"url": "http://127.0.0.1/a.wav"}));
    assert_deepgram_error(address.send().await.unwrap(), 400, "INVALID_QUERY_PARAMETER").await;
    let form = world.request(Method::POST, "/v1/listen").multipart(Form::new().text("file", "x"));
    assert_deepgram_error(form.send().await.unwrap(), 400, "INVALID_QUERY_PARAMETER").await;
    let large = listen(&world, "", vec![0; 400_000]).send().await.unwrap();
    assert_deepgram_error(large, 413, "PAYLOAD_TOO_LARGE").await;
    let stranger = world.client.post(format!("{}/v1/listen", world.base)).bearer_auth("sv_nobody");
    assert_deepgram_error(stranger.body(wav(&[1])).send().await.unwrap(), 401, "INVALID_AUTH").await;
    assert_nothing_stays(&world).await;
    world.stop().await;
}

/// Deepgram's short tokens are for this door too.
#[test]
async fn a_short_token_listens_to_files() {
    let world = World::start().await;
    let granted = world.request(Method::POST, "/v1/auth/grant").send().await.unwrap();
    let granted: Value = granted.json().await.unwrap();
    let request = world.client.post(format!("{}/v1/listen", world.base));
    let answer =
        json_of(request.bearer_auth(granted["access_token"].as_str().unwrap()).body(wav(&[9]))).await;
    assert_eq!(answer["results"]["channels"][0]["alternatives"][0]["transcript"], "w9");
    world.stop().await;
}

#[test]
async fn a_file_is_answered_in_openais_shapes_and_deleted() {
    let world = World::start().await;
    for (task, named) in [("transcriptions", "transcribe"), ("translations", "translate")] {
        let model = ("model", "whisper-1");
        let plain = json_of(audio(&world, task, &[model])).await;
        assert_eq!(plain, json!({"text": "w4 w5 w6", "usage": {"type": "duration", "seconds": 2}}));
        let verbose = [model, ("response_format", "verbose_json"), ("timestamp_granularities[]", "word")];
        let verbose = json_of(audio(&world, task, &verbose)).await;
        assert_eq!(fields(&verbose), ["duration", "language", "task", "text", "usage", "words"]);
        assert_eq!(verbose["task"], named);
        assert_eq!((&verbose["language"], &verbose["words"][1]["word"]), (&json!("english"), &json!("w5")));
        let segments = json_of(audio(&world, task, &[("response_format", "verbose_json")])).await;
        assert_eq!(segments["segments"][0]["text"], "w4 w5 w6");
        assert_eq!(fields(&segments["segments"][0]).len(), 10);
        for (format, begins) in [("text", "w4 w5 w6\n"), ("srt", "1\n00:00:00,"), ("vtt", "WEBVTT\n")] {
            let response = audio(&world, task, &[model, ("response_format", format)]).send().await.unwrap();
            assert_eq!(response.status(), 200);
            assert_eq!(response.headers()["content-type"], "text/plain; charset=utf-8");
            let text = response.text().await.unwrap();
            assert!(text.starts_with(begins) && text.contains("w4 w5 w6"), "{format}: {text}");
        }
    }
    assert_nothing_stays(&world).await;
    world.stop().await;
}

async fn assert_openai_error(response: Response, status: u16, kind: &str, param: Option<&str>, code: &str) {
    assert_eq!(response.status(), status);
    assert!(response.headers().contains_key("x-request-id"));
    let body: Value = response.json().await.unwrap();
    assert_eq!(fields(&body["error"]), ["code", "message", "param", "type"]);
    let error = &body["error"];
    assert_eq!(
        (&error["type"], &error["param"], &error["code"]),
        (&json!(kind), &json!(param), &json!(code)),
        "{body}"
    );
    assert!(error["message"].as_str().is_some_and(|told| told.contains(' ')), "{body}");
}

#[test]
async fn openais_refusals_have_its_shape() {
    let world = World::start_with(Default::default(), |config| config.limits.upload_bytes = 200_000).await;
    let invalid = "invalid_request_error";
    for (name, value) in [
        ("response_format", "diarized_json"),
        ("temperature", "2"),
        ("timestamp_granularities[]", "word"),
        ("stream", "true"),
        ("language", "pt"),
    ] {
        for task in ["transcriptions", "translations"] {
            let refused = audio(&world, task, &[("model", "whisper-1"), (name, value)]).send().await.unwrap();
            let param = Some(name.trim_end_matches("[]"));
            assert_openai_error(refused, 400, invalid, param, "bad_request").await;
        }
    }
    let post = || world.request(Method::POST, "/v1/audio/transcriptions");
    let no_file = post().multipart(Form::new().text("model", "whisper-1"));
    assert_openai_error(no_file.send().await.unwrap(), 400, invalid, Some("file"), "bad_request").await;
    let part = || Part::bytes(wav(&[1])).file_name("a.wav");
    let twice = post().multipart(Form::new().part("file", part()).part("file", part()));
    assert_openai_error(twice.send().await.unwrap(), 400, invalid, Some("file"), "bad_request").await;
    let bare = post().body(wav(&[1])).send().await.unwrap();
    assert_openai_error(bare, 400, invalid, None, "bad_request").await;
    let many = (0..70).fold(Form::new(), |form, number| form.text(format!("f{number}"), "x"));
    let many = post().multipart(many).send().await.unwrap();
    assert_openai_error(many, 400, invalid, None, "bad_request").await;
    let large = post().multipart(Form::new().part("file", Part::bytes(vec![0; 400_000]).file_name("a.wav")));
    assert_openai_error(large.send().await.unwrap(), 413, invalid, None, "too_large").await;
    let stranger =
        world.client.post(format!("{}/v1/audio/translations", world.base)).bearer_auth("sv_nobody");
    let stranger = stranger.multipart(Form::new().part("file", part())).send().await.unwrap();
    assert_openai_error(stranger, 401, invalid, None, "invalid_api_key").await;
    let speech = world.request(Method::POST, "/v1/audio/speech").send().await.unwrap();
    assert_openai_error(speech, 404, invalid, None, "not_found").await;
    assert_nothing_stays(&world).await;
    world.stop().await;
}
