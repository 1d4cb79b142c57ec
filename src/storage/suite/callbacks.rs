//! Callbacks: due with the end of a job, taken by one server, noted, forgotten with the job.

use super::{IdentityFixture, T0, at, claim, claim_new, failure, finish, new_job, node, submit};
use sottovoce_actors::ports::callback::{CallbackAttempt, CallbackSecret, DueCallback};
use sottovoce_actors::ports::store::{Callback, EpochMs, Job, Lease, Store};
use sottovoce_protocol::error_code::ErrorCode;
use sottovoce_protocol::ids::AccountId;
use sottovoce_protocol::jobs::CallbackState;

const URL: &str = "https://hooks.example.org/jobs";

fn secret(text: &str) -> CallbackSecret {
    CallbackSecret(format!("whsec_{text}"))
}

async fn account(fixture: &impl IdentityFixture) -> AccountId {
    let ada = fixture.account("ada@example.org").await;
    let kept = fixture.callbacks().callback_secret(ada, secret("first"), T0).await.expect("secret");
    assert_eq!(kept, secret("first"));
    ada
}

/// A running job whose owner wants to be told.
async fn running(store: &dyn Store, ada: AccountId) -> (Job, Lease) {
    let mut new = new_job(ada, T0);
    new.params.callback_url = Some(URL.into());
    submit(store, new).await;
    claim(store, at(1)).await
}

async fn due(fixture: &impl IdentityFixture, now: EpochMs) -> Vec<DueCallback> {
    fixture.callbacks().due_callbacks(now, now.plus_ms(1_000), 10).await.expect("due")
}

pub async fn the_end_of_a_job_is_told(fixture: &mut impl IdentityFixture) {
    let (store, ada) = (fixture.store(), account(fixture).await);
    let (done, lease) = running(&*store, ada).await;
    assert!(due(fixture, at(9)).await.is_empty(), "it runs");
    store.finish(lease, finish(lease, at(10))).await.expect("finish");
    let (failed, lease) = running(&*store, ada).await;
    store.retry(lease, at(11), at(11)).await.expect("retry");
    assert_eq!(store.job(ada, failed.id).await.expect("job").callback, None, "it runs again");
    let (_, lease) = claim(&*store, at(12)).await;
    store.fail(lease, failure(ErrorCode::MediaCorrupt, at(20))).await.expect("fail");
    // One that asked for nothing.
    let (_, lease) = claim_new(&*store, ada, at(21)).await;
    store.finish(lease, finish(lease, at(22))).await.expect("finish");

    assert!(due(fixture, at(9)).await.is_empty());
    let told = due(fixture, at(30)).await;
    let mut jobs: Vec<_> = told.iter().map(|due| (due.job.id, due.attempts)).collect();
    let mut expected = vec![(done.id, 1), (failed.id, 1)];
    jobs.sort();
    expected.sort();
    assert_eq!(jobs, expected);
    assert!(told.iter().all(|due| due.secret == secret("first")));
    assert!(due(fixture, at(31)).await.is_empty(), "they are being told");
    assert_eq!(due(fixture, at(1_030)).await.len(), 2, "of one that died with them they are taken again");
}

pub async fn attempts_are_noted(fixture: &mut impl IdentityFixture) {
    let (store, ada) = (fixture.store(), account(fixture).await);
    let (job, lease) = running(&*store, ada).await;
    store.finish(lease, finish(lease, at(10))).await.expect("finish");
    let seen = async || store.job(ada, job.id).await.expect("job").callback.expect("a callback");
    let waiting = Callback {
        state: CallbackState::Pending,
        attempts: 0,
        next_at: Some(at(10)),
        last_status: None,
        last_error: None,
    };
    assert_eq!(seen().await, waiting);
    let callbacks = fixture.callbacks();
    assert_eq!(due(fixture, at(10)).await.len(), 1);
    let refused = CallbackAttempt {
        state: CallbackState::Pending,
        next_at: Some(at(500)),
        status: Some(503),
        fault: Some("status"),
    };
    callbacks.callback_tried(job.id, 1, refused.clone()).await.expect("noted");
    let after = Callback {
        attempts: 1,
        next_at: Some(at(500)),
        last_status: Some(503),
        last_error: Some("status".into()),
        ..waiting
    };
    assert_eq!(seen().await, after);
    assert!(due(fixture, at(499)).await.is_empty());
    assert_eq!(due(fixture, at(500)).await[0].attempts, 2);
    callbacks.callback_tried(job.id, 1, refused.clone()).await.expect("a late answer");
    assert_eq!(seen().await.attempts, 2);
    assert_eq!(seen().await.next_at, Some(at(1_500)), "a late answer to the first attempt changes nothing");
    let taken =
        CallbackAttempt { state: CallbackState::Delivered, next_at: None, status: Some(204), fault: None };
    callbacks.callback_tried(job.id, 2, taken).await.expect("noted");
    let end = Callback {
        state: CallbackState::Delivered,
        attempts: 2,
        next_at: None,
        last_status: Some(204),
        last_error: None,
    };
    assert_eq!(seen().await, end);
    callbacks.callback_tried(job.id, 2, refused).await.expect("over");
    assert_eq!(seen().await, end);
    assert!(due(fixture, at(99_999)).await.is_empty());
}

pub async fn a_deleted_job_is_not_told(fixture: &mut impl IdentityFixture) {
    let (store, ada) = (fixture.store(), account(fixture).await);
    let (job, lease) = running(&*store, ada).await;
    store.finish(lease, finish(lease, at(10))).await.expect("finish");
    store.delete(ada, job.id, at(11)).await.expect("delete");
    let mut new = new_job(ada, at(12));
    new.params.callback_url = Some(URL.into());
    let queued = submit(&*store, new).await;
    store.delete(ada, queued.id, at(13)).await.expect("delete");
    assert!(due(fixture, at(100)).await.is_empty());
}

pub async fn an_account_has_one_secret(fixture: &mut impl IdentityFixture) {
    let ada = account(fixture).await;
    let callbacks = fixture.callbacks();
    assert_eq!(callbacks.callback_secret(ada, secret("second"), at(1)).await.expect("kept"), secret("first"));
    callbacks.replace_callback_secret(ada, secret("third"), at(2)).await.expect("replaced");
    assert_eq!(callbacks.callback_secret(ada, secret("fourth"), at(3)).await.expect("kept"), secret("third"));
    let eve = fixture.account("eve@example.org").await;
    assert_eq!(callbacks.callback_secret(eve, secret("eve"), at(4)).await.expect("fresh"), secret("eve"));
}

pub async fn a_callback_is_taken_by_one_server(fixture: &mut impl IdentityFixture) {
    let (store, ada) = (fixture.store(), account(fixture).await);
    for _ in 0..20 {
        let (_, lease) = running(&*store, ada).await;
        store.finish(lease, finish(lease, at(10))).await.expect("finish");
    }
    let mut workers = tokio::task::JoinSet::new();
    for _ in 0..6 {
        let callbacks = fixture.callbacks();
        workers.spawn(async move {
            let mut taken = Vec::new();
            loop {
                let due = callbacks.due_callbacks(at(20), at(9_000), 2).await.expect("due");
                if due.is_empty() {
                    return taken;
                }
                taken.extend(due.into_iter().map(|due| due.job.id));
            }
        });
    }
    let mut taken = workers.join_all().await.concat();
    taken.sort();
    let all = taken.len();
    taken.dedup();
    assert_eq!((all, taken.len()), (20, 20));
    assert!(store.claim(node(), at(9_000), at(30), &[]).await.expect("claim").is_none());
}
