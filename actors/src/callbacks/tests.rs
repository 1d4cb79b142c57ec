//! Callbacks in virtual time, with receivers that fail by plan.

use super::*;
use crate::ports::callback::CallbackSecret;
use crate::ports::store::{EpochMs, LeaseEpoch, Permille, StatusSeq};
use crate::testkit::{SeededIds, VirtualClock};
use async_trait::async_trait;
use sottovoce_protocol::ids::{AccountId, JobId};
use sottovoce_protocol::jobs::{JobParams, JobStatus, JobType};
use std::collections::VecDeque;
use std::sync::Mutex;
use tokio::sync::Notify;

const T0: EpochMs = EpochMs(1_800_000_000_000);

/// One callback in the list, and the answers its receiver is going to give.
struct Scripted {
    job: Job,
    state: Mutex<(u32, CallbackAttempt)>,
    answers: Mutex<VecDeque<Result<u16, CallbackFault>>>,
    sent: Mutex<Vec<CallbackRequest>>,
    ended: Notify,
}

#[async_trait]
impl CallbackQueue for Scripted {
    async fn due_callbacks(
        &self,
        now: EpochMs,
        again_at: EpochMs,
        _limit: u32,
    ) -> Result<Vec<DueCallback>, StoreError> {
        let (attempts, last) = &mut *self.state.lock().unwrap();
        if last.next_at.is_none_or(|next| next > now) {
            return Ok(Vec::new());
        }
        *attempts += 1;
        last.next_at = Some(again_at);
        let secret = CallbackSecret("whsec_c2VjcmV0".into());
        Ok(vec![DueCallback { job: self.job.clone(), attempts: *attempts, secret }])
    }

    async fn callback_tried(
        &self,
        job: JobId,
        attempts: u32,
        attempt: CallbackAttempt,
    ) -> Result<(), StoreError> {
        assert_eq!(job, self.job.id);
        let mut state = self.state.lock().unwrap();
        assert_eq!(attempts, state.0);
        let is_over = attempt.state != CallbackState::Pending;
        state.1 = attempt;
        if is_over {
            self.ended.notify_one();
        }
        Ok(())
    }

    async fn callback_secret(
        &self,
        _account: AccountId,
        fresh: CallbackSecret,
        _now: EpochMs,
    ) -> Result<CallbackSecret, StoreError> {
        Ok(fresh)
    }

    async fn replace_callback_secret(
        &self,
        _account: AccountId,
        _fresh: CallbackSecret,
        _now: EpochMs,
    ) -> Result<(), StoreError> {
        Ok(())
    }
}

#[async_trait]
impl CallbackSender for Scripted {
    async fn send(&self, request: CallbackRequest) -> Result<u16, CallbackFault> {
        self.sent.lock().unwrap().push(request);
        self.answers.lock().unwrap().pop_front().expect("no more attempts than planned")
    }
}

/// Runs until the callback is over; returns the attempts' times after the end of the job, in seconds, and the outcome.
async fn run(answers: &[Result<u16, CallbackFault>]) -> (Vec<i64>, CallbackAttempt, Vec<CallbackRequest>) {
    tokio::time::pause();
    let ids = Arc::new(SeededIds::new(3));
    let mut params = JobParams::of(JobType::Transcription);
    params.callback_url = Some("https://hooks.example.org/jobs".into());
    let job = Job {
        id: JobId::from_uuid(ids.uuid()),
        account: AccountId::from_uuid(ids.uuid()),
        job_type: JobType::Transcription,
        status: JobStatus::Done,
        seq: StatusSeq(3),
        progress: Permille(1000),
        error_code: None,
        params,
        input: None,
        file_name: Some("secret plans.wav".into()),
        duration_ms: Some(1_500),
        attempt: 1,
        max_attempts: 3,
        epoch: LeaseEpoch(1),
        cancel_requested: false,
        created_at: T0,
        started_at: Some(T0),
        completed_at: Some(T0),
        callback: None,
        artifacts: Vec::new(),
    };
    let waiting =
        CallbackAttempt { state: CallbackState::Pending, next_at: Some(T0), status: None, fault: None };
    let scripted = Arc::new(Scripted {
        job,
        state: Mutex::new((0, waiting)),
        answers: Mutex::new(answers.iter().copied().collect()),
        sent: Mutex::new(Vec::new()),
        ended: Notify::new(),
    });
    let ports = CallbackPorts {
        queue: scripted.clone(),
        sender: scripted.clone(),
        clock: Arc::new(VirtualClock::at(T0)),
        ids,
    };
    let config = CallbackConfig {
        poll_every: Duration::from_secs(1),
        timeout: Duration::from_secs(10),
        max_attempts: 4,
        backoff: Backoff { first: Duration::from_secs(10), most: Duration::from_secs(3_600) },
    };
    let actor = Callbacks::new(ports, config, ExitGuard::new(|_| {})).start();
    scripted.ended.notified().await;
    actor.send(StopCalling).await.expect("it runs");
    let sent = scripted.sent.lock().unwrap().clone();
    let times = sent.iter().map(|request| (request.at.0 - T0.0) / 1000).collect();
    let outcome = scripted.state.lock().unwrap().1.clone();
    (times, outcome, sent)
}

#[actix::test]
async fn one_that_is_taken_is_sent_once_and_tells_no_content() {
    let (times, outcome, sent) = run(&[Ok(204)]).await;
    assert_eq!(times, [0]);
    assert_eq!((outcome.state, outcome.status, outcome.fault), (CallbackState::Delivered, Some(204), None));
    let body: serde_json::Value = serde_json::from_slice(&sent[0].body).unwrap();
    assert_eq!(body["type"], "job.done");
    assert_eq!(body["data"]["status"], "done");
    assert_eq!(body["data"]["duration_seconds"], 1.5);
    assert!(!String::from_utf8_lossy(&sent[0].body).contains("secret plans"), "not even the file's name");
}

#[actix::test]
async fn a_receiver_that_fails_is_tried_again_later_and_later() {
    let faults = [Ok(503), Err(CallbackFault::Timeout), Err(CallbackFault::Unreachable), Ok(200)];
    let (times, outcome, sent) = run(&faults).await;
    assert_eq!(outcome.state, CallbackState::Delivered);
    let pauses: Vec<i64> = times.windows(2).map(|pair| pair[1] - pair[0]).collect();
    // 10, 20 and 40 s, a fifth more or less, and up to a second until the next look.
    for (pause, about) in pauses.iter().zip([10, 20, 40]) {
        assert!((about * 8 / 10..=about * 12 / 10 + 1).contains(pause), "{pauses:?}");
    }
    assert!(sent.iter().all(|request| request.id == sent[0].id), "one id for all attempts");
}

#[actix::test]
async fn attempts_end() {
    let (times, outcome, _) = run(&[Ok(500), Ok(302), Ok(404), Ok(500)]).await;
    assert_eq!(times.len(), 4);
    assert_eq!(
        (outcome.state, outcome.status, outcome.fault),
        (CallbackState::Failed, Some(500), Some("status"))
    );
}

#[actix::test]
async fn a_receiver_that_is_gone_is_left_alone() {
    let (times, outcome, _) = run(&[Ok(410)]).await;
    assert_eq!((times.len(), outcome.state, outcome.next_at), (1, CallbackState::Failed, None));
}

#[actix::test]
async fn an_address_that_is_forbidden_is_not_tried_again() {
    let (times, outcome, _) = run(&[Err(CallbackFault::Forbidden)]).await;
    assert_eq!((times.len(), outcome.state, outcome.fault), (1, CallbackState::Failed, Some("forbidden")));
}
