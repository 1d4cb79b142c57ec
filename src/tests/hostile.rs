//! Bad input on real sockets: seeded hostile frames, handshakes and media files, each answered as documented, and nothing
//! of it left in the server. `sottovoce-loadtest hostile` runs the same cases by the thousand.

use crate::app::TestApp;
use crate::sound::wav;
use bytes::Bytes;
use sottovoce_loadtest::endpoint::Endpoint;
use sottovoce_loadtest::hostile::{self, HostileReport, Seed};

/// Printed by a failing test; `--seed` of the load client takes it.
const SEED: Seed = Seed(20_261_122);
const FRAMES: usize = 300;
const FILES: usize = 40;

fn assert_well(report: &HostileReport, cases: usize) {
    eprintln!("seed {}: {:#?}", report.seed, report.outcomes);
    assert_eq!(report.cases, cases);
    assert!(report.outcomes.len() > 3, "the cases differ");
    assert!(report.is_well(), "{:#?}", report.unexpected);
}

async fn endpoint(settings: &[(&str, &str)]) -> (TestApp, Endpoint) {
    let app = TestApp::with(settings).await;
    let endpoint = Endpoint::new(&app.url(""), &app.key).expect("a server");
    (app, endpoint)
}

#[actix::test]
async fn hostile_frames_and_handshakes_are_answered_with_documented_codes() {
    let (app, endpoint) = endpoint(&[]).await;
    let report = hostile::frames(&endpoint, SEED, 0..FRAMES, 8).await;
    assert_well(&report, FRAMES);
    app.finish().await;
}

#[actix::test]
async fn mutated_files_are_answered_with_documented_codes() {
    let (app, endpoint) = endpoint(&[]).await;
    let bases = [Bytes::from(wav(&[1, 2, 3, 4])), hostile::made_up_wav()];
    let report = hostile::media(&endpoint, SEED, 0..FILES, &bases, 4).await;
    assert_well(&report, FILES);
    app.until("the queue is empty", async || {
        (app.metric("sottovoce_queued_jobs").await == 0.0).then_some(())
    })
    .await;
    app.finish().await;
}
