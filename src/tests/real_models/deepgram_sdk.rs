//! Deepgram's own Python SDK, 4.x and 7.x, against the server: interims, finals, Finalize, Metadata and the close as
//! their callbacks see them.

use super::binary::{Server, recording, told, tools_dir};
use serde::Deserialize;
use std::path::Path;
use std::process::Command;

#[derive(Deserialize, Debug)]
struct Heard {
    interims: Vec<Caption>,
    finals: Vec<Caption>,
    metadata: Option<Metadata>,
    errors: Vec<String>,
}

#[derive(Deserialize, Debug)]
struct Caption {
    start: f64,
    duration: f64,
    text: String,
    words: Vec<(String, f64, f64)>,
}

#[derive(Deserialize, Debug)]
struct Metadata {
    request_id: String,
    duration: f64,
    channels: u16,
}

/// Runs the script of a version and returns what its callbacks got.
fn heard_by(version: u8) -> Heard {
    let server = Server::start();
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("src/tests/clients/listen_{version}.py"));
    let packages = tools_dir().join(format!("deepgram-{version}"));
    assert!(packages.is_dir(), "{} is missing; run `make setup-test`", packages.display());
    let mut client = Command::new("python3");
    client.arg(script).args([&server.url, &server.new_key()]).arg(recording("sample-speech/beckett.wav"));
    let output = client.env("PYTHONPATH", packages).output().expect("python3");
    assert!(output.status.success(), "{}", told(&output));
    serde_json::from_slice(&output.stdout).unwrap_or_else(|error| panic!("{error}: {}", told(&output)))
}

fn check(heard: &Heard) {
    assert!(heard.errors.is_empty(), "{heard:#?}");
    let text: Vec<&str> =
        heard.finals.iter().map(|caption| caption.text.as_str()).filter(|t| !t.is_empty()).collect();
    let text = text.join(" ").to_lowercase();
    for words in ["ever tried", "ever failed", "no matter", "try again"] {
        assert!(text.contains(words), "{words:?} is missing in {text:?}");
    }
    assert!(heard.interims.iter().any(|caption| !caption.text.is_empty()), "captions grow: {heard:#?}");

    // Finals are contiguous from 0, their words lie inside of them, and together they are the recording.
    let mut end = 0.0;
    for caption in &heard.finals {
        assert!((caption.start - end).abs() < 0.01, "{caption:?} begins elsewhere than {end}");
        end = caption.start + caption.duration;
        for (word, from, to) in &caption.words {
            assert!(
                caption.start - 0.01 <= *from && from <= to && *to <= end + 0.01,
                "{word} in {caption:?}"
            );
        }
    }
    let metadata = heard.metadata.as_ref().expect("Metadata");
    assert!((metadata.duration - 9.97).abs() < 0.1, "{metadata:?}");
    assert!(
        (metadata.duration - end).abs() < 0.01,
        "finals end at {end}, the audio at {}",
        metadata.duration
    );
    assert_eq!(metadata.channels, 1);
    assert!(uuid::Uuid::try_parse(&metadata.request_id).is_ok(), "{metadata:?}");
}

#[test]
fn version_4_streams_and_hears() {
    check(&heard_by(4));
}

#[test]
fn version_7_streams_and_hears() {
    check(&heard_by(7));
}
