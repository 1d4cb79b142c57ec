//! Publishes a job's state on the status bus. The one place that shapes the message; the row stays the truth, so a bus
//! that fails is logged and forgotten.

use crate::ports::bus::{BusMessage, StatusBus, Topic};
use crate::ports::store::{Job, Permille, StatusSeq};
use bytes::Bytes;
use sottovoce_protocol::ids::AccountId;
use sottovoce_protocol::status::JobState;

/// Returns a row as subscribers read it.
pub fn state_of(job: &Job) -> JobState {
    JobState {
        job: job.id,
        seq: job.seq.0,
        status: job.status,
        progress: percent(job.progress),
        error_code: job.error_code,
    }
}

/// Returns whole percents, rounded down, so that 100 means the end.
pub(crate) fn percent(progress: Permille) -> u8 {
    (progress.0.min(1000) / 10) as u8
}

/// Tells the job's and its account's subscribers. The body is a JSON `JobState`; `seq` is the job's on both topics.
pub async fn announce(bus: &dyn StatusBus, account: AccountId, state: &JobState) {
    let body =
        serde_json::to_vec(state).expect("a job state has only strings and numbers, which always serialise");
    let message = BusMessage { seq: StatusSeq(state.seq).0, body: Bytes::from(body) };
    for topic in [Topic::Job(state.job), Topic::Account(account)] {
        if let Err(error) = bus.publish(topic, message.clone()).await {
            tracing::warn!(job.id = %state.job, %error, "job state not announced");
        }
    }
}
