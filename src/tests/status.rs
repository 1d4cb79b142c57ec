//! `/ws` on real sockets: the protocol `saas.v1`.

use crate::app::TestApp;
use crate::client::{Client, frame};
use crate::sound::{said, wav};
use serde_json::Value;
use sottovoce_actors::testkit::tone;
use sottovoce_protocol::ids::JobId;
use sottovoce_protocol::jobs::JobView;
use tokio_tungstenite::tungstenite::Error;

const WORDS: [u32; 8] = [5, 6, 7, 8, 9, 10, 11, 12];

async fn submitted(app: &TestApp) -> JobId {
    let answer = app.submit(wav(&WORDS)).await;
    assert_eq!(answer.status(), 201);
    answer.json::<JobView>().await.expect("a job").id
}

async fn subscribe(client: &mut Client, topic: &str, id: JobId) {
    client.text(&format!(r#"{{"op":"subscribe","{topic}":"{id}"}}"#)).await;
}

#[actix::test]
async fn a_job_is_followed_from_its_snapshot_to_its_end() {
    let app = TestApp::start().await;
    let mut socket = Client::open(&app, "/ws").await;
    let id = submitted(&app).await;
    subscribe(&mut socket, "job", id).await;
    let mut states = vec![socket.next().await];
    assert_eq!(states[0]["ev"], "snapshot", "{states:?}");
    if states[0]["status"] != "done" {
        states.extend(socket.until(|state| state["status"] == "done").await);
    }
    let places: Vec<u64> = states.iter().map(|state| state["seq"].as_u64().expect("a number")).collect();
    assert!(places.is_sorted_by(|one, next| one < next), "{states:?}");
    assert!(states.iter().all(|state| state["job"] == id.to_string()), "{states:?}");
    assert_eq!(states.last().expect("one")["progress"], 100);
    assert_eq!(app.artifact(id, "transcript").await.trim(), tone::caption(&WORDS));

    // Who comes late is told the end at once.
    let mut late = Client::open(&app, "/ws").await;
    subscribe(&mut late, "job", id).await;
    let snapshot = late.next().await;
    assert_eq!((&snapshot["ev"], &snapshot["status"]), (&Value::from("snapshot"), &Value::from("done")));
    drop((socket, late));
    app.finish().await;
}

#[actix::test]
async fn all_jobs_are_those_of_the_account() {
    let app = TestApp::start().await;
    let mut other = {
        let key = format!("Bearer {}", app.new_key("other@example.org").await);
        Client::with_headers(&app, "/ws", &[("authorization", &key)]).await.expect("opened")
    };
    let mut own = Client::open(&app, "/ws").await;
    for socket in [&mut own, &mut other] {
        socket.text(r#"{"op":"subscribe","jobs":"all"}"#).await;
        // Its answer shows that the subscription before it was taken.
        socket.text(r#"{"op":"subscribe"}"#).await;
        assert_eq!(socket.next().await["code"], "bad_request");
    }
    let (first, second) = (submitted(&app).await, submitted(&app).await);
    let mut done = Vec::new();
    while done.len() < 2 {
        let state = own.until(|state| state["status"] == "done").await.pop().expect("one");
        done.push(state["job"].as_str().expect("an id").to_owned());
    }
    done.sort();
    assert_eq!(done, [first.to_string(), second.to_string()]);
    subscribe(&mut other, "job", first).await;
    let answer = other.next().await;
    assert_eq!(
        (&answer["ev"], &answer["code"]),
        (&Value::from("error"), &Value::from("not_found")),
        "nothing before"
    );
    drop((own, other));
    app.finish().await;
}

#[actix::test]
async fn captions_of_a_running_stream_reach_subscribers_and_its_end_too() {
    let app = TestApp::start().await;
    let mut speaker = Client::listen(&app, "&interim_results=true").await;
    let job = speaker.job();
    let mut reader = Client::open(&app, "/ws").await;
    subscribe(&mut reader, "captions", job).await;
    assert_eq!(reader.next().await["status"], "processing");
    subscribe(&mut reader, "job", job).await;
    assert_eq!(reader.next().await["ev"], "snapshot");

    speaker.pour(&said(&WORDS)).await;
    let captions = reader.until(|caption| caption["final"] == true).await;
    let settled = captions.last().expect("one");
    assert_eq!(
        (&settled["text"], &settled["lang"]),
        (&Value::from(tone::caption(&WORDS)), &Value::from("en"))
    );
    assert!(settled["start"].as_f64() < settled["end"].as_f64(), "{settled}");

    // One who comes late reads what was said.
    let mut late = Client::open(&app, "/ws").await;
    late.text(&format!(r#"{{"op":"subscribe","captions":"{job}","since":0}}"#)).await;
    late.until(|caption| caption["text"] == tone::caption(&WORDS)).await;

    speaker.close_stream().await;
    speaker.ending().await;
    let end = reader.until(|state| state["ev"] == "status" && state["status"] == "done").await;
    assert_eq!(end.last().expect("one")["job"], job.to_string());
    drop((reader, late));
    app.finish().await;
}

#[actix::test]
async fn limits_are_told_by_close_codes() {
    let settings = [
        ("status__first_message_ms", "300"),
        ("status__subscriptions_per_socket", "5"),
        ("status__messages_per_second", "50"),
        ("status__max_message_bytes", "1024"),
    ];
    let app = TestApp::with(&settings).await;
    let mut jobs = Vec::new();
    for _ in 0..6 {
        jobs.push(submitted(&app).await);
    }
    let nothing_asked = Client::open(&app, "/ws").await.ending().await;
    assert_eq!(nothing_asked.code(), Some(1008));

    let mut greedy = Client::open(&app, "/ws").await;
    for job in &jobs {
        subscribe(&mut greedy, "job", *job).await;
    }
    assert_eq!(greedy.ending().await.code(), Some(4429));

    let mut hasty = Client::open(&app, "/ws").await;
    for _ in 0..60 {
        subscribe(&mut hasty, "job", jobs[0]).await;
    }
    assert_eq!(hasty.ending().await.code(), Some(4429));

    for (bytes, code) in [
        (frame(0x82, b"binary"), 1008),
        (frame(0x82, b""), 1008),
        (frame(0x81, &[0xff]), 1007),
        (frame(0x81, &[b' '; 1_025]), 1009),
        (frame(0x80, b""), 1002),
    ] {
        let mut socket = Client::open(&app, "/ws").await;
        socket.raw(&bytes).await;
        assert_eq!(socket.ending().await.code(), Some(code), "{bytes:?}");
    }
    app.finish().await;
}

#[actix::test]
async fn a_status_client_that_stops_reading_is_cut() {
    let app = TestApp::with(&[("status__ping_interval_ms", "100"), ("status__pong_timeout_ms", "300")]).await;
    let id = submitted(&app).await;
    let mut socket = Client::open(&app, "/ws").await;
    subscribe(&mut socket, "job", id).await;
    // Nothing is read, so no ping is answered; the connection stays open on this side.
    app.idle().await;
    drop(socket);
    app.finish().await;
}

#[actix::test]
async fn the_handshake_is_refused_as_rest_refuses_and_the_protocol_is_answered() {
    let app = TestApp::with(&[("limits__sockets_per_account", "2")]).await;
    let authorization = format!("Bearer {}", app.key);
    let refusal = async |headers: &[(&str, &str)]| match Client::with_headers(&app, "/ws", headers).await {
        Err(Error::Http(answer)) => {
            assert_eq!(answer.headers()["content-type"], "application/problem+json");
            answer.status().as_u16()
        }
        other => panic!("{:?}", other.map(|client| client.headers)),
    };
    assert_eq!(refusal(&[]).await, 401);
    assert_eq!(refusal(&[("authorization", "Bearer sv_wrong")]).await, 401);
    let foreign = [("authorization", authorization.as_str()), ("origin", "https://elsewhere.example")];
    assert_eq!(refusal(&foreign).await, 403);
    let plain = app.get("/ws").await;
    assert_eq!(
        (plain.status().as_u16(), plain.headers()["upgrade"].to_str().expect("text")),
        (426, "websocket")
    );

    let offered = [("authorization", authorization.as_str()), ("sec-websocket-protocol", "saas.v1")];
    let first = Client::with_headers(&app, "/ws", &offered).await.expect("opened");
    assert_eq!(first.headers["sec-websocket-protocol"], "saas.v1");
    let _second = Client::open(&app, "/ws").await;
    assert_eq!(refusal(&[("authorization", &authorization)]).await, 429);
    drop(first);
    app.until("a place is free again", async || {
        Client::with_headers(&app, "/ws", &[("authorization", &authorization)]).await.ok().map(drop)
    })
    .await;
    drop(_second);
    app.finish().await;
}
