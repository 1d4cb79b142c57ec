//! Claims, heartbeats, takeovers.

use super::{
    Fixture, T0, artifact, assert_lost, at, claim, claim_new, failure, finish, new_job, new_stream, node,
    submit,
};
use sottovoce_actors::ports::store::{Finish, Heartbeat, LeaseEpoch, NewJob, Permille, StatusSeq};
use sottovoce_protocol::error_code::ErrorCode;
use sottovoce_protocol::ids::JobId;
use sottovoce_protocol::jobs::{ArtifactKind, JobStatus};

pub async fn jobs_are_claimed_in_order(fixture: &mut impl Fixture) {
    let store = fixture.store();
    let ada = fixture.account("ada@example.org").await;
    let mut submitted = Vec::new();
    for (ms, owner) in [(30, ada), (10, ada), (20, ada)] {
        submitted.push(submit(&*store, new_job(owner, at(ms))).await.id);
    }
    let mut claimed = Vec::new();
    while let Some((job, lease)) = store.claim(node(), at(90_000), at(30), &[]).await.expect("claim") {
        assert_eq!(
            (job.status, job.attempt, job.epoch, job.seq),
            (JobStatus::Processing, 1, LeaseEpoch(1), StatusSeq(2))
        );
        assert_eq!(lease.job, job.id);
        assert_eq!(store.job(job.account, job.id).await.expect("job"), job);
        claimed.push(job.id);
    }
    assert_eq!(claimed, [submitted[1], submitted[2], submitted[0]]);
    assert_eq!(store.queued().await.expect("queued"), 0);
}

pub async fn a_job_is_claimed_when_due(fixture: &mut impl Fixture) {
    let store = fixture.store();
    let ada = fixture.account("ada@example.org").await;
    let (job, lease) = claim_new(&*store, ada, T0).await;
    store.retry(lease, at(500), at(10)).await.expect("retry");
    assert!(store.claim(node(), at(900), at(499), &[]).await.expect("claim").is_none());
    assert_eq!(claim(&*store, at(500)).await.0.id, job.id);
}

pub async fn priority_orders_an_accounts_own_jobs(fixture: &mut impl Fixture) {
    let store = fixture.store();
    let ada = fixture.account("ada@example.org").await;
    let mut submitted = Vec::new();
    for (ms, priority) in [(0, 0), (1, 5), (2, 5), (3, -1)] {
        let mut new = new_job(ada, at(ms));
        new.params.priority = Some(priority);
        submitted.push(submit(&*store, new).await.id);
    }
    let mut claimed: Vec<JobId> = Vec::new();
    for _ in 0..4 {
        claimed.push(claim(&*store, at(10)).await.0.id);
    }
    assert_eq!(claimed, [submitted[1], submitted[2], submitted[0], submitted[3]]);
}

pub async fn accounts_take_turns(fixture: &mut impl Fixture) {
    let store = fixture.store();
    let mut owners = Vec::new();
    for name in ["ada", "eve", "kim"] {
        owners.push(fixture.account(&format!("{name}@example.org")).await);
    }
    for (owner, count) in [(owners[0], 50), (owners[1], 2), (owners[2], 1)] {
        for ms in 0..count {
            let mut new = new_job(owner, at(ms));
            // Priority is among an account's own jobs: it buys no turn.
            new.params.priority = Some(i32::from(owner == owners[0]) * 100);
            submit(&*store, new).await;
        }
    }
    let mut served = Vec::new();
    for _ in 0..7 {
        served.push(claim(&*store, at(100)).await.0.account);
    }
    let (first, second) = (served[..3].to_vec(), served[3..5].to_vec());
    assert!(owners.iter().all(|owner| first.contains(owner)), "each once before one comes again: {served:?}");
    assert!(owners[..2].iter().all(|owner| second.contains(owner)), "then those that have more: {served:?}");
    assert_eq!(served[5..], [owners[0]; 2]);
    // One that comes back after others were served goes first.
    submit(&*store, new_job(owners[2], at(101))).await;
    assert_eq!(claim(&*store, at(102)).await.0.account, owners[2]);
}

pub async fn accounts_are_passed_over_on_demand(fixture: &mut impl Fixture) {
    let store = fixture.store();
    let ada = fixture.account("ada@example.org").await;
    let eve = fixture.account("eve@example.org").await;
    for owner in [ada, ada, eve] {
        submit(&*store, new_job(owner, T0)).await;
    }
    let claimed = store.claim(node(), at(9_000), T0, &[ada]).await.expect("claim").expect("eve's");
    assert_eq!(claimed.0.account, eve);
    assert!(store.claim(node(), at(9_000), T0, &[ada]).await.expect("claim").is_none());
    assert!(store.claim(node(), at(9_000), T0, &[eve]).await.expect("claim").is_some());
}

pub async fn a_job_tells_when_it_was_begun(fixture: &mut impl Fixture) {
    let store = fixture.store();
    let ada = fixture.account("ada@example.org").await;
    let (job, lease) = claim_new(&*store, ada, at(5)).await;
    assert_eq!(job.started_at, Some(at(5)));
    store.retry(lease, at(10), at(7)).await.expect("retry");
    assert_eq!(store.job(ada, job.id).await.expect("job").started_at, None);
    assert_eq!(claim(&*store, at(20)).await.0.started_at, Some(at(20)));
}

pub async fn progress_never_goes_back(fixture: &mut impl Fixture) {
    let store = fixture.store();
    let ada = fixture.account("ada@example.org").await;
    let (job, lease) = claim_new(&*store, ada, T0).await;
    let beats = [
        (Permille(300), None, 3, 300, None),
        (Permille(200), None, 3, 300, None),
        (Permille(300), Some(9_000), 4, 300, Some(9_000)),
        (Permille(300), None, 4, 300, Some(9_000)),
        (Permille(1000), Some(9_000), 5, 1000, Some(9_000)),
        (Permille(u16::MAX), None, 5, 1000, Some(9_000)),
    ];
    for (progress, length, seq, shown, shown_length) in beats {
        let beat = store.heartbeat(lease, at(60_000), progress, length).await.expect("held");
        assert_eq!(beat, (Heartbeat::Held, StatusSeq(seq)));
        let now = store.job(ada, job.id).await.expect("job");
        assert_eq!((now.progress, now.duration_ms, now.seq), (Permille(shown), shown_length, StatusSeq(seq)));
    }
}

pub async fn a_heartbeat_keeps_a_lease(fixture: &mut impl Fixture) {
    let store = fixture.store();
    let ada = fixture.account("ada@example.org").await;
    let holder = node();
    submit(&*store, new_job(ada, T0)).await;
    let (_, lease) = store.claim(holder, at(100), T0, &[]).await.expect("claim").expect("due");
    store.heartbeat(lease, at(200), Permille(0), None).await.expect("held");
    assert!(store.take_over(node(), false, at(900), at(200), 10).await.expect("sweep").is_empty());
    assert_eq!(store.take_over(node(), false, at(900), at(201), 10).await.expect("sweep").len(), 1);
    assert_lost(store.heartbeat(lease, at(300), Permille(0), None).await);
}

pub async fn dead_leases_are_taken_over(fixture: &mut impl Fixture) {
    let store = fixture.store();
    let ada = fixture.account("ada@example.org").await;
    let (stream, _) = store.open_stream(new_stream(ada, node(), T0)).await.expect("open");
    let (job, old) = claim_new(&*store, ada, at(1)).await;
    let heir = node();
    let first = store.take_over(heir, false, at(200_000), at(100_000), 1).await.expect("sweep");
    let second = store.take_over(heir, false, at(200_000), at(100_000), 10).await.expect("sweep");
    let third = store.take_over(heir, false, at(200_000), at(100_000), 10).await.expect("sweep");
    assert_eq!((first.len(), second.len(), third.len()), (1, 1, 0));
    assert_eq!((first[0].0.id, second[0].0.id), (stream.id, job.id), "the oldest lease first");
    let (taken, lease) = &second[0];
    assert_eq!((taken.status, taken.attempt, taken.epoch), (JobStatus::Processing, 1, LeaseEpoch(2)));
    assert_eq!((taken.seq, taken.input.clone()), (StatusSeq(3), job.input));
    assert_eq!((lease.job, lease.epoch), (job.id, LeaseEpoch(2)));
    assert_lost(store.finish(old, finish(old, at(100_001))).await);
    store.finish(*lease, finish(*lease, at(100_002))).await.expect("the heir holds it");
}

pub async fn a_lone_node_takes_over_what_others_hold(fixture: &mut impl Fixture) {
    let store = fixture.store();
    let ada = fixture.account("ada@example.org").await;
    let (me, dead) = (node(), node());
    for holder in [me, dead] {
        submit(&*store, NewJob { now: T0, ..new_job(ada, T0) }).await;
        store.claim(holder, at(60_000), T0, &[]).await.expect("claim").expect("due");
    }
    assert!(store.take_over(me, false, at(90_000), at(1), 10).await.expect("sweep").is_empty());
    let taken = store.take_over(me, true, at(90_000), at(1), 10).await.expect("sweep");
    assert_eq!(taken.len(), 1);
    assert!(store.take_over(me, true, at(90_000), at(1), 10).await.expect("sweep").is_empty());
}

pub async fn zombies_change_nothing(fixture: &mut impl Fixture) {
    let store = fixture.store();
    let ada = fixture.account("ada@example.org").await;
    let (job, zombie) = claim_new(&*store, ada, T0).await;
    store.take_over(node(), false, at(200_000), at(100_000), 1).await.expect("sweep");
    let before = store.job(ada, job.id).await.expect("job");
    let now = at(100_001);
    assert_lost(store.heartbeat(zombie, at(300_000), Permille(900), Some(1)).await);
    let artifacts = vec![artifact(zombie, ArtifactKind::Srt, now)];
    assert_lost(store.finish(zombie, Finish { artifacts, duration_ms: 1, now }).await);
    assert_lost(store.fail(zombie, failure(ErrorCode::Internal, now)).await);
    assert_lost(store.retry(zombie, at(100_005), now).await);
    assert_lost(store.release(zombie, now).await);
    assert_eq!(store.job(ada, job.id).await.expect("job"), before);
    assert!(store.garbage(at(1_000_000), 10).await.expect("garbage").is_empty());
}
