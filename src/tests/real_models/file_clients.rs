//! The official client libraries against the doors for files: deepgram-sdk 4.x and 7.x and openai (PyPI), @deepgram/sdk 5.x and
//! openai (npm). Each transcribes a recording as its users would, and is refused as its users would see it.

use super::binary::{Server, recording, told, tools_dir};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::Command;

const WORDS: [&str; 4] = ["ever tried", "ever failed", "no matter", "try again"];

/// What Deepgram's libraries print.
#[derive(Deserialize, Debug)]
struct Deepgram {
    transcript: String,
    words: Vec<(String, f64, f64)>,
    sentences: Vec<String>,
    utterances: Vec<String>,
    duration: f64,
    channels: u16,
    request_id: String,
    sha256: String,
    bad_key: Refusal,
    bad_file: Refusal,
    address: Refusal,
}

#[derive(Deserialize, Debug)]
struct Refusal {
    kind: String,
    status: u16,
    #[serde(default)]
    told: String,
    #[serde(default)]
    code: Option<String>,
    #[serde(default)]
    param: Option<String>,
}

/// What OpenAI's libraries print.
#[derive(Deserialize, Debug)]
struct OpenAi {
    text: String,
    seconds: f64,
    plain: String,
    srt: String,
    vtt: String,
    language: String,
    duration: f64,
    words: Vec<(String, f64, f64)>,
    segments: Vec<String>,
    translated: String,
    bad_key: Refusal,
    bad_file: Refusal,
    streamed: Refusal,
    other_language: Refusal,
}

fn script(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("src/tests/clients").join(name)
}

fn packages(name: &str) -> PathBuf {
    let packages = tools_dir().join(name);
    assert!(packages.is_dir(), "{} is missing; run `make setup-test`", packages.display());
    packages
}

fn python(name: &str, library: &str) -> Command {
    let mut command = Command::new("python3");
    command.env("PYTHONPATH", packages(library)).arg(script(name));
    command
}

/// A script from standard input finds its packages in the folder that it runs in.
fn node(name: &str) -> Command {
    let mut command = Command::new("node");
    command
        .args(["--input-type=module", "-"])
        .current_dir(packages("node"))
        .stdin(File::open(script(&format!("node/{name}"))).expect("the script"));
    command
}

fn heard_by<T: DeserializeOwned>(mut client: Command) -> T {
    let server = Server::start();
    client.args([&server.url, &server.new_key()]).arg(recording("sample-speech/beckett.wav"));
    let output = client.output().expect("started");
    assert!(output.status.success(), "{}", told(&output));
    serde_json::from_slice(&output.stdout).unwrap_or_else(|error| panic!("{error}: {}", told(&output)))
}

fn assert_said(text: &str) {
    let text =
        text.to_lowercase().replace([',', '.', '\n'], " ").split_whitespace().collect::<Vec<_>>().join(" ");
    for words in WORDS {
        assert!(text.contains(words), "{words:?} is missing in {text:?}");
    }
}

fn assert_in_order(words: &[(String, f64, f64)], duration_s: f64) {
    assert!(words.len() > 10, "{words:?}");
    assert!(words.windows(2).all(|pair| pair[0].1 <= pair[0].2 && pair[0].1 <= pair[1].1), "{words:?}");
    assert!(words.last().is_some_and(|(_, _, end)| *end <= duration_s + 0.01), "{words:?}");
}

fn check_deepgram(heard: &Deepgram, kinds: [&str; 2]) {
    assert_said(&heard.transcript);
    assert_in_order(&heard.words, heard.duration);
    assert_said(&heard.sentences.join(" "));
    assert_said(&heard.utterances.join(" "));
    // There is a pause of a second in the middle; how long the others are heard to be depends on the processor.
    assert!(heard.utterances.len() >= 2, "{heard:#?}");
    assert!((heard.duration - 9.97).abs() < 0.1 && heard.channels == 1, "{heard:#?}");
    assert!(uuid::Uuid::try_parse(&heard.request_id).is_ok() && heard.sha256.len() == 64, "{heard:#?}");
    let [plain, bad_request] = kinds;
    for (refusal, kind, status, code) in [
        (&heard.bad_key, plain, 401, "INVALID_AUTH"),
        (&heard.bad_file, plain, 415, "UNSUPPORTED_MEDIA_TYPE"),
        (&heard.address, bad_request, 400, "fetches no addresses"),
    ] {
        assert_eq!((refusal.kind.as_str(), refusal.status), (kind, status), "{refusal:?}");
        // Version 4 shows the sentence alone.
        let sentence = if status == 401 { "not valid" } else { "not supported" };
        assert!(refusal.told.contains(code) || refusal.told.contains(sentence), "{refusal:?}");
    }
}

fn check_openai(heard: &OpenAi) {
    for text in [&heard.text, &heard.plain, &heard.srt, &heard.vtt, &heard.translated] {
        assert!(text.to_lowercase().contains("ever tried"), "{text}");
    }
    assert_said(&heard.text);
    assert_said(&heard.segments.join(" "));
    assert_in_order(&heard.words, heard.duration);
    assert!(heard.srt.starts_with("1\n00:00:00,") && heard.vtt.starts_with("WEBVTT\n"), "{heard:#?}");
    assert_eq!((heard.seconds, heard.language.as_str()), (10.0, "english"));
    for (refusal, kind, status, code, param) in [
        (&heard.bad_key, "AuthenticationError", 401, "invalid_api_key", None),
        (&heard.bad_file, "BadRequestError", 400, "media_unsupported", None),
        (&heard.streamed, "BadRequestError", 400, "bad_request", Some("stream")),
        (&heard.other_language, "BadRequestError", 400, "bad_request", Some("language")),
    ] {
        assert_eq!((refusal.kind.as_str(), refusal.status), (kind, status), "{refusal:?}");
        assert_eq!((refusal.code.as_deref(), refusal.param.as_deref()), (Some(code), param), "{refusal:?}");
    }
}

#[test]
fn deepgram_for_python_version_4() {
    let kind = "DeepgramApiError";
    check_deepgram(&heard_by(python("files_4.py", "deepgram-4")), [kind, kind]);
}

#[test]
fn deepgram_for_python_version_7() {
    check_deepgram(&heard_by(python("files_7.py", "deepgram-7")), ["ApiError", "BadRequestError"]);
}

#[test]
fn deepgram_for_node_version_5() {
    check_deepgram(&heard_by(node("deepgram.mjs")), ["DeepgramError", "BadRequestError"]);
}

#[test]
fn openai_for_python() {
    check_openai(&heard_by(python("openai_files.py", "openai")));
}

#[test]
fn openai_for_node() {
    check_openai(&heard_by(node("openai.mjs")));
}
