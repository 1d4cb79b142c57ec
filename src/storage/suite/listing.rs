//! Pages of jobs.

use super::{Fixture, T0, at, claim, finish, new_job, new_stream, node, submit};
use sottovoce_actors::ports::store::JobQuery;
use sottovoce_protocol::ids::AccountId;
use sottovoce_protocol::jobs::{JobStatus, JobType};

pub fn all_of(account: AccountId) -> JobQuery {
    JobQuery { account, status: None, job_type: None, before: None, limit: 100 }
}

pub async fn pages_hold_each_job_once(fixture: &mut impl Fixture) {
    let store = fixture.store();
    let ada = fixture.account("ada@example.org").await;
    let eve = fixture.account("eve@example.org").await;
    let mut expected = Vec::new();
    for i in 0..25 {
        // Several share a time: the id decides.
        let job = submit(&*store, new_job(ada, at(i / 4))).await;
        submit(&*store, new_job(eve, at(i / 4))).await;
        expected.push((job.created_at, job.id));
    }
    expected.sort_unstable();
    expected.reverse();
    let (mut seen, mut before) = (Vec::new(), None);
    loop {
        let page = store.jobs(JobQuery { before, limit: 4, ..all_of(ada) }).await.expect("page");
        let Some(last) = page.last() else { break };
        before = Some((last.created_at, last.id));
        seen.extend(page.iter().map(|job| (job.created_at, job.id)));
        // What is deleted or submitted between two pages moves nothing else.
        if seen.len() == 8 {
            store.delete(ada, seen[2].1, at(50)).await.expect("delete");
            submit(&*store, new_job(ada, at(60))).await;
        }
    }
    assert_eq!(seen, expected);
}

pub async fn filters_hold(fixture: &mut impl Fixture) {
    let store = fixture.store();
    let ada = fixture.account("ada@example.org").await;
    let (stream, _) = store.open_stream(new_stream(ada, node(), at(9))).await.expect("open");
    let done = submit(&*store, new_job(ada, T0)).await;
    let (_, lease) = claim(&*store, T0).await;
    store.finish(lease, finish(lease, at(1))).await.expect("held");
    let queued = submit(&*store, new_job(ada, at(5))).await;
    let cases = [
        (None, None, vec![stream.id, queued.id, done.id]),
        (Some(JobStatus::Queued), None, vec![queued.id]),
        (Some(JobStatus::Done), None, vec![done.id]),
        (Some(JobStatus::Failed), None, vec![]),
        (None, Some(JobType::Stream), vec![stream.id]),
        (None, Some(JobType::Transcription), vec![queued.id, done.id]),
        (Some(JobStatus::Processing), Some(JobType::Transcription), vec![]),
    ];
    for (status, job_type, expected) in cases {
        let page = store.jobs(JobQuery { status, job_type, ..all_of(ada) }).await.expect("page");
        assert_eq!(page.iter().map(|job| job.id).collect::<Vec<_>>(), expected, "{status:?} {job_type:?}");
        for job in page {
            assert_eq!(store.job(ada, job.id).await.expect("job"), job, "a list shows what the job shows");
        }
    }
}
