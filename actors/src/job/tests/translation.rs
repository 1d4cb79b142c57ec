//! Translation jobs in virtual time: speech and texts, the models between two languages, faults, cancels, stops.

use super::*;

const INTO_PORTUGUESE: &str = r#"{"type":"translation","target_language":"pt-BR"}"#;

/// Media begin with a control byte, so that a script is not taken for a text.
fn spoken(script: &str) -> Vec<u8> {
    format!("{script}\n\u{0}").into_bytes()
}

fn kinds(world: &World, id: JobId) -> Vec<String> {
    let row = world.row(id);
    row.artifacts
        .iter()
        .map(|artifact| format!("{} {}", artifact.kind.as_str(), artifact.lang).trim().to_owned())
        .collect()
}

fn times(subtitles: &str) -> Vec<&str> {
    subtitles.lines().filter(|line| line.contains("-->")).collect()
}

#[actix::test]
async fn speech_is_heard_and_then_translated_at_the_same_times() {
    let world = World::new(ScriptedEngine::new());
    let id = world.submit_with(&spoken(TALK), INTO_PORTUGUESE).await;
    assert_eq!(world.run().await, Exit::Done);
    let row = world.row(id);
    assert_eq!((row.status, row.progress.0, row.duration_ms), (JobStatus::Done, 1000, Some(7_500)));
    assert_eq!(kinds(&world, id), ["json", "srt", "srt pt", "transcript", "translation pt", "vtt", "vtt pt"]);
    assert_eq!(world.artifact(id, ArtifactKind::Transcript), b"w1 w2 w3\n\nw4 w5\n");
    assert_eq!(world.translated(id, ArtifactKind::Translation), "pt:w1 pt:w2 pt:w3\n\npt:w4 pt:w5\n");
    let original = String::from_utf8(world.artifact(id, ArtifactKind::Srt)).unwrap();
    let translated = world.translated(id, ArtifactKind::Srt);
    assert_eq!(times(&original), times(&translated));
    assert_eq!(times(&original).len(), 2);
    assert!(translated.contains("pt:w1 pt:w2 pt:w3"), "{translated}");
    let transcript = world.transcript(id);
    assert_eq!((transcript.language.as_str(), transcript.model.as_str()), ("en", "moonshine"));
    let texts: Vec<_> =
        transcript.translations["pt"].iter().map(|part| (part.id, part.text.as_str())).collect();
    assert_eq!(texts, [(0, "pt:w1 pt:w2 pt:w3"), (1, "pt:w4 pt:w5")]);
}

#[actix::test]
async fn a_text_keeps_its_paragraphs() {
    let world = World::new(ScriptedEngine::new());
    let id = world.submit_with("Title\n\n\nOne. Two.\nThree".as_bytes(), INTO_PORTUGUESE).await;
    assert_eq!(world.run().await, Exit::Done);
    assert_eq!(kinds(&world, id), ["json", "translation pt"]);
    assert_eq!(world.translated(id, ArtifactKind::Translation), "pt:Title\n\n\npt:One. pt:Two.\npt:Three\n");
    let transcript = world.transcript(id);
    assert_eq!((transcript.engine.as_str(), transcript.model.as_str()), ("fxtranslate", "translate-en-pt"));
    assert_eq!(world.recogniser.counted().computed, 4);
}

#[actix::test]
async fn an_empty_text_is_done_with_an_empty_body() {
    let world = World::new(ScriptedEngine::new());
    let id = world.submit_with(b"\n \n", INTO_PORTUGUESE).await;
    assert_eq!(world.run().await, Exit::Done);
    assert_eq!(world.row(id).status, JobStatus::Done);
    assert_eq!(world.translated(id, ArtifactKind::Translation), "");
}

#[actix::test]
async fn subtitles_keep_their_times() {
    let world = World::new(ScriptedEngine::new());
    let file = "1\n00:00:01,000 --> 00:00:02,500\nEver tried,\never failed.\n\n2\n00:01:00,250 --> 00:01:01,000\nNo matter.\n";
    let id = world.submit_with(file.as_bytes(), INTO_PORTUGUESE).await;
    assert_eq!(world.run().await, Exit::Done);
    assert_eq!(kinds(&world, id), ["json", "srt pt", "translation pt", "vtt pt"]);
    assert_eq!(
        world.translated(id, ArtifactKind::Srt),
        "1\n00:00:01,000 --> 00:00:02,500\npt:Ever pt:tried, pt:ever pt:failed.\n\n\
         2\n00:01:00,250 --> 00:01:01,000\npt:No pt:matter.\n"
    );
}

#[actix::test]
async fn two_models_lead_where_one_does_not() {
    let mut world = World::new(ScriptedEngine::new());
    let translator = ScriptedTranslator::new(&[("pt", "en"), ("en", "de")]);
    world.ports.translator = Arc::new(translator.clone());
    let params = r#"{"type":"translation","language":"pt","target_language":"de"}"#;
    let id = world.submit_with("um dois".as_bytes(), params).await;
    assert_eq!(world.run().await, Exit::Done);
    assert_eq!(world.translated(id, ArtifactKind::Translation), "de:en:um de:en:dois\n");
    assert_eq!(world.transcript(id).model, "translate-pt-en+translate-en-de");

    let no_way = world.submit_with(b"text", r#"{"type":"translation","target_language":"fr"}"#).await;
    assert_eq!(world.run().await, Exit::Done);
    assert_eq!(world.row(no_way).error_code, Some(ErrorCode::LanguageUnsupported));
}

#[actix::test]
async fn texts_at_fault_fail_at_once_with_their_code() {
    let world = World::new(ScriptedEngine::new());
    for (file, code) in [
        (b"caf\xe9".to_vec(), ErrorCode::TextInvalid),
        (b"a ".repeat(5_001), ErrorCode::TooLarge),
        (b"\0\x01binary".to_vec(), ErrorCode::MediaUnsupported),
    ] {
        let id = world.submit_with(&file, INTO_PORTUGUESE).await;
        assert_eq!(world.run().await, Exit::Done);
        let row = world.row(id);
        assert_eq!((row.status, row.error_code, row.attempt), (JobStatus::Failed, Some(code), 1));
        assert_eq!(row.artifacts, []);
    }
}

#[actix::test]
async fn a_translator_that_fails_or_panics_costs_an_attempt() {
    let mut world = World::new(ScriptedEngine::new());
    let pairs = [("en", "pt")];
    for translator in
        [ScriptedTranslator::new(&pairs).with_fault(1), ScriptedTranslator::new(&pairs).with_panic(1)]
    {
        world.ports.translator = Arc::new(translator);
        let id = world.submit_with(b"One. Two. Three.", INTO_PORTUGUESE).await;
        assert_eq!(world.run().await, Exit::Done);
        assert_eq!((world.row(id).status, world.row(id).attempt), (JobStatus::Queued, 1));
        tokio::time::advance(Duration::from_secs(13)).await;
        assert_eq!(world.run().await, Exit::Done);
        assert_eq!(world.translated(id, ArtifactKind::Translation), "pt:One. pt:Two. pt:Three.\n");
    }
}

/// A text whose sentences take 5 s each.
async fn slow_text(world: &World) -> (JobId, Tell<JobOrder>, oneshot::Receiver<Exit>) {
    world.recogniser.set_delay(Duration::from_secs(5));
    let id = world.submit_with("A sentence. ".repeat(40).as_bytes(), INTO_PORTUGUESE).await;
    let (job, lease) = world.claim().await;
    let (orders, exit) = world.start(job, lease);
    (id, orders, exit)
}

#[actix::test]
async fn progress_grows_while_a_text_is_translated() {
    let world = World::new(ScriptedEngine::new());
    let (id, _orders, exit) = slow_text(&world).await;
    assert_eq!(exit.await.unwrap(), Exit::Done);
    let states = world.states(id);
    assert!(states.len() > 5, "{states:?}");
    assert!(states.windows(2).all(|pair| pair[0].progress <= pair[1].progress && pair[0].seq <= pair[1].seq));
    assert!(states.iter().any(|state| (20..90).contains(&state.progress)), "{states:?}");
}

#[actix::test]
async fn a_cancelled_translation_stops_between_sentences() {
    let world = World::new(ScriptedEngine::new());
    let (id, _orders, exit) = slow_text(&world).await;
    tokio::time::sleep(Duration::from_secs(7)).await;
    world.store.delete(world.account, id, world.now()).await.unwrap();
    assert_eq!(exit.await.unwrap(), Exit::Done);
    assert_eq!(world.row(id).error_code, Some(ErrorCode::Canceled));
    let asked = world.recogniser.counted().computed;
    assert!(asked < 12, "{asked}");
    tokio::time::sleep(Duration::from_secs(60)).await;
    assert_eq!(world.recogniser.counted().computed, asked);
    assert_eq!(world.files.names(), [StorageRef(format!("uploads/{id}"))], "no artifact");
}

#[actix::test]
async fn a_stop_gives_a_translation_back_without_counting_the_attempt() {
    let world = World::new(ScriptedEngine::new());
    let (id, orders, exit) = slow_text(&world).await;
    tokio::time::sleep(Duration::from_secs(7)).await;
    orders.tell(JobOrder::Release).unwrap();
    assert_eq!(exit.await.unwrap(), Exit::Drained);
    assert_eq!((world.row(id).status, world.row(id).attempt), (JobStatus::Queued, 0));
}

#[actix::test]
async fn a_translation_that_never_comes_is_a_fault() {
    let world = World::new(ScriptedEngine::new());
    world.recogniser.set_delay(Duration::from_secs(86_400));
    let id = world.submit_with(b"One. Two.", INTO_PORTUGUESE).await;
    assert_eq!(world.run().await, Exit::Done);
    assert_eq!((world.row(id).status, world.row(id).attempt), (JobStatus::Queued, 1));
}
