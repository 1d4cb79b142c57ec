//! Translation by the real binary and models: texts there and back, speech with its cues' times, subtitles, a crash.

use super::binary::{Server, recording};
use super::client::BackEnd;
use super::text::{word_error_rate, words};

const INTO_PORTUGUESE: &str = r#"{"type":"translation","target_language":"pt"}"#;
const INTO_ENGLISH: &str = r#"{"type":"translation","language":"pt","target_language":"en"}"#;

/// Submits a file, waits for its end, and returns the job's id.
async fn translated(back_end: &BackEnd, params: &str, name: &str, file: &[u8]) -> String {
    let id = back_end.submit_with(params, name, file.to_vec()).await;
    let job = back_end.ended(&id).await;
    assert_eq!((job["status"].as_str(), job["progress"].as_u64()), (Some("done"), Some(100)), "{job}");
    id
}

fn times(subtitles: &str) -> Vec<&str> {
    subtitles.lines().filter(|line| line.contains("-->")).collect()
}

/// Returns the text of subtitles without numbers and times.
fn said(subtitles: &str) -> String {
    let lines = subtitles.lines().filter(|line| !line.contains("-->") && line.parse::<u32>().is_err());
    lines.collect::<Vec<_>>().join(" ")
}

#[tokio::test]
async fn a_text_goes_into_another_language_and_back() {
    let server = Server::start();
    let back_end = BackEnd::of(&server);
    let text =
        "The weather is nice today.\n\nI would like a cup of coffee, please. Where is the train station?\n";
    let there = translated(&back_end, INTO_PORTUGUESE, "letter.txt", text.as_bytes()).await;
    let portuguese = back_end.artifact(&there, "translation").await;
    assert!(portuguese.contains("café") && portuguese.contains("hoje"), "{portuguese}");
    assert_eq!(portuguese.matches("\n\n").count(), 1, "{portuguese}");
    let back = translated(&back_end, INTO_ENGLISH, "carta.txt", portuguese.as_bytes()).await;
    let english = back_end.artifact(&back, "translation?lang=en").await;
    let rate = word_error_rate(&words(text), &words(&english));
    assert!(rate < 0.3, "{rate}: {english}");
}

#[tokio::test]
async fn translated_subtitles_keep_the_times_of_their_cues() {
    let server = Server::start();
    let back_end = BackEnd::of(&server);
    let speech = std::fs::read(recording("test-speech/two_cities.wav")).expect("readable");
    let id = translated(&back_end, INTO_PORTUGUESE, "two_cities.wav", &speech).await;
    for kind in ["srt", "vtt"] {
        let original = back_end.artifact(&id, kind).await;
        let portuguese = back_end.artifact(&id, &format!("{kind}?lang=pt")).await;
        assert!(times(&original).len() > 5, "{original}");
        assert_eq!(times(&original), times(&portuguese));
    }
    let (srt, text) =
        (back_end.artifact(&id, "srt?lang=pt").await, back_end.artifact(&id, "translation").await);
    assert_eq!(words(&said(&srt)), words(&text), "every word once and in order");
    assert!(text.contains("tempos") && text.contains("sabedoria"), "{text}");
    assert!(srt.lines().all(|line| line.chars().count() <= 60), "{srt}");
    println!("{srt}");

    // The same subtitles as an input of their own.
    let original = back_end.artifact(&id, "srt").await;
    let again = translated(&back_end, INTO_PORTUGUESE, "two_cities.srt", original.as_bytes()).await;
    let portuguese = back_end.artifact(&again, "srt?lang=pt").await;
    assert_eq!(times(&original), times(&portuguese));
    assert!(said(&portuguese).contains("tempos"), "{portuguese}");
}

#[tokio::test]
async fn a_translation_that_a_crash_cut_off_is_done_once() {
    let server = Server::start();
    let back_end = BackEnd::of(&server);
    let text = "It was the best of times, it was the worst of times.\n".repeat(400);
    let id = back_end.submit_with(INTO_PORTUGUESE, "long.txt", text.into_bytes()).await;
    while back_end.job(&id).await["status"] == "queued" {
        tokio::time::sleep(std::time::Duration::from_millis(20)).await;
    }
    let server = Server::start_on(server.kill());
    let back_end = back_end.moved_to(&server);
    let job = back_end.ended(&id).await;
    assert_eq!(job["status"], "done", "{job}");
    assert_eq!(job["artifacts"].as_array().map(Vec::len), Some(2), "{job}");
    let portuguese = back_end.artifact(&id, "translation").await;
    assert_eq!(portuguese, "Foi o melhor dos tempos, foi o pior dos tempos.\n".repeat(400));
}
