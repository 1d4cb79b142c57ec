//! What other programs match on: codes, close frames, metric names and the fields of captions. A change here breaks
//! somebody; a test that fails says so.

use crate::app::TestApp;
use crate::client::{Client, finals};
use crate::sound::said;
use serde_json::Value;
use sottovoce::http::error::status_of;
use sottovoce_protocol::close_code;
use sottovoce_protocol::error_code::ErrorCode;
use std::collections::BTreeSet;

/// Every error code with its HTTP status.
const ERRORS: &str = "\
bad_request 400
bad_cursor 400
unauthorized 401
login_failed 401
refresh_invalid 401
refresh_reused 401
reauth_required 401
ticket 401
csrf 403
registration_closed 403
link_invalid 400
email_taken 409
email_unverified 403
password_unsuitable 422
too_many_keys 409
bad_return_to 400
idp_unavailable 503
scope 403
origin 403
not_found 404
method_not_allowed 405
not_ready 409
idempotency_mismatch 422
too_large 413
upload_too_slow 408
range_not_satisfiable 416
rate_limited 429
too_many_jobs 429
too_many_sockets 429
timed_out 504
at_capacity 429
upgrade_required 426
shutting_down 503
storage_unavailable 503
media_unsupported 415
media_corrupt 422
media_too_long 422
no_audio 422
duration_mismatch 422
text_invalid 422
language_unsupported 422
model_unknown 400
provider_unavailable 502
provider_rejected 502
credits_exhausted 402
lease_expired 503
canceled 409
internal 500
";

/// Every close: code, whether to connect again, reason.
const CLOSES: &str = "\
1000 stay \n\
1001 again server is leaving, reconnect
1002 stay protocol error
1007 stay text is not valid UTF-8
1008 stay DATA-0000
1008 stay policy violation
1009 stay message too big
1011 again NET-0001: no audio data or text message within the timeout window
1011 again internal error
4401 stay session over
4402 stay credits exhausted
4403 stay not allowed
4408 again too slow
4429 again too many
";

/// Every family of metrics.
const METRICS: [&str; 18] = [
    "sottovoce_engine_audio_seconds",
    "sottovoce_engine_busy_seconds",
    "sottovoce_engine_busy_workers",
    "sottovoce_engine_final_wait_seconds",
    "sottovoce_engine_interim_stretch",
    "sottovoce_engine_listen_waiting",
    "sottovoce_engine_listening_seconds",
    "sottovoce_engine_oldest_wait_seconds",
    "sottovoce_engine_units",
    "sottovoce_engine_waiting_units",
    "sottovoce_engine_workers",
    "sottovoce_live_sockets",
    "sottovoce_live_stream_capacity",
    "sottovoce_live_streams",
    "sottovoce_queued_jobs",
    "sottovoce_resident_memory_bytes",
    "sottovoce_status_sockets",
    "sottovoce_streams",
];

#[test]
fn error_codes_and_their_statuses() {
    let table: String =
        ErrorCode::ALL.iter().map(|code| format!("{code} {}\n", status_of(*code).as_u16())).collect();
    assert_eq!(table, ERRORS);
}

#[test]
fn close_codes_and_their_reasons() {
    let row = |close: &close_code::Close| {
        format!("{} {} {}\n", close.code, if close.reconnect { "again" } else { "stay" }, close.reason)
    };
    assert_eq!(close_code::ALL.iter().map(row).collect::<String>(), CLOSES);
}

#[actix::test]
async fn metric_names() {
    let app = TestApp::start().await;
    let page = app.metrics().await;
    let names: BTreeSet<&str> =
        page.lines().filter_map(|line| line.strip_prefix("# TYPE ")?.split(' ').next()).collect();
    assert_eq!(names.into_iter().collect::<Vec<_>>(), METRICS);
    assert!(page.ends_with("# EOF\n"), "a whole OpenMetrics page");
    app.finish().await;
}

fn fields(value: &Value) -> Vec<&str> {
    value.as_object().expect("an object").keys().map(String::as_str).collect()
}

#[actix::test]
async fn fields_of_captions_are_those_that_clients_require() {
    let app = TestApp::start().await;
    let mut client = Client::listen(&app, "&extra=room:7&interim_results=true").await;
    client.pour(&said(&[5, 6, 7, 8, 9, 10, 11, 12])).await;
    client.close_stream().await;
    let ending = client.ending().await;
    let caption = finals(&ending.frames)
        .find(|caption| caption["channel"]["alternatives"][0]["transcript"] != "")
        .expect("a caption with words");
    assert_eq!(
        fields(caption),
        [
            "channel",
            "channel_index",
            "duration",
            "from_finalize",
            "is_final",
            "metadata",
            "speech_final",
            "start",
            "type"
        ]
    );
    let alternative = &caption["channel"]["alternatives"][0];
    assert_eq!(fields(alternative), ["confidence", "transcript", "words"]);
    let word = &alternative["words"][0];
    assert_eq!(fields(word), ["confidence", "end", "punctuated_word", "start", "word"]);
    assert!(alternative["confidence"].is_f64() && word["start"].is_number());
    let metadata = &caption["metadata"];
    assert_eq!(fields(metadata), ["extra", "model_info", "model_uuid", "request_id"]);
    assert_eq!(fields(&metadata["model_info"]), ["arch", "name", "version"]);
    assert_eq!(metadata["extra"]["room"], "7");
    let model = metadata["model_uuid"].as_str().expect("text");
    model.parse::<uuid::Uuid>().expect("a UUID");

    let last = ending.frames.last().expect("frames");
    assert_eq!(
        fields(last),
        [
            "channels",
            "created",
            "duration",
            "extra",
            "model_info",
            "models",
            "request_id",
            "sha256",
            "transaction_key",
            "type"
        ]
    );
    assert_eq!(
        (&last["models"][0], &last["transaction_key"]),
        (&Value::from(model), &Value::from("deprecated"))
    );
    assert!(last["created"].as_str().is_some_and(|created| created.ends_with('Z')), "{last}");
    app.finish().await;
}
