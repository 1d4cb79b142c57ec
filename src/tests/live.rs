//! `/v1/listen` on real sockets: what `wire.md` promises to the clients that people run.

use crate::app::TestApp;
use crate::client::{Client, finals, frame};
use crate::sound::{mulaw, said, silence_ms, speech};
use reqwest::{Method, StatusCode};
use serde_json::Value;
use sottovoce_actors::testkit::{ScriptedEngine, tone};
use sottovoce_protocol::error_code::ErrorCode;
use sottovoce_protocol::jobs::{JobStatus, JobType};
use tokio_tungstenite::tungstenite::Error;

const FIVE: [u32; 8] = [5, 6, 7, 8, 9, 10, 11, 12];

fn five() -> String {
    tone::caption(&FIVE)
}

#[actix::test]
async fn words_come_back_in_every_format() {
    let app = TestApp::start().await;
    for (encoding, rate_hz) in [
        ("linear16", 8_000),
        ("linear16", 16_000),
        ("linear16", 44_100),
        ("linear16", 48_000),
        ("linear32", 16_000),
        ("mulaw", 8_000),
    ] {
        let audio = speech(&FIVE, 1_000, rate_hz);
        let bytes = match encoding {
            "mulaw" => mulaw(&audio),
            "linear32" => audio.iter().flat_map(|sample| sample.to_le_bytes()).collect(),
            _ => tone::linear16(&audio),
        };
        let path = format!("/v1/listen?encoding={encoding}&sample_rate={rate_hz}&punctuate=true");
        let mut client = Client::open(&app, &path).await;
        let job = client.job();
        client.pour(&bytes).await;
        client.close_stream().await;
        let ending = client.ending().await;

        assert_eq!(ending.words(0), five(), "{encoding} {rate_hz}");
        assert_eq!(ending.close, Some((1000, String::new())));
        let metadata = ending.frames.last().expect("frames");
        assert_eq!(metadata["type"], "Metadata");
        assert_eq!(metadata["request_id"], job.to_string());
        assert!((metadata["duration"].as_f64().expect("a number") - 1.8).abs() < 0.001, "{metadata}");
        assert!(finals(&ending.frames).all(|caption| caption["metadata"]["request_id"] == job.to_string()));

        let row = app.ended_job(job).await;
        assert_eq!((row.job_type, row.status), (JobType::Stream, JobStatus::Done));
        assert_eq!(row.duration_seconds, Some(1.8));
        assert_eq!(app.artifact(job, "transcript").await.trim(), five());
        assert!(app.artifact(job, "srt").await.contains("-->"));
    }
    app.finish().await;
}

#[actix::test]
async fn two_channels_with_different_words_do_not_mix() {
    let app = TestApp::start().await;
    let (left, right): (Vec<u32>, Vec<u32>) = ((0..30).collect(), (60..90).rev().collect());
    for (name, rate_hz) in [("linear16", 48_000), ("mulaw", 8_000)] {
        let channels = [speech(&left, 1_000, rate_hz), speech(&right, 1_000, rate_hz)];
        let audio = tone::interleave(&channels);
        let bytes = if name == "mulaw" { mulaw(&audio) } else { tone::linear16(&audio) };
        let path = format!(
            "/v1/listen?encoding={name}&sample_rate={rate_hz}&channels=2&multichannel=true&interim_results=true"
        );
        let mut client = Client::open(&app, &path).await;
        client.pour(&bytes).await;
        client.close_stream().await;
        let ending = client.ending().await;
        assert_eq!(ending.words(0), tone::caption(&left), "{name}");
        assert_eq!(ending.words(1), tone::caption(&right), "{name}");
        assert_eq!(ending.frames.last().expect("frames")["channels"], 2);
        for caption in ending.frames.iter().filter(|frame| frame["type"] == "Results") {
            assert_eq!(caption["channel_index"][1], 2);
            let words = if caption["channel_index"][0] == 0 { &left } else { &right };
            let text = caption["channel"]["alternatives"][0]["transcript"].as_str().expect("text");
            assert!(tone::caption(words).contains(text), "{text}");
        }
        app.ended_job(client.job()).await;
        let kept = app.transcript(client.job()).await.segments;
        assert!(kept.iter().any(|segment| segment.channel == 0));
        assert!(kept.iter().any(|segment| segment.channel == 1));
    }
    app.finish().await;
}

#[actix::test]
async fn interims_come_while_one_speaks_and_only_if_asked_for() {
    let app = TestApp::start().await;
    let audio = said(&(0..20).collect::<Vec<_>>());
    for wanted in [true, false] {
        let mut client = Client::listen(&app, &format!("&interim_results={wanted}")).await;
        let mut frames = Vec::new();
        if wanted {
            // Half of the words, and no pause: only an interim can show them.
            client.pour(&audio[..32_000]).await;
            frames = client.until(|frame| frame["type"] == "Results").await;
            let interim = frames.last().expect("one");
            assert_eq!(interim["is_final"], false, "{interim}");
            let text = interim["channel"]["alternatives"][0]["transcript"].as_str().expect("text");
            assert!(!text.is_empty() && tone::caption(&(0..20).collect::<Vec<_>>()).starts_with(text));
            client.pour(&audio[32_000..]).await;
        } else {
            client.pour(&audio).await;
        }
        client.close_stream().await;
        let ending = client.ending().await;
        frames.extend(ending.frames);
        let interims = frames.iter().filter(|frame| frame["is_final"] == false).count();
        assert_eq!(interims > 0, wanted, "{frames:?}");
        assert_eq!(crate::client::words(&frames, 0), tone::caption(&(0..20).collect::<Vec<_>>()));
    }
    app.finish().await;
}

#[actix::test]
async fn finals_cover_all_audio_once_and_silence_has_no_words() {
    let app = TestApp::start().await;
    let mut client = Client::listen(&app, "").await;
    for round in 0..6 {
        client.pour(&silence_ms(700 * round as usize)).await;
        client.pour(&said(&[round, round + 20, round + 40, round + 60])).await;
    }
    client.pour(&silence_ms(11_000)).await;
    client.close_stream().await;
    let ending = client.ending().await;
    let mut covered = 0.0;
    for caption in finals(&ending.frames) {
        let number = |name: &str| caption[name].as_f64().expect("a number");
        assert!((number("start") - covered).abs() < 0.002, "{covered}: {caption}");
        covered = number("start") + number("duration");
        let alternative = &caption["channel"]["alternatives"][0];
        if alternative["transcript"] == "" {
            assert_eq!(alternative["confidence"], 0.0);
        }
    }
    let sent = 0.7 * 15.0 + 6.0 * 1.4 + 11.0;
    assert!((covered - sent).abs() < 0.002, "{covered} of {sent}");
    let words: Vec<u32> = (0..6).flat_map(|round| [round, round + 20, round + 40, round + 60]).collect();
    assert_eq!(ending.words(0), tone::caption(&words));
    let empty =
        finals(&ending.frames).filter(|caption| caption["channel"]["alternatives"][0]["transcript"] == "");
    assert!(empty.count() >= 2, "time is seen to pass in 11 s of silence");
    app.finish().await;
}

#[actix::test]
async fn a_credential_may_come_in_three_forms_and_the_protocol_is_answered() {
    let app = TestApp::start().await;
    const PATH: &str = "/v1/listen?encoding=linear16&sample_rate=16000";
    for (name, value, answered) in [
        ("authorization", format!("Token {}", app.key), None),
        ("authorization", format!("bearer {}", app.key), None),
        ("sec-websocket-protocol", format!("token, {}", app.key), Some("token")),
        ("sec-websocket-protocol", format!("bearer, {}, x-session, 7", app.key), Some("bearer")),
    ] {
        let opened = Client::with_headers(&app, PATH, &[(name, &value)]).await;
        let mut client = opened.unwrap_or_else(|error| panic!("{value}: {error}"));
        let protocol = client.headers.get("sec-websocket-protocol");
        assert_eq!(protocol.map(|protocol| protocol.to_str().expect("text")), answered);
        assert!(!format!("{:?}", client.headers).contains(&app.key));
        client.close_stream().await;
        assert_eq!(client.ending().await.code(), Some(1000));
    }
    app.finish().await;
}

/// Sends a handshake that is refused, and checks Deepgram's form of the refusal.
async fn refused(
    app: &TestApp,
    path: &str,
    headers: &[(&str, &str)],
) -> (StatusCode, reqwest::header::HeaderMap, Value) {
    let mut request = app.http.get(app.url(path));
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    let answer = request.send().await.expect("an answer");
    let (status, headers) = (answer.status(), answer.headers().clone());
    let body: Value = answer.json().await.expect("JSON");
    let text = |name: &str| headers[name].to_str().expect("text").to_owned();
    assert_eq!(text("dg-error"), body["err_msg"].as_str().expect("a sentence"), "{body}");
    assert_eq!(text("dg-request-id"), body["request_id"].as_str().expect("an id"), "{body}");
    text("dg-request-id").parse::<uuid::Uuid>().expect("the Rust SDK wants a UUID");
    (status, headers, body)
}

const UPGRADE: [(&str, &str); 4] = [
    ("connection", "upgrade"),
    ("upgrade", "websocket"),
    ("sec-websocket-version", "13"),
    ("sec-websocket-key", "dGhlIHNhbXBsZSBub25jZQ=="),
];

#[actix::test]
async fn a_handshake_that_cannot_be_met_is_refused_before_the_upgrade() {
    let app = TestApp::start().await;
    const GOOD: &str = "/v1/listen?encoding=linear16&sample_rate=16000";
    let key = format!("Token {}", app.key);
    let with = |more: &[(&'static str, &'static str)]| {
        let mut headers: Vec<(&str, &str)> = UPGRADE.to_vec();
        headers.extend(more);
        headers
    };
    let authorised = |headers: Vec<(&'static str, &'static str)>| {
        let mut all: Vec<(&str, &str)> = headers;
        all.push(("authorization", key.as_str()));
        all
    };

    for (path, headers, status, code) in [
        (GOOD, with(&[]), 401, "INVALID_AUTH"),
        (GOOD, with(&[("authorization", "Token sv_wrong")]), 401, "INVALID_AUTH"),
        (GOOD, with(&[("authorization", "Basic c29tZTpvbmU=")]), 401, "INVALID_AUTH"),
        (GOOD, with(&[("sec-websocket-protocol", "token")]), 401, "INVALID_AUTH"),
        ("/v1/listen", authorised(with(&[])), 400, "INVALID_QUERY_PARAMETER"),
        ("/v1/listen?encoding=opus&sample_rate=16000", authorised(with(&[])), 400, "INVALID_QUERY_PARAMETER"),
        (
            "/v1/listen?encoding=linear16&sample_rate=16000&language=de",
            authorised(with(&[])),
            400,
            "INVALID_QUERY_PARAMETER",
        ),
        (GOOD, authorised(with(&[("origin", "https://elsewhere.example")])), 403, "INSUFFICIENT_PERMISSIONS"),
        (GOOD, authorised(Vec::new()), 426, "UPGRADE_REQUIRED"),
        (
            GOOD,
            authorised(vec![("connection", "upgrade"), ("upgrade", "websocket")]),
            400,
            "INVALID_QUERY_PARAMETER",
        ),
    ] {
        let (answered, headers, body) = refused(&app, path, &headers).await;
        assert_eq!((answered.as_u16(), body["err_code"].as_str()), (status, Some(code)), "{path} {body}");
        assert!(!headers.contains_key("retry-after"), "for good: {body}");
        assert!(!body.to_string().contains(&app.key));
    }

    // A key in the query is no credential: it would end up in logs.
    let path = format!("{GOOD}&token={}&access_token={}", app.key, app.key);
    assert_eq!(refused(&app, &path, &with(&[])).await.0, 401);
    assert_eq!(app.metric("sottovoce_live_streams").await, 0.0);
    let page: Value = app.get("/saas/jobs").await.json().await.expect("JSON");
    assert_eq!(page["items"], serde_json::json!([]), "what is refused leaves no job");
    app.finish().await;
}

#[actix::test]
async fn an_own_origin_may_open_a_socket() {
    let app = TestApp::start().await;
    let (key, origin) = (format!("Token {}", app.key), format!("http://localhost:{}", app.address.port()));
    let path = "/v1/listen?encoding=linear16&sample_rate=16000";
    let headers = [("authorization", key.as_str()), ("origin", origin.as_str())];
    let mut client = Client::with_headers(&app, path, &headers).await.expect("opened");
    client.close_stream().await;
    client.ending().await;
    app.finish().await;
}

#[actix::test]
async fn a_full_machine_refuses_with_429_and_says_when_to_come_back() {
    for (setting, engine) in [
        (("engine__max_streams", "1"), ScriptedEngine::new().with_live_cost(0.001)),
        (("limits__streams_per_account", "1"), ScriptedEngine::new().with_live_cost(0.001)),
        // So dear a model that one stream fills two workers.
        (("engine__workers", "2"), ScriptedEngine::new().with_live_cost(9.0)),
    ] {
        let app = TestApp::with_engine(&[setting], engine).await;
        let mut first = Client::listen(&app, "").await;
        let authorization = format!("Token {}", app.key);
        let mut headers = UPGRADE.to_vec();
        headers.push(("authorization", &authorization));
        let path = "/v1/listen?encoding=linear16&sample_rate=16000";
        let (status, answer, body) = refused(&app, path, &headers).await;
        assert_eq!(
            (status.as_u16(), body["err_code"].as_str()),
            (429, Some("TOO_MANY_REQUESTS")),
            "{setting:?}"
        );
        let seconds: u64 = answer["retry-after"].to_str().expect("text").parse().expect("seconds");
        assert!(seconds >= 1);

        first.pour(&said(&FIVE)).await;
        first.close_stream().await;
        assert_eq!(first.ending().await.words(0), five(), "the refused one did not disturb it");
        app.idle().await;
        let mut second = Client::listen(&app, "").await;
        second.close_stream().await;
        assert_eq!(second.ending().await.code(), Some(1000), "its place is free again");
        app.finish().await;
    }
}

#[actix::test]
async fn channels_that_an_empty_machine_could_not_hear_are_a_bad_request() {
    let app = TestApp::with_engine(&[("engine__max_streams", "3")], ScriptedEngine::new()).await;
    let authorization = format!("Token {}", app.key);
    let mut headers = UPGRADE.to_vec();
    headers.push(("authorization", &authorization));
    let path = "/v1/listen?encoding=linear16&sample_rate=16000&channels=4";
    let (status, answer, body) = refused(&app, &format!("{path}&multichannel=true"), &headers).await;
    assert_eq!((status.as_u16(), body["err_code"].as_str()), (400, Some("INVALID_QUERY_PARAMETER")));
    assert!(!answer.contains_key("retry-after"), "coming back does not help: {answer:?}");
    let said = body["err_msg"].as_str().expect("a sentence");
    assert!(said.contains("at most 3 of a stream's channels"), "{said}");
    let mut mixed = Client::listen(&app, "&channels=4").await;
    mixed.close_stream().await;
    assert_eq!(mixed.ending().await.code(), Some(1000), "mixed to one they are heard");
    app.finish().await;
}

#[actix::test]
async fn finalize_is_answered_and_the_stream_goes_on() {
    let app = TestApp::start().await;
    let mut client = Client::listen(&app, "&endpointing=false").await;
    client.pour(&said(&FIVE)[..27_200]).await;
    client.text(r#"{"type":"Finalize"}"#).await;
    let frames = client.until(|frame| frame["from_finalize"] == true).await;
    assert_eq!(crate::client::words(&frames, 0), five());
    assert_eq!(frames.last().expect("one")["is_final"], true);
    client.pour(&said(&[30, 31, 32, 33])).await;
    client.binary(Vec::new()).await;
    let ending = client.ending().await;
    assert_eq!((ending.words(0).as_str(), ending.code()), ("w30 w31 w32 w33", Some(1000)));
    app.finish().await;
}

#[actix::test]
async fn events_of_the_voice_are_said_when_asked_for() {
    let app = TestApp::start().await;
    let mut client =
        Client::listen(&app, "&interim_results=true&vad_events=true&utterance_end_ms=1000").await;
    client.pour(&silence_ms(1_000)).await;
    client.pour(&said(&FIVE)).await;
    client.pour(&silence_ms(2_000)).await;
    client.close_stream().await;
    let ending = client.ending().await;
    let time = |kind: &str, field: &str| {
        let frame = ending.frames.iter().find(|frame| frame["type"] == kind);
        frame.unwrap_or_else(|| panic!("no {kind} in {ending:?}"))[field].as_f64().expect("seconds")
    };
    assert!((time("SpeechStarted", "timestamp") - 1.0).abs() < 0.1);
    assert!((time("UtteranceEnd", "last_word_end") - 1.78).abs() < 0.05);
    app.finish().await;
}

#[actix::test]
async fn messages_in_fragments_are_joined() {
    let app = TestApp::start().await;
    let mut client = Client::listen(&app, "").await;
    let audio = said(&FIVE);
    // Cut in the middle of samples, with a ping between the fragments (RFC 6455 §5.4).
    client.raw(&frame(0x02, &audio[..10_001])).await;
    client.raw(&frame(0x89, b"ping")).await;
    client.raw(&frame(0x00, &audio[10_001..20_003])).await;
    client.raw(&frame(0x80, &audio[20_003..])).await;
    client.raw(&frame(0x01, br#"{"type":"Close"#)).await;
    client.raw(&frame(0x80, br#"Stream"}"#)).await;
    let ending = client.ending().await;
    assert_eq!((ending.words(0), ending.code()), (five(), Some(1000)));
    app.finish().await;
}

#[actix::test]
async fn broken_frames_are_answered_with_the_standards_codes() {
    const LIMIT: usize = 64 * 1024;
    let limit = LIMIT.to_string();
    let app = TestApp::with(&[("live__max_message_bytes", &limit)]).await;
    let audio = said(&FIVE);
    let unmasked = [&[0x82, 4][..], &[0; 4]].concat();
    let huge = {
        let mut head = vec![0x82, 0x80 | 127];
        head.extend(u64::MAX.to_be_bytes());
        head
    };
    let many_fragments: Vec<u8> =
        std::iter::once(frame(0x02, b"")).chain((0..3_000).map(|_| frame(0x00, b""))).flatten().collect();
    for (what, bytes, code) in [
        ("data inside of a fragmented message", [frame(0x02, &[0; 8]), frame(0x82, &[0; 8])].concat(), 1002),
        ("text inside of a fragmented message", [frame(0x02, &[0; 8]), frame(0x81, b"{}")].concat(), 1002),
        ("a continuation of nothing", frame(0x80, &[0; 8]), 1002),
        ("an unmasked frame", unmasked, 1002),
        ("an unknown opcode", frame(0x83, b"x"), 1002),
        ("text that is not UTF-8", frame(0x81, &[b'{', 0xff, 0xfe]), 1007),
        ("fragments that are not UTF-8", [frame(0x01, b"{"), frame(0x80, &[0xc3])].concat(), 1007),
        ("a message over the limit", frame(0x82, &vec![0; LIMIT + 1]), 1009),
        ("fragments over the limit", [frame(0x02, &vec![0; LIMIT]), frame(0x80, &[0; 2])].concat(), 1009),
        ("an announced monster", huge, 1009),
        ("endless fragments", many_fragments, 1009),
        ("text that is no message", frame(0x81, b"hello"), 1008),
    ] {
        let mut client = Client::listen(&app, "").await;
        client.pour(&audio).await;
        client
            .until(|frame| {
                frame["is_final"] == true && frame["channel"]["alternatives"][0]["transcript"] != ""
            })
            .await;
        client.raw(&bytes).await;
        let ending = client.ending().await;
        assert_eq!(ending.code(), Some(code), "{what}: {ending:?}");
        let job = app.ended_job(client.job()).await;
        assert_eq!(job.status, JobStatus::Done, "{what}");
        assert_eq!(app.kept_words(job.id).await, five(), "{what}");
    }
    app.finish().await;
}

#[actix::test]
async fn the_largest_message_is_taken() {
    let app = TestApp::start().await;
    let mut client = Client::listen(&app, "").await;
    let mut audio = said(&FIVE);
    audio.resize(1 << 20, 0);
    client.binary(audio).await;
    client.close_stream().await;
    let ending = client.ending().await;
    assert_eq!((ending.words(0), ending.code()), (five(), Some(1000)));
    app.finish().await;
}

#[actix::test]
async fn an_idle_stream_is_closed_with_net_0001() {
    let app = TestApp::with(&[("live__idle_timeout_ms", "300")]).await;
    let mut client = Client::listen(&app, "").await;
    client.pour(&said(&FIVE)).await;
    let ending = client.ending().await;
    assert_eq!(ending.words(0), five(), "the words before are sent");
    let (code, reason) = ending.close.expect("a close frame");
    assert!(code == 1011 && reason.starts_with("NET-0001"), "{code} {reason}");
    app.finish().await;
}

#[actix::test]
async fn a_client_that_answers_no_ping_is_cut() {
    let settings = [("live__ping_interval_ms", "100"), ("live__pong_timeout_ms", "300")];
    let app = TestApp::with(&settings).await;
    let mut client = Client::listen(&app, "").await;
    client.pour(&said(&FIVE)).await;
    // Nothing is read here, so no ping is answered; the server alone ends the stream.
    let job = app.ended_job(client.job()).await;
    assert_eq!(job.status, JobStatus::Done);
    assert_eq!(app.kept_words(job.id).await, five());
    app.idle().await;
    app.finish().await;
}

#[actix::test]
async fn a_reader_that_stops_is_cut_and_takes_little_memory() {
    // Pings could not be answered either: they are off, so that only the reading counts.
    let settings = [
        ("live__ping_interval_ms", "3600000"),
        ("live__slow_reader_timeout_ms", "500"),
        ("live__silence_report_ms", "100"),
    ];
    let app = TestApp::with(&settings).await;
    let mut warm_up = Client::listen(&app, "").await;
    warm_up.pour(&said(&FIVE)).await;
    warm_up.close_stream().await;
    warm_up.ending().await;
    app.idle().await;

    let before = app.metric("sottovoce_resident_memory_bytes").await;
    // Every 800 bytes of audio are answered with more than 2,000 that nobody reads.
    let path = format!("/v1/listen?encoding=mulaw&sample_rate=8000&extra=note:{}", "x".repeat(2_000));
    let client = Client::open(&app, &path).await;
    let job = client.job();
    let mut stream = client.socket.into_inner();
    let second = frame(0x82, &[0xff; 8_000]);
    let mut sent = 0;
    while tokio::io::AsyncWriteExt::write_all(&mut stream, &second).await.is_ok() {
        sent += second.len();
        assert!(sent < 64 << 20, "still not cut");
    }
    let row = app.ended_job(job).await;
    assert_eq!(row.status, JobStatus::Done);
    app.idle().await;
    let grown = app.metric("sottovoce_resident_memory_bytes").await - before;
    assert!(grown < f64::from(4 << 20), "grew by {grown} bytes");
    app.finish().await;
}

#[actix::test]
async fn a_sender_ten_times_too_fast_loses_nothing() {
    let app = TestApp::start().await;
    let mut client = Client::listen(&app, "&interim_results=true").await;
    let rounds: Vec<Vec<u32>> = (0..60).map(|round| (round..round + 20).collect()).collect();
    let began = tokio::time::Instant::now();
    for round in &rounds {
        client.pour(&said(round)).await;
    }
    client.close_stream().await;
    let ending = client.ending().await;
    eprintln!("180 s of audio in {:?}", began.elapsed());
    assert_eq!(ending.words(0), tone::caption(&rounds.concat()));
    assert_eq!(ending.code(), Some(1000));
    app.ended_job(client.job()).await;
    assert_eq!(app.kept_words(client.job()).await, tone::caption(&rounds.concat()));
    app.finish().await;
}

#[actix::test]
async fn a_client_that_vanishes_leaves_a_done_job() {
    let app = TestApp::start().await;
    for says_goodbye in [false, true] {
        let mut client = Client::listen(&app, "").await;
        let job = client.job();
        // No pause after the last word: the end of the connection settles it.
        client.pour(&said(&FIVE)[..25_600]).await;
        if says_goodbye {
            client.socket.close(None).await.expect("sent");
        }
        drop(client);
        let row = app.ended_job(job).await;
        assert_eq!((row.status, row.error_code), (JobStatus::Done, None));
        assert_eq!(app.kept_words(job).await, five());
    }
    app.finish().await;
}

#[actix::test]
async fn a_running_stream_is_a_job_and_deleting_it_ends_it() {
    let app = TestApp::with(&[("live__heartbeat_ms", "100")]).await;
    let mut client = Client::listen(&app, "&language=en-US&model=nova-3").await;
    let job = client.job();
    client.pour(&said(&FIVE)).await;
    client.until(|frame| frame["is_final"] == true).await;

    let row = app.job(job).await;
    assert_eq!((row.job_type, row.status), (JobType::Stream, JobStatus::Processing));
    assert_eq!((row.language.as_deref(), row.model.as_deref()), (Some("en-US"), Some("moonshine")));
    let page: Value = app.get("/saas/jobs?type=stream").await.json().await.expect("JSON");
    assert_eq!(page["items"][0]["id"], job.to_string());
    let early = app.get(&format!("/saas/jobs/{job}/artifacts/transcript")).await;
    assert_eq!(early.status(), 409, "not ready yet");

    let other = app.new_key("other@example.org").await;
    let stolen = app.http.delete(app.url(&format!("/saas/jobs/{job}"))).bearer_auth(&other).send().await;
    assert_eq!(stolen.expect("an answer").status(), 404);

    let deleted = app.request(Method::DELETE, &format!("/saas/jobs/{job}")).send().await.expect("an answer");
    assert_eq!(deleted.status(), 202);
    let ending = client.ending().await;
    assert_eq!(ending.code(), Some(1008), "{ending:?}");
    let row = app.ended_job(job).await;
    assert_eq!((row.status, row.error_code), (JobStatus::Failed, Some(ErrorCode::Canceled)));
    app.finish().await;
}

#[actix::test]
async fn a_socket_is_no_way_around_http() {
    let app = TestApp::start().await;
    let authorization = format!("Token {}", app.key);
    for path in ["/v2/listen?encoding=linear16&sample_rate=16000", "/v1/listen/more", "/mobile-auth/listen"] {
        match Client::with_headers(&app, path, &[("authorization", &authorization)]).await {
            Err(Error::Http(answer)) => assert_eq!(answer.status().as_u16(), 404, "{path}"),
            other => panic!("{path}: {:?}", other.map(|client| client.headers)),
        }
    }
    app.finish().await;
}
