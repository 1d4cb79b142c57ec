//! Deleting and cancelling.

use super::{Fixture, T0, assert_not_found, at, claim_new, failure, finish, new_job, node, submit};
use sottovoce_actors::ports::store::{Deleted, Heartbeat, Permille, StatusSeq};
use sottovoce_protocol::error_code::ErrorCode;
use sottovoce_protocol::jobs::JobStatus;

pub async fn a_queued_job_is_gone_at_once(fixture: &mut impl Fixture) {
    let store = fixture.store();
    let ada = fixture.account("ada@example.org").await;
    let job = submit(&*store, new_job(ada, T0)).await;
    let (deleted, changed) = store.delete(ada, job.id, at(1)).await.expect("delete");
    assert_eq!(
        (deleted, changed.job, changed.account, changed.seq),
        (Deleted::Gone, job.id, ada, StatusSeq(2))
    );
    assert_not_found(store.job(ada, job.id).await);
    assert!(store.jobs(super::listing::all_of(ada)).await.expect("list").is_empty());
    assert!(store.claim(node(), at(9), at(2), &[]).await.expect("claim").is_none());
    assert_eq!(store.queued().await.expect("queued"), 0);
    assert_eq!(store.garbage(at(1), 10).await.expect("garbage"), [job.input.expect("input")]);
}

pub async fn a_running_job_is_told_to_stop(fixture: &mut impl Fixture) {
    let store = fixture.store();
    let ada = fixture.account("ada@example.org").await;
    let (job, lease) = claim_new(&*store, ada, T0).await;
    let (deleted, changed) = store.delete(ada, job.id, at(1)).await.expect("delete");
    assert_eq!((deleted, changed.seq), (Deleted::Stopping, StatusSeq(3)));
    let running = store.job(ada, job.id).await.expect("job");
    assert_eq!(
        (running.status, running.cancel_requested, running.seq),
        (JobStatus::Processing, true, StatusSeq(3))
    );
    let beat = store.heartbeat(lease, at(60_000), Permille(0), None).await.expect("held");
    assert_eq!(beat, (Heartbeat::CancelRequested, StatusSeq(3)));
    store.fail(lease, failure(ErrorCode::Canceled, at(2))).await.expect("held");
    let stopped = store.job(ada, job.id).await.expect("job");
    assert_eq!((stopped.status, stopped.error_code), (JobStatus::Failed, Some(ErrorCode::Canceled)));
    assert_eq!(store.garbage(at(2), 10).await.expect("garbage"), [job.input.expect("input")]);
}

pub async fn an_ended_job_leaves_garbage(fixture: &mut impl Fixture) {
    let store = fixture.store();
    let ada = fixture.account("ada@example.org").await;
    let (job, lease) = claim_new(&*store, ada, T0).await;
    let end = finish(lease, at(1));
    let kept = end.artifacts[0].storage.clone();
    store.finish(lease, end).await.expect("held");
    let input = job.input.expect("input");
    assert_eq!(store.garbage(at(1), 10).await.expect("garbage"), std::slice::from_ref(&input));
    store.garbage_deleted(&input).await.expect("noted");
    let (deleted, changed) = store.delete(ada, job.id, at(2)).await.expect("delete");
    assert_eq!((deleted, changed.seq), (Deleted::Gone, StatusSeq(4)));
    assert_not_found(store.job(ada, job.id).await);
    assert_eq!(store.garbage(at(2), 10).await.expect("garbage"), [kept]);
}

pub async fn deleting_again_changes_nothing(fixture: &mut impl Fixture) {
    let store = fixture.store();
    let ada = fixture.account("ada@example.org").await;
    let queued = submit(&*store, new_job(ada, T0)).await;
    let first = store.delete(ada, queued.id, at(1)).await.expect("delete");
    assert_eq!(store.delete(ada, queued.id, at(2)).await.expect("again"), first);
    let (running, lease) = claim_new(&*store, ada, T0).await;
    let first = store.delete(ada, running.id, at(1)).await.expect("delete");
    assert_eq!(store.delete(ada, running.id, at(2)).await.expect("again"), first);
    store.fail(lease, failure(ErrorCode::Canceled, at(3))).await.expect("held");
    let (gone, _) = store.delete(ada, running.id, at(4)).await.expect("delete the stopped one");
    assert_eq!(gone, Deleted::Gone);
    assert_not_found(store.job(ada, running.id).await);
}

pub async fn old_jobs_expire(fixture: &mut impl Fixture) {
    let store = fixture.store();
    let ada = fixture.account("ada@example.org").await;
    let mut ended = Vec::new();
    for ms in [10, 20, 30] {
        let (job, lease) = claim_new(&*store, ada, at(ms)).await;
        store.finish(lease, finish(lease, at(ms))).await.expect("finish");
        ended.push(job.id);
    }
    let waiting = submit(&*store, new_job(ada, T0)).await.id;
    let expire = |before, limit| store.expire_jobs(at(before), at(100), limit);
    assert!(expire(10, 9).await.expect("expire").is_empty(), "it ended at 10, not before");
    let first = expire(30, 1).await.expect("expire");
    assert_eq!(first.iter().map(|changed| changed.job).collect::<Vec<_>>(), [ended[0]], "the oldest first");
    assert_eq!(expire(30, 9).await.expect("expire").len(), 1);
    assert!(expire(30, 9).await.expect("expire").is_empty());
    for gone in &ended[..2] {
        assert_not_found(store.job(ada, *gone).await);
    }
    for kept in [ended[2], waiting] {
        store.job(ada, kept).await.expect("kept");
    }
    // Two artifacts of the expired, three inputs of the ended.
    assert_eq!(store.garbage(at(100), 99).await.expect("garbage").len(), 5);
}

pub async fn others_jobs_are_not_found(fixture: &mut impl Fixture) {
    let store = fixture.store();
    let ada = fixture.account("ada@example.org").await;
    let eve = fixture.account("eve@example.org").await;
    let queued = submit(&*store, new_job(ada, at(5))).await;
    let (running, lease) = claim_new(&*store, ada, T0).await;
    for id in [queued.id, running.id, super::job_id()] {
        assert_not_found(store.job(eve, id).await);
        assert_not_found(store.delete(eve, id, at(1)).await);
    }
    assert!(store.jobs(super::listing::all_of(eve)).await.expect("list").is_empty());
    store.finish(lease, finish(lease, at(2))).await.expect("held");
    assert_not_found(store.delete(eve, running.id, at(3)).await);
    assert_eq!(store.job(ada, running.id).await.expect("job").artifacts.len(), 1);
    assert_eq!(store.job(ada, queued.id).await.expect("job"), queued);
}
