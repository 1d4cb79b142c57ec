//! Several callers at once.

use super::{Fixture, T0, at, claim_new, failure, finish, idempotency, new_job, node, object, submit};
use futures_util::future::join_all;
use sottovoce_actors::ports::store::{Deleted, Lease, NewJob, Store, StoreError, Submitted};
use sottovoce_protocol::error_code::ErrorCode;
use sottovoce_protocol::jobs::JobStatus;
use std::collections::HashSet;
use std::sync::Arc;

pub async fn workers_share_the_queue(fixture: &mut impl Fixture) {
    let store = fixture.store();
    let owners = [fixture.account("ada@example.org").await, fixture.account("eve@example.org").await];
    for i in 0..100 {
        submit(&*store, new_job(owners[i % 2], T0)).await;
    }
    let workers = (0..8).map(|_| {
        let store: Arc<dyn Store> = Arc::clone(&store);
        tokio::spawn(async move {
            let (mut claimed, me) = (Vec::new(), node());
            while let Some((job, _)) = store.claim(me, at(60_000), at(1), &[]).await.expect("claim") {
                claimed.push(job.id);
            }
            claimed
        })
    });
    let claimed: Vec<_> =
        join_all(workers).await.into_iter().flat_map(|worker| worker.expect("worker")).collect();
    assert_eq!(claimed.len(), 100);
    assert_eq!(claimed.into_iter().collect::<HashSet<_>>().len(), 100);
}

/// Each process with connections of its own, each claim by one worker alone, none left behind.
pub async fn workers_of_several_processes_share_the_queue(fixture: &mut impl Fixture) {
    let stores = [fixture.store(), fixture.another().await, fixture.another().await];
    let mut owners = Vec::new();
    for name in ["ada", "eve", "kim", "bob"] {
        owners.push(fixture.account(&format!("{name}@example.org")).await);
    }
    for i in 0..100 {
        submit(&*stores[i % 3], new_job(owners[i % 4], T0)).await;
    }
    let workers = (0..6).map(|worker| {
        let store: Arc<dyn Store> = Arc::clone(&stores[worker % 3]);
        tokio::spawn(async move {
            let (mut claimed, me) = (Vec::new(), node());
            while let Some((job, lease)) = store.claim(me, at(60_000), at(1), &[]).await.expect("claim") {
                assert_eq!((lease.job, lease.epoch.0, job.attempt), (job.id, 1, 1));
                claimed.push(job.id);
            }
            claimed
        })
    });
    let claimed: Vec<_> =
        join_all(workers).await.into_iter().flat_map(|worker| worker.expect("worker")).collect();
    assert_eq!((claimed.len(), claimed.iter().collect::<HashSet<_>>().len()), (100, 100));
    assert_eq!(stores[0].queued().await.expect("queued"), 0);
}

/// Whoever submits first after the end of a key forgets everybody's old keys: the crowd must not trip over that.
pub async fn keys_that_expire_under_a_crowd_are_new_again(fixture: &mut impl Fixture) {
    let store = fixture.store();
    let mut owners = Vec::new();
    for i in 0..4 {
        owners.push(fixture.account(&format!("{i}@example.org")).await);
    }
    for round in 0..5 {
        let (now, end) = (at(round * 100), at(round * 100 + 100));
        let requests = (0..16).map(|i| {
            let store: Arc<dyn Store> = Arc::clone(&store);
            let key = format!("key {}", i / 8);
            let new = NewJob { idempotency: idempotency(&key, "h", end), ..new_job(owners[i % 4], now) };
            tokio::spawn(async move { store.submit(new).await.expect("submit") })
        });
        let answers: Vec<_> =
            join_all(requests).await.into_iter().map(|answer| answer.expect("request")).collect();
        let new = answers.iter().filter(|answer| matches!(answer, Submitted::New(_))).count();
        // Four accounts with two keys each.
        assert_eq!(new, 8, "round {round}");
    }
}

pub async fn a_queue_holds_no_more_than_its_limit(fixture: &mut impl Fixture) {
    let stores = [fixture.store(), fixture.another().await];
    let ada = fixture.account("ada@example.org").await;
    let requests = (0..24).map(|i| {
        let store: Arc<dyn Store> = Arc::clone(&stores[i % 2]);
        let new = NewJob { max_queued: 5, ..new_job(ada, T0) };
        tokio::spawn(async move { store.submit(new).await })
    });
    let answers: Vec<_> =
        join_all(requests).await.into_iter().map(|answer| answer.expect("request")).collect();
    let full = answers.iter().filter(|answer| matches!(answer, Err(StoreError::TooManyJobs))).count();
    let new = answers.iter().filter(|answer| matches!(answer, Ok(Submitted::New(_)))).count();
    assert_eq!((new, full, stores[0].queued().await.expect("queued")), (5, 19, 5), "{answers:?}");
}

pub async fn one_key_makes_one_job(fixture: &mut impl Fixture) {
    let store = fixture.store();
    let ada = fixture.account("ada@example.org").await;
    let requests = (0..16).map(|_| {
        let store: Arc<dyn Store> = Arc::clone(&store);
        let new = NewJob { idempotency: idempotency("key", "h", at(1000)), ..new_job(ada, T0) };
        tokio::spawn(async move { store.submit(new).await.expect("submit") })
    });
    let answers: Vec<_> =
        join_all(requests).await.into_iter().map(|answer| answer.expect("request")).collect();
    let new = answers.iter().filter(|answer| matches!(answer, Submitted::New(_))).count();
    let ids: HashSet<_> = answers
        .iter()
        .map(|answer| match answer {
            Submitted::New(job) | Submitted::Replayed(job) => job.id,
        })
        .collect();
    assert_eq!((new, ids.len(), store.queued().await.expect("queued")), (1, 1, 1));
}

pub async fn one_sweeper_takes_a_dead_lease(fixture: &mut impl Fixture) {
    let store = fixture.store();
    let ada = fixture.account("ada@example.org").await;
    for _ in 0..20 {
        claim_new(&*store, ada, T0).await;
    }
    let sweepers = (0..6).map(|_| {
        let store: Arc<dyn Store> = Arc::clone(&store);
        tokio::spawn(async move {
            store.take_over(node(), false, at(900_000), at(100_000), 7).await.expect("sweep")
        })
    });
    let taken: Vec<_> =
        join_all(sweepers).await.into_iter().flat_map(|sweep| sweep.expect("sweeper")).collect();
    assert_eq!(taken.len(), 20);
    assert!(taken.iter().all(|(_, lease)| lease.epoch.0 == 2));
}

pub async fn finish_and_takeover_do_not_both_win(fixture: &mut impl Fixture) {
    let store = fixture.store();
    let ada = fixture.account("ada@example.org").await;
    for _ in 0..20 {
        let (job, lease) = claim_new(&*store, ada, T0).await;
        let (finished, taken) = tokio::join!(
            store.finish(lease, finish(lease, at(1))),
            store.take_over(node(), false, at(900_000), at(100_000), 1)
        );
        let taken = taken.expect("sweep");
        let status = store.job(ada, job.id).await.expect("job").status;
        match finished {
            Ok(_) => assert_eq!((taken.len(), status), (0, JobStatus::Done)),
            Err(StoreError::LeaseLost) => {
                assert_eq!((taken.len(), status), (1, JobStatus::Processing));
                let heir = taken[0].1;
                store.finish(heir, finish(heir, at(2))).await.expect("the heir holds it");
            }
            Err(other) => panic!("{other}"),
        }
    }
}

/// A job that goes back to the queue while its owner deletes it does not slip through: it is gone, or told to stop.
pub async fn a_delete_is_never_lost(fixture: &mut impl Fixture) {
    let stores = [fixture.store(), fixture.another().await];
    let store = &stores[0];
    let ada = fixture.account("ada@example.org").await;
    for _ in 0..40 {
        let (job, lease) = claim_new(&**store, ada, T0).await;
        let (other, again) = (Arc::clone(&stores[1]), Arc::clone(&stores[1]));
        let retry = tokio::spawn(async move { other.retry(lease, T0, at(1)).await });
        let claim = tokio::spawn(async move { again.claim(node(), at(60_000), at(1), &[]).await });
        let (deleted, _) = store.delete(ada, job.id, at(1)).await.expect("delete");
        retry.await.expect("worker").expect("held until then");
        claim.await.expect("worker").expect("claim");
        let left = store.job(ada, job.id).await;
        match (deleted, left) {
            (Deleted::Gone, Err(StoreError::NotFound)) => {}
            (Deleted::Stopping, Ok(job)) => {
                assert!(job.cancel_requested, "{job:?}");
                if job.status == JobStatus::Processing {
                    let lease = Lease { job: job.id, epoch: job.epoch };
                    store.fail(lease, failure(ErrorCode::Canceled, at(2))).await.expect("held");
                } else {
                    assert_eq!((job.status, job.error_code), (JobStatus::Failed, Some(ErrorCode::Canceled)));
                }
            }
            (deleted, left) => panic!("{deleted:?}, and then {left:?}"),
        }
        assert_eq!(store.queued().await.expect("queued"), 0);
    }
}

/// A caller that goes away in the middle of a verb (a closed connection) leaves no open transaction, no half of a job.
pub async fn abandoned_calls_leave_nothing_half_done(fixture: &mut impl Fixture) {
    let store = fixture.store();
    let ada = fixture.account("ada@example.org").await;
    let mut kept = 0;
    for polls in 0..60 {
        let new = NewJob { idempotency: idempotency(&polls.to_string(), "h", at(1000)), ..new_job(ada, T0) };
        let id = new.id;
        let mut call = store.submit(new.clone());
        for _ in 0..polls {
            if futures_util::poll!(&mut call).is_ready() {
                break;
            }
            tokio::task::yield_now().await;
        }
        drop(call);
        // Whether it was in time or not, asking again gives this one job.
        let (Submitted::New(job) | Submitted::Replayed(job)) = store.submit(new).await.expect("submit again");
        assert_eq!(job.id, id);
        kept += 1;
        assert_eq!(store.queued().await.expect("queued"), kept);
    }
}

pub async fn garbage_is_given_to_one_sweeper(fixture: &mut impl Fixture) {
    let store = fixture.store();
    let objects: Vec<_> = (0..40).map(|i| object(format!("lost/{i}"))).collect();
    store.add_garbage(objects, T0).await.expect("add");
    let sweepers = (0..6).map(|_| {
        let store: Arc<dyn Store> = Arc::clone(&store);
        tokio::spawn(async move { store.garbage(at(1), 10).await.expect("garbage") })
    });
    let given: Vec<_> =
        join_all(sweepers).await.into_iter().flat_map(|sweep| sweep.expect("sweeper")).collect();
    assert_eq!((given.len(), given.iter().collect::<HashSet<_>>().len()), (40, 40));
}
