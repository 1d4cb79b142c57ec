//! Submitting jobs, opening streams, idempotency.

use super::{
    Fixture, T0, assert_not_found, at, claim, idempotency, new_job, new_stream, node, object, submit,
};
use crate::system::SystemIds;
use sottovoce_actors::ports::clock::Ids;
use sottovoce_actors::ports::store::{
    EpochMs, Heartbeat, Job, LeaseEpoch, NewJob, Permille, StatusSeq, StoreError, Submitted,
};
use sottovoce_protocol::ids::AccountId;
use sottovoce_protocol::jobs::{JobStatus, JobType};

pub async fn a_submitted_job_is_queued(fixture: &mut impl Fixture) {
    let store = fixture.store();
    let ada = fixture.account("ada@example.org").await;
    let new = new_job(ada, at(5));
    let expected = Job {
        id: new.id,
        account: ada,
        job_type: JobType::Transcription,
        status: JobStatus::Queued,
        seq: StatusSeq(1),
        progress: Permille(0),
        error_code: None,
        params: new.params.clone(),
        input: Some(new.input.clone()),
        file_name: new.file_name.clone(),
        duration_ms: None,
        attempt: 0,
        max_attempts: 3,
        epoch: LeaseEpoch(0),
        cancel_requested: false,
        created_at: at(5),
        started_at: None,
        completed_at: None,
        callback: None,
        artifacts: Vec::new(),
    };
    assert_eq!(submit(&*store, new).await, expected);
    assert_eq!(store.job(ada, expected.id).await.expect("job"), expected);
    assert_eq!(store.queued().await.expect("queued"), 1);
    let nobody = AccountId::from_uuid(SystemIds.uuid());
    assert_not_found(store.submit(new_job(nobody, T0)).await);
}

fn keyed(account: AccountId, hash: &str, now: EpochMs) -> NewJob {
    NewJob { idempotency: idempotency("key", hash, at(1000)), ..new_job(account, now) }
}

pub async fn the_same_request_is_answered_by_the_same_job(fixture: &mut impl Fixture) {
    let store = fixture.store();
    let ada = fixture.account("ada@example.org").await;
    let eve = fixture.account("eve@example.org").await;
    let first = submit(&*store, keyed(ada, "h", T0)).await;
    assert_eq!(
        store.submit(keyed(ada, "h", at(1))).await.expect("replay"),
        Submitted::Replayed(first.clone())
    );
    assert_ne!(submit(&*store, keyed(eve, "other", T0)).await.id, first.id, "keys are an account's own");
    assert_eq!(store.queued().await.expect("queued"), 2);
    // A replay shows the job as it is now, deleted or not.
    store.delete(ada, first.id, at(2)).await.expect("delete");
    match store.submit(keyed(ada, "h", at(3))).await.expect("replay") {
        Submitted::Replayed(job) => assert_eq!((job.id, job.status), (first.id, JobStatus::Failed)),
        Submitted::New(job) => panic!("made {}", job.id),
    }
}

pub async fn a_key_for_another_request_is_refused(fixture: &mut impl Fixture) {
    let store = fixture.store();
    let ada = fixture.account("ada@example.org").await;
    submit(&*store, keyed(ada, "h", T0)).await;
    let refused = store.submit(keyed(ada, "other", at(1))).await;
    assert!(matches!(refused, Err(StoreError::IdempotencyMismatch)), "{refused:?}");
    assert_eq!(store.queued().await.expect("queued"), 1);
}

pub async fn an_expired_key_is_new_again(fixture: &mut impl Fixture) {
    let store = fixture.store();
    let ada = fixture.account("ada@example.org").await;
    let first = submit(&*store, keyed(ada, "h", T0)).await;
    assert!(matches!(store.submit(keyed(ada, "h", at(999))).await, Ok(Submitted::Replayed(_))));
    let mut later = keyed(ada, "other", at(1000));
    later.idempotency = idempotency("key", "other", at(2000));
    let second = submit(&*store, later.clone()).await;
    assert_ne!(second.id, first.id);
    let again = NewJob { id: super::job_id(), now: at(1001), ..later };
    assert_eq!(store.submit(again).await.expect("replay"), Submitted::Replayed(second));
}

pub async fn a_full_queue_refuses(fixture: &mut impl Fixture) {
    let store = fixture.store();
    let ada = fixture.account("ada@example.org").await;
    let eve = fixture.account("eve@example.org").await;
    let new = |account| NewJob { max_queued: 2, ..new_job(account, T0) };
    for _ in 0..2 {
        submit(&*store, new(ada)).await;
    }
    let refused = store.submit(new(ada)).await;
    assert!(matches!(refused, Err(StoreError::TooManyJobs)), "{refused:?}");
    submit(&*store, new(eve)).await;
    claim(&*store, T0).await;
    submit(&*store, new(ada)).await;
}

pub async fn a_refused_submission_leaves_nothing(fixture: &mut impl Fixture) {
    let store = fixture.store();
    let ada = fixture.account("ada@example.org").await;
    let refused = NewJob { max_queued: 0, ..keyed(ada, "h", T0) };
    assert!(matches!(store.submit(refused.clone()).await, Err(StoreError::TooManyJobs)));
    assert_not_found(store.job(ada, refused.id).await);
    // The key is free for the next try.
    submit(&*store, NewJob { max_queued: 1, ..refused }).await;
}

pub async fn a_stream_is_leased_from_the_start(fixture: &mut impl Fixture) {
    let store = fixture.store();
    let ada = fixture.account("ada@example.org").await;
    let new = new_stream(ada, node(), T0);
    let (job, lease) = store.open_stream(new.clone()).await.expect("open");
    assert_eq!((job.id, job.job_type, job.status), (new.id, JobType::Stream, JobStatus::Processing));
    assert_eq!((job.input.clone(), job.attempt, job.max_attempts), (Some(new.log), 1, 1));
    assert_eq!((lease.job, lease.epoch, job.epoch), (new.id, LeaseEpoch(1), LeaseEpoch(1)));
    assert_eq!(store.job(ada, new.id).await.expect("job"), job);
    assert!(store.claim(node(), at(9), at(1), &[]).await.expect("claim").is_none(), "streams are not queued");
    let beat = store.heartbeat(lease, at(90_000), Permille(0), None).await.expect("held");
    assert_eq!(beat, (Heartbeat::Held, StatusSeq(1)));
    assert_eq!(
        store.unreferenced(vec![object("x"), job.input.expect("log")]).await.expect("names"),
        [object("x")]
    );
}
