//! What one status socket listens to, and what of it the client has seen. Pure; owns no bus.

use crate::ports::bus::Topic;
use sottovoce_protocol::error_code::ErrorCode;
use sottovoce_protocol::ids::{AccountId, JobId};
use sottovoce_protocol::status::{AllJobs, ClientMessage, JobState};
use std::collections::HashMap;

/// Reads which topic a message is about; exactly one must be named.
pub fn topic(message: &ClientMessage, account: AccountId) -> Result<Topic, ErrorCode> {
    match (message.job, message.jobs, message.captions) {
        (Some(job), None, None) => Ok(Topic::Job(job)),
        (None, Some(AllJobs::All), None) => Ok(Topic::Account(account)),
        (None, None, Some(job)) => Ok(Topic::Captions(job)),
        _ => Err(ErrorCode::BadRequest),
    }
}

/// The newest state of each job that was sent: states never go back.
#[derive(Debug, Default)]
pub struct Seen {
    jobs: HashMap<JobId, u64>,
}

impl Seen {
    /// Returns whether the state is newer than what was sent, and notes it.
    pub fn advance(&mut self, state: &JobState) -> bool {
        let seen = self.jobs.entry(state.job).or_default();
        let newer = state.seq > *seen;
        *seen = state.seq.max(*seen);
        newer
    }

    /// Returns whether a later state than `seq` was sent.
    pub fn is_behind(&self, job: JobId, seq: u64) -> bool {
        self.jobs.get(&job).is_some_and(|seen| *seen > seq)
    }

    /// Forgets a job: the next state of it is new.
    pub fn forget(&mut self, job: JobId) {
        self.jobs.remove(&job);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use sottovoce_protocol::jobs::JobStatus;
    use uuid::Uuid;

    fn job() -> JobId {
        JobId::from_uuid(Uuid::from_u128(7))
    }

    fn message(text: &str) -> ClientMessage {
        serde_json::from_str(&text.replace("JOB", &job().to_string())).unwrap()
    }

    #[test]
    fn exactly_one_topic_must_be_named() {
        let account = AccountId::from_uuid(Uuid::from_u128(1));
        let of = |text| topic(&message(text), account);
        assert_eq!(of(r#"{"op":"subscribe","job":"JOB"}"#), Ok(Topic::Job(job())));
        assert_eq!(of(r#"{"op":"subscribe","jobs":"all"}"#), Ok(Topic::Account(account)));
        assert_eq!(of(r#"{"op":"subscribe","captions":"JOB","lang":"en"}"#), Ok(Topic::Captions(job())));
        assert_eq!(of(r#"{"op":"subscribe"}"#), Err(ErrorCode::BadRequest));
        assert_eq!(of(r#"{"op":"subscribe","job":"JOB","captions":"JOB"}"#), Err(ErrorCode::BadRequest));
    }

    #[test]
    fn states_never_go_back() {
        let state =
            |seq| JobState { job: job(), seq, status: JobStatus::Queued, progress: 0, error_code: None };
        let mut seen = Seen::default();
        let sent: Vec<_> = [1, 3, 2, 3, 4].into_iter().filter(|seq| seen.advance(&state(*seq))).collect();
        assert_eq!(sent, [1, 3, 4]);
    }
}
