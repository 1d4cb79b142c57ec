//! Several callers at once.

use super::{Fixture, T0, at, claim_new, finish, idempotency, new_job, node, object, submit};
use futures_util::future::join_all;
use sottovoce_actors::ports::store::{NewJob, Store, StoreError, Submitted};
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
            while let Some((job, _)) = store.claim(me, at(60_000), at(1)).await.expect("claim") {
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
