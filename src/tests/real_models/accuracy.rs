//! What the default models make of 44 seconds of real speech, live and as a file: the opening of A Tale of Two Cities,
//! whose text is known.

use super::binary::{Server, recording};
use super::client::BackEnd;
use super::text::{word_error_rate, words};
use serde_json::Value;

const REFERENCE: &str = "It was the best of times, it was the worst of times, it was the age of wisdom, it was the age \
    of foolishness, it was the epoch of belief, it was the epoch of incredulity, it was the season of light, it was the \
    season of darkness, it was the spring of hope, it was the winter of despair, we had everything before us, we had \
    nothing before us, we were all going direct to heaven, we were all going direct the other way. In short, the \
    period was so far like the present period that some of its noisiest authorities insisted on its being received, for good \
    or for evil, in the superlative degree of comparison only.";

/// The project's own bound for batch on clean and noisy speech together.
const MOST_ERRORS: f64 = 0.07;
/// How much worse live may be: three words of the 119.
const LIVE_MARGIN: f64 = 0.026;

#[tokio::test]
async fn known_speech_is_heard_live_and_as_a_file() {
    let server = Server::start();
    let back_end = BackEnd::of(&server);
    let speech = recording("test-speech/two_cities.wav");
    let reference = words(REFERENCE);

    let id = back_end.submit(&speech).await;
    let job = back_end.ended(&id).await;
    assert_eq!(job["status"], "done", "{job}");
    let batch = word_error_rate(&reference, &words(&back_end.artifact(&id, "transcript").await));
    assert!(batch <= MOST_ERRORS, "batch: {:.1} % of the words are wrong", batch * 100.0);

    let mut stream = back_end.listen(&speech).await;
    let mut captions = Vec::new();
    while let Some(text) = stream.next_final().await {
        captions.extend(words(&text));
    }
    let live = word_error_rate(&reference, &captions);
    assert!(live <= batch + LIVE_MARGIN, "live {:.1} %, batch {:.1} % wrong", live * 100.0, batch * 100.0);

    check_document(&back_end.artifact(&id, "json").await);
    let subtitles = back_end.artifact(&id, "srt").await;
    assert!(subtitles.starts_with("1\n00:00:0"), "{subtitles}");
}

/// Words are in order, inside of the recording, and their confidence is measured, not constant.
fn check_document(text: &str) {
    let document: Value = serde_json::from_str(text).expect("JSON");
    let segments = document["segments"].as_array().expect("segments");
    let heard: Vec<&Value> =
        segments.iter().flat_map(|segment| segment["words"].as_array().expect("words")).collect();
    let number = |value: &Value| value.as_f64().expect("a number");
    let mut before = 0.0;
    for word in &heard {
        let (start, end) = (number(&word["start"]), number(&word["end"]));
        assert!(before <= start + 1e-6 && start <= end && end <= 44.5, "{word}");
        before = start;
    }
    let confidences: std::collections::BTreeSet<String> =
        heard.iter().map(|word| format!("{:.3}", number(&word["confidence"]))).collect();
    assert!(confidences.len() > heard.len() / 4, "confidence is a constant: {confidences:?}");
}
