//! Jobs against the stand-in: the multipart form, the key, the end, the document.

use crate::fake::{Fake, JOB, Listen};
use sottovoce_loadtest::endpoint::Endpoint;
use sottovoce_loadtest::hypotheses::HeardWord;
use sottovoce_loadtest::jobs::{Manner, hypothesis, run_jobs};
use sottovoce_loadtest::rest::{Upload, is_alive};

fn upload(content: &'static str) -> Upload {
    Upload { path: "folder/a.wav".into(), name: "a.wav".into(), bytes: content.into() }
}

#[tokio::test]
async fn jobs_are_submitted_followed_and_read() {
    let fake = Fake::start(Listen::Good).await;
    let endpoint = Endpoint::new(&fake.url(), "sv_test").unwrap();
    let manner = Manner::transcription(Some("en"), None, 2);
    let outcomes = run_jobs(&endpoint, &[upload("one"), upload("two"), upload("REFUSE-ME")], &manner).await;
    let labels: Vec<&str> = outcomes.iter().map(|o| o.outcome.as_str()).collect();
    assert_eq!(labels, ["done", "done", "refused 415 media_unsupported"]);
    assert_eq!((outcomes[0].job.as_deref(), outcomes[0].audio_s), (Some(JOB), 2.0));
    let line = hypothesis(&outcomes[0], None);
    assert_eq!((line.file.as_str(), line.hypothesis.as_str()), ("a.wav", "word 0"));
    assert_eq!(line.words[0], HeardWord("word".into(), 0.1, 0.4, f64::from(0.9_f32)));
    let keys = fake.seen.lock().unwrap().jobs.len();
    assert_eq!(keys, 3, "each job has an Idempotency-Key of its own");
    assert!(is_alive(&endpoint).await);
}
