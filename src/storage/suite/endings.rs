//! Finishing, failing, going back to the queue.

use super::{
    Fixture, T0, artifact, assert_lost, at, claim, claim_new, failure, finish, new_job, new_stream, node,
    object, submit,
};
use sottovoce_actors::ports::store::{
    Failure, Finish, Heartbeat, LeaseEpoch, Permille, StatusSeq, StoreError,
};
use sottovoce_protocol::error_code::ErrorCode;
use sottovoce_protocol::jobs::{ArtifactKind, JobStatus};

pub async fn a_finished_job_shows_its_artifacts(fixture: &mut impl Fixture) {
    let store = fixture.store();
    let ada = fixture.account("ada@example.org").await;
    let (job, lease) = claim_new(&*store, ada, T0).await;
    let artifacts: Vec<_> = [ArtifactKind::Json, ArtifactKind::Srt, ArtifactKind::Transcript]
        .map(|kind| artifact(lease, kind, at(7)))
        .into();
    assert!(store.job(ada, job.id).await.expect("job").artifacts.is_empty());
    let changed =
        store.finish(lease, Finish { artifacts: artifacts.clone(), duration_ms: 61_250, now: at(8) }).await;
    let changed = changed.expect("held");
    let done = store.job(ada, job.id).await.expect("job");
    assert_eq!((changed.job, changed.account, changed.seq), (job.id, ada, done.seq));
    assert_eq!((done.status, done.seq, done.progress), (JobStatus::Done, StatusSeq(3), Permille(1000)));
    assert_eq!((done.completed_at, done.duration_ms, done.error_code), (Some(at(8)), Some(61_250), None));
    assert_eq!((done.artifacts.clone(), done.input), (artifacts.clone(), None));
    let query = super::listing::all_of(ada);
    assert_eq!(store.jobs(query).await.expect("list")[0].artifacts, artifacts);
    assert_eq!(store.garbage(at(8), 10).await.expect("garbage"), [job.input.expect("input")]);
}

pub async fn a_failed_job_shows_why(fixture: &mut impl Fixture) {
    let store = fixture.store();
    let ada = fixture.account("ada@example.org").await;
    let (stream, lease) = store.open_stream(new_stream(ada, node(), T0)).await.expect("open");
    let artifacts = vec![artifact(lease, ArtifactKind::Transcript, at(5))];
    let failure = Failure {
        code: ErrorCode::LeaseExpired,
        artifacts: artifacts.clone(),
        duration_ms: Some(900),
        now: at(6),
    };
    store.fail(lease, failure).await.expect("held");
    let failed = store.job(ada, stream.id).await.expect("job");
    assert_eq!((failed.status, failed.error_code), (JobStatus::Failed, Some(ErrorCode::LeaseExpired)));
    assert_eq!(
        (failed.completed_at, failed.duration_ms, failed.progress),
        (Some(at(6)), Some(900), Permille(0))
    );
    assert_eq!(failed.artifacts, artifacts, "what was heard stays");
    assert_eq!(store.garbage(at(6), 10).await.expect("garbage"), [stream.input.expect("log")]);
}

pub async fn a_job_ends_once(fixture: &mut impl Fixture) {
    let store = fixture.store();
    let ada = fixture.account("ada@example.org").await;
    let (job, lease) = claim_new(&*store, ada, T0).await;
    store.fail(lease, failure(ErrorCode::MediaCorrupt, at(1))).await.expect("held");
    let ended = store.job(ada, job.id).await.expect("job");
    assert_lost(store.finish(lease, finish(lease, at(2))).await);
    assert_lost(store.fail(lease, failure(ErrorCode::Internal, at(2))).await);
    assert_lost(store.retry(lease, at(3), at(2)).await);
    assert_lost(store.release(lease, at(2)).await);
    assert_lost(store.heartbeat(lease, at(9), Permille(1), None).await);
    assert!(store.take_over(node(), true, at(900_000), at(800_000), 9).await.expect("sweep").is_empty());
    assert_eq!(store.job(ada, job.id).await.expect("job"), ended);
}

pub async fn a_bad_artifact_leaves_the_job_running(fixture: &mut impl Fixture) {
    let store = fixture.store();
    let ada = fixture.account("ada@example.org").await;
    let (job, lease) = claim_new(&*store, ada, T0).await;
    let mut twice = finish(lease, at(1));
    let mut second = artifact(lease, ArtifactKind::Json, at(1));
    second.storage = object("elsewhere");
    twice.artifacts.push(second);
    let refused = store.finish(lease, twice).await;
    assert!(matches!(refused, Err(StoreError::Broken(_))), "{refused:?}");
    assert_eq!(store.job(ada, job.id).await.expect("job"), job, "all or nothing");
    store.finish(lease, finish(lease, at(2))).await.expect("still held");
}

pub async fn a_retried_job_runs_again(fixture: &mut impl Fixture) {
    let store = fixture.store();
    let ada = fixture.account("ada@example.org").await;
    let (job, first) = claim_new(&*store, ada, T0).await;
    store.heartbeat(first, at(60_000), Permille(400), Some(5_000)).await.expect("held");
    store.retry(first, at(100), at(50)).await.expect("held");
    let waiting = store.job(ada, job.id).await.expect("job");
    assert_eq!((waiting.status, waiting.attempt, waiting.seq), (JobStatus::Queued, 1, StatusSeq(4)));
    assert_eq!((waiting.progress, waiting.input.clone()), (Permille(400), job.input));
    assert_lost(store.finish(first, finish(first, at(60))).await);
    let (again, second) = claim(&*store, at(100)).await;
    assert_eq!((again.attempt, second.epoch), (2, LeaseEpoch(2)));
    assert_lost(store.heartbeat(first, at(60_000), Permille(500), None).await);
    store.finish(second, finish(second, at(200))).await.expect("held");
}

pub async fn a_released_attempt_is_not_counted(fixture: &mut impl Fixture) {
    let store = fixture.store();
    let ada = fixture.account("ada@example.org").await;
    let (job, lease) = claim_new(&*store, ada, T0).await;
    store.release(lease, at(5)).await.expect("held");
    let waiting = store.job(ada, job.id).await.expect("job");
    assert_eq!((waiting.status, waiting.attempt, waiting.epoch), (JobStatus::Queued, 0, LeaseEpoch(1)));
    let (again, lease) = claim(&*store, at(5)).await;
    assert_eq!((again.id, again.attempt, lease.epoch), (job.id, 1, LeaseEpoch(2)));
}

pub async fn a_cancelled_job_does_not_run_again(fixture: &mut impl Fixture) {
    let store = fixture.store();
    let ada = fixture.account("ada@example.org").await;
    for released in [false, true] {
        let (job, lease) = claim_new(&*store, ada, T0).await;
        store.delete(ada, job.id, at(1)).await.expect("delete");
        let beat = store.heartbeat(lease, at(60_000), Permille(0), None).await.expect("held");
        assert_eq!(beat.0, Heartbeat::CancelRequested);
        let changed = match released {
            false => store.retry(lease, at(9), at(2)).await,
            true => store.release(lease, at(2)).await,
        };
        let ended = store.job(ada, job.id).await.expect("job");
        assert_eq!(changed.expect("held").seq, ended.seq);
        assert_eq!((ended.status, ended.error_code), (JobStatus::Failed, Some(ErrorCode::Canceled)));
        assert_eq!(store.garbage(at(2), 10).await.expect("garbage"), [job.input.expect("input")]);
        assert!(store.claim(node(), at(99_999), at(9_999), &[]).await.expect("claim").is_none());
    }
    submit(&*store, new_job(ada, T0)).await;
    assert_eq!(store.queued().await.expect("queued"), 1);
}

pub async fn events_of_old_jobs_are_forgotten(fixture: &mut impl Fixture) {
    let store = fixture.store();
    let ada = fixture.account("ada@example.org").await;
    let (running, lease) = claim_new(&*store, ada, T0).await;
    let (old, ending) = claim_new(&*store, ada, at(1)).await;
    store.finish(ending, finish(ending, at(10))).await.expect("held");
    let before = store.job(ada, old.id).await.expect("done");
    let (_, ending) = claim_new(&*store, ada, at(100)).await;
    store.fail(ending, failure(ErrorCode::MediaCorrupt, at(110))).await.expect("held");

    let forget = async |before, limit| store.forget_events(before, limit).await.expect("forgotten");
    assert_eq!(forget(at(10), 100).await, 0, "at the very moment none is older");
    assert_eq!(forget(at(11), 2).await, 2, "as many as are wanted at once");
    assert_eq!(forget(at(11), 2).await, 1, "submitted, claimed and done");
    assert_eq!(forget(at(11), 2).await, 0);
    assert_eq!(store.job(ada, old.id).await.expect("there as before"), before);
    assert_eq!(forget(at(5_000), 100).await, 3, "the failed one's, not those of the job that runs");
    store.finish(lease, finish(lease, at(5_000))).await.expect("held");
    assert_eq!(forget(at(5_001), 100).await, 3, "kept while it ran");
    assert_eq!(store.job(ada, running.id).await.expect("done").status, JobStatus::Done);
}
