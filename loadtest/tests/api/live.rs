//! One stream at a time against the stand-in: every kind of end, and the promises checked.

use crate::fake::{Fake, Listen};
use sottovoce_loadtest::audio::Clip;
use sottovoce_loadtest::endpoint::Endpoint;
use sottovoce_loadtest::live::{Behaviour, End, Plan, Record, StreamFigures, base_query, measure, play};
use sottovoce_loadtest::playlist::{Arrangement, Programme};
use std::sync::Arc;
use std::time::Duration;

fn programme(seconds: f64) -> Arc<Programme> {
    let samples = vec![7_i16; (seconds * 16_000.0) as usize];
    let clip = Arc::new(Clip { path: "a.wav".into(), samples });
    let once = Arrangement { fill_frames: None, stop_frames: None, gap_frames: 0, channels: 1 };
    Arc::new(Programme::new(&[clip], 0, once))
}

async fn played(listen: Listen, behaviour: Behaviour, paced: bool, seconds: f64) -> (Record, StreamFigures) {
    let fake = Fake::start(listen).await;
    let endpoint = Endpoint::new(&fake.url(), "sv_test").unwrap();
    let plan = Plan {
        programme: programme(seconds),
        query: base_query(1),
        start_after: Duration::ZERO,
        chunk_ms: 50,
        paced,
        behaviour,
        close_limit: Duration::from_secs(20),
        keep_raw: true,
    };
    let programme = Arc::clone(&plan.programme);
    let record = play(endpoint, plan, None).await;
    let figures = measure(0, &record, &programme, None);
    let head = fake.seen.lock().unwrap().heads[0].to_lowercase();
    assert!(head.contains("authorization: token sv_test"), "{head}");
    assert!(head.contains("encoding=linear16") && head.contains("sample_rate=16000"), "{head}");
    (record, figures)
}

#[tokio::test]
async fn a_good_stream_is_paced_measured_and_found_contiguous() {
    let (record, figures) = played(Listen::Good, Behaviour::Good, true, 2.2).await;
    assert_eq!(figures.end, End::Closed { code: 1000, reason: String::new() });
    assert!(record.ended.at >= Duration::from_millis(2_200), "audio goes out in real time");
    assert!(figures.contiguity.is_kept(), "{:?}", figures.contiguity);
    assert_eq!(
        (figures.final_lag.count, figures.empty_final_lag.count, figures.interim_lag.count),
        (2, 1, 2)
    );
    assert!(figures.final_lag.max >= 0.0, "a caption cannot arrive before its audio left");
    assert_eq!((figures.words, figures.unknown_frames, figures.beyond_sent), (4, 0, 0));
    assert!(figures.metadata_off.unwrap().abs() < 1e-6);
    assert_eq!(record.raw.len(), 6);
}

#[tokio::test]
async fn an_unpaced_stream_does_not_wait() {
    let (record, figures) = played(Listen::Good, Behaviour::Good, false, 600.0).await;
    assert_eq!(figures.end, End::Closed { code: 1000, reason: String::new() });
    assert!(record.ended.at < Duration::from_secs(600));
    assert_eq!(figures.audio_s, 600.0);
}

#[tokio::test]
async fn a_hole_between_finals_is_found() {
    let (_, figures) = played(Listen::Gappy, Behaviour::Good, false, 3.5).await;
    assert_eq!(figures.contiguity.gaps, 2, "{:?}", figures.contiguity);
}

#[tokio::test]
async fn a_refusal_keeps_status_retry_after_and_body() {
    let (record, figures) = played(Listen::Full, Behaviour::Good, true, 1.0).await;
    let End::Refused(refusal) = &figures.end else { panic!("{:?}", figures.end) };
    assert_eq!((refusal.status, refusal.retry_after.as_deref()), (429, Some("7")));
    assert!(!record.is_accepted());
}

#[tokio::test]
async fn a_close_in_mid_stream_ends_the_stream_with_its_code() {
    let (_, figures) = played(Listen::Closes, Behaviour::Good, true, 30.0).await;
    assert_eq!(figures.end, End::Closed { code: 1011, reason: "internal error".into() });
    assert!(figures.audio_s < 30.0, "the rest of the audio is not sent");
}

#[tokio::test]
async fn misbehaviour_is_carried_out() {
    let after = Duration::from_millis(300);
    let (record, figures) = played(Listen::Good, Behaviour::Abort { after }, true, 30.0).await;
    assert_eq!((&figures.end, record.ended.at), (&End::Aborted, after));
    assert!(!figures.well_behaved);
    // A client that does not read learns only by a failed write that the connection is gone.
    let (record, figures) =
        played(Listen::Drops, Behaviour::StallReader { after, idle: false }, true, 30.0).await;
    assert!(matches!(figures.end, End::Broken { .. }), "{:?}", figures.end);
    assert!(record.ended.at >= Duration::from_secs(1) && figures.audio_s < 30.0);
    assert!(record.captions.is_empty(), "nothing is read after the stall");
}
