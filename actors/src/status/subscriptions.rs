//! What one status socket listens to, and what of it the client has seen. Pure; owns no bus.

use crate::ports::bus::Topic;
use sottovoce_protocol::error_code::ErrorCode;
use sottovoce_protocol::ids::{AccountId, JobId};
use sottovoce_protocol::status::{AllJobs, ClientMessage, JobState};
use std::collections::{BTreeMap, HashMap};

/// Jobs whose newest state a socket remembers: more than are read again after a gap.
const REMEMBERED: usize = 2_048;

/// Reads which topic a message is about; exactly one must be named.
pub fn topic(message: &ClientMessage, account: AccountId) -> Result<Topic, ErrorCode> {
    match (message.job, message.jobs, message.captions) {
        (Some(job), None, None) => Ok(Topic::Job(job)),
        (None, Some(AllJobs::All), None) => Ok(Topic::Account(account)),
        (None, None, Some(job)) => Ok(Topic::Captions(job)),
        _ => Err(ErrorCode::BadRequest),
    }
}

/// How a state compares with what was sent.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Age {
    /// Newer: send it.
    Newer,
    /// Sent already, or older than what was.
    Stale,
    /// The job may have been forgotten: only its row can tell.
    Unknown,
}

/// The newest state of each job that was sent: states never go back. Only the jobs that changed last are remembered.
///
/// Forgetting keeps one fact of all that was forgotten: the greatest id. A job above it was never forgotten, and since ids
/// grow with time, that is nearly every new one. A state of any other job that is not remembered is not trusted, unless it
/// is the last that a job can have; its row is read, which is never older than what was sent.
#[derive(Debug)]
pub struct Seen {
    most: usize,
    jobs: HashMap<JobId, Sent>,
    /// Jobs by their last change.
    order: BTreeMap<u64, JobId>,
    changes: u64,
    greatest_forgotten: Option<JobId>,
}

#[derive(Clone, Copy, Debug)]
struct Sent {
    seq: u64,
    change: u64,
}

/// A moment among the changes.
#[derive(Clone, Copy, Debug)]
pub struct Moment(u64);

impl Default for Seen {
    fn default() -> Self {
        Self::remembering(REMEMBERED)
    }
}

impl Seen {
    fn remembering(most: usize) -> Self {
        Self { most, jobs: HashMap::new(), order: BTreeMap::new(), changes: 0, greatest_forgotten: None }
    }

    /// Compares a state that the bus carried with what was sent, and notes it if it is newer.
    pub fn advance(&mut self, state: &JobState) -> Age {
        let may_be_forgotten = !self.jobs.contains_key(&state.job)
            && self.greatest_forgotten.is_some_and(|greatest| state.job <= greatest);
        if may_be_forgotten && !state.status.is_terminal() {
            return Age::Unknown;
        }
        self.note_row(state)
    }

    /// The same for a state read from its row: that of a forgotten job is as new as what was sent.
    pub fn note_row(&mut self, state: &JobState) -> Age {
        let before = self.jobs.get(&state.job).copied();
        if before.is_some_and(|before| before.seq >= state.seq) {
            return Age::Stale;
        }
        if let Some(before) = before {
            self.order.remove(&before.change);
        }
        self.changes += 1;
        self.order.insert(self.changes, state.job);
        self.jobs.insert(state.job, Sent { seq: state.seq, change: self.changes });
        while self.jobs.len() > self.most
            && let Some((_, oldest)) = self.order.pop_first()
        {
            self.jobs.remove(&oldest);
            self.greatest_forgotten = self.greatest_forgotten.max(Some(oldest));
        }
        Age::Newer
    }

    /// Returns whether a later state than `seq` was sent.
    pub fn is_behind(&self, job: JobId, seq: u64) -> bool {
        self.jobs.get(&job).is_some_and(|seen| seen.seq > seq)
    }

    /// Returns the moment before a row is read.
    pub const fn moment(&self) -> Moment {
        Moment(self.changes)
    }

    /// Returns whether a row read since then can be judged: a job whose later state was sent in between is remembered.
    pub const fn remembers_since(&self, Moment(then): Moment) -> bool {
        self.changes - then < self.most as u64
    }

    /// Drops a job whose client asks to be told anew: the next state of it is new.
    pub fn forget(&mut self, job: JobId) {
        if let Some(sent) = self.jobs.remove(&job) {
            self.order.remove(&sent.change);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testkit::Random;
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

    fn state(job: u128, seq: u64) -> JobState {
        let job = JobId::from_uuid(Uuid::from_u128(job));
        JobState { job, seq, status: JobStatus::Processing, progress: 0, error_code: None }
    }

    #[test]
    fn states_never_go_back() {
        let mut seen = Seen::default();
        let sent: Vec<_> =
            [1, 3, 2, 3, 4].into_iter().filter(|seq| seen.advance(&state(7, *seq)) == Age::Newer).collect();
        assert_eq!(sent, [1, 3, 4]);
    }

    #[test]
    fn the_jobs_that_changed_last_are_remembered_and_of_others_only_the_row_is_trusted() {
        let mut seen = Seen::remembering(3);
        for job in [1, 2, 3] {
            assert_eq!(seen.advance(&state(job, 1)), Age::Newer);
        }
        assert_eq!(seen.advance(&state(1, 2)), Age::Newer, "1 has changed after 2 and 3");
        assert_eq!(seen.advance(&state(4, 1)), Age::Newer, "a new job");
        assert_eq!((seen.jobs.len(), seen.order.len()), (3, 3));
        assert_eq!(seen.advance(&state(1, 1)), Age::Stale);
        assert_eq!(seen.advance(&state(2, 1)), Age::Unknown, "forgotten");
        assert_eq!(seen.advance(&state(3, 1)), Age::Stale);
        assert_eq!(seen.note_row(&state(2, 2)), Age::Newer);
        assert_eq!(seen.advance(&state(2, 1)), Age::Stale, "remembered again");
        let ended = JobState { status: JobStatus::Done, ..state(3, 9) };
        assert_eq!(seen.advance(&ended), Age::Newer, "nothing comes after it, so it is no step back");
    }

    #[test]
    fn a_row_is_judged_only_while_what_was_sent_meanwhile_is_remembered() {
        let mut seen = Seen::remembering(3);
        let before = seen.moment();
        seen.advance(&state(1, 5));
        assert!(seen.remembers_since(before));
        for job in 2..=4 {
            seen.advance(&state(job, 1));
        }
        assert!(!seen.remembers_since(before), "1 was sent and forgotten: its row may be older");
        assert!(seen.remembers_since(seen.moment()));
    }

    /// Two subscriptions that fall behind each other, and a row that is read late.
    #[test]
    fn no_history_goes_back_however_little_is_remembered() {
        let mut random = Random::new(11);
        for _ in 0..200 {
            let mut seen = Seen::remembering(1 + random.below(4) as usize);
            let mut rows = [0u64; 8];
            let mut shown = [0u64; 8];
            let mut published: Vec<JobState> = Vec::new();
            for _ in 0..300 {
                let job = random.below(8) as usize;
                rows[job] += 1;
                published.push(state(job as u128, rows[job]));
                let late = published.len() - 1 - random.below(published.len() as u64).min(20) as usize;
                let said = published[late].clone();
                let job = said.job.as_uuid().as_u128() as usize;
                let sent = match seen.advance(&said) {
                    Age::Newer => Some(said.seq),
                    Age::Stale => None,
                    Age::Unknown => {
                        (seen.note_row(&state(job as u128, rows[job])) == Age::Newer).then(|| rows[job])
                    }
                };
                if let Some(seq) = sent {
                    assert!(seq >= shown[job], "job {job} went from {} to {seq}", shown[job]);
                    shown[job] = seq;
                }
                assert!(seen.jobs.len() <= seen.most && seen.order.len() == seen.jobs.len());
            }
        }
    }
}
