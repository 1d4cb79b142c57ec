//! The conformance suite of the index ports: what every database must do, written once over `dyn Store` and
//! `dyn Identity`. A database joins with a [`Fixture`] and one line of [`conformance`].

mod accounts;
mod audit;
mod callbacks;
mod deleting;
mod endings;
mod garbage;
mod keys;
mod leases;
mod listing;
mod memory;
mod model;
mod postgres;
mod races;
mod reference;
mod refresh_model;
mod refresh_reference;
mod sessions;
mod sqlite;
mod submitting;
mod tickets;

use crate::config::{SecretText, StorageConfig};
use crate::system::SystemIds;
use async_trait::async_trait;
use sottovoce_actors::ports::callback::CallbackQueue;
use sottovoce_actors::ports::clock::Ids;
use sottovoce_actors::ports::identity::{Identity, SecretHash};
use sottovoce_actors::ports::store::{
    Artifact, EpochMs, Failure, Finish, Idempotency, Job, Lease, NewJob, NewStream, StorageRef, Store,
    StoreError, Submitted,
};
use sottovoce_protocol::error_code::ErrorCode;
use sottovoce_protocol::ids::{AccountId, ArtifactId, JobId, NodeId, SessionId};
use sottovoce_protocol::jobs::{ArtifactKind, JobParams, JobType};
use std::sync::Arc;

/// An empty index of its own for each test.
#[async_trait]
pub trait Fixture: Send + Sync {
    /// Returns the port of jobs.
    fn store(&self) -> Arc<dyn Store>;
    /// Returns the account of this address, made if it is new.
    async fn account(&self, email: &str) -> AccountId;
    /// Opens the same index once more, as another process would.
    async fn another(&self) -> Arc<dyn Store>;
    /// Closes the index and opens it again, as a restart would.
    async fn reopen(&mut self);
}

/// A fixture whose database holds accounts, credentials and callbacks too.
#[async_trait]
pub trait IdentityFixture: Fixture {
    /// Returns the port of accounts and credentials.
    fn identity(&self) -> Arc<dyn Identity>;
    /// Returns the port of callbacks.
    fn callbacks(&self) -> Arc<dyn CallbackQueue>;
    /// Returns the hashes of the `active` refresh tokens of a login, past the port.
    async fn active_tokens(&self, session: SessionId) -> Vec<String>;
}

/// Runs every function of the suite as a test of one database.
macro_rules! conformance {
    ($fixture:ty: $($module:ident::{$($test:ident),* $(,)?}),* $(,)?) => {
        $(mod $module {
            $(#[tokio::test]
            async fn $test() {
                crate::storage::suite::$module::$test(&mut <$fixture>::new().await).await;
            })*
        })*
    };
}
pub(crate) use conformance;

/// The tests, named once for all databases.
macro_rules! every_test {
    ($fixture:ty) => {
        crate::storage::suite::conformance!($fixture:
            submitting::{
                a_submitted_job_is_queued, the_same_request_is_answered_by_the_same_job,
                a_key_for_another_request_is_refused, an_expired_key_is_new_again, a_full_queue_refuses,
                a_refused_submission_leaves_nothing, a_stream_is_leased_from_the_start,
            },
            leases::{
                jobs_are_claimed_in_order, a_job_is_claimed_when_due, priority_orders_an_accounts_own_jobs,
                accounts_take_turns, accounts_are_passed_over_on_demand, a_job_tells_when_it_was_begun,
                progress_never_goes_back, a_heartbeat_keeps_a_lease, dead_leases_are_taken_over,
                a_lone_node_takes_over_what_others_hold, zombies_change_nothing,
            },
            endings::{
                a_finished_job_shows_its_artifacts, a_failed_job_shows_why, a_job_ends_once,
                a_bad_artifact_leaves_the_job_running, a_retried_job_runs_again, a_released_attempt_is_not_counted,
                a_cancelled_job_does_not_run_again, events_of_old_jobs_are_forgotten,
            },
            deleting::{
                a_queued_job_is_gone_at_once, a_running_job_is_told_to_stop, an_ended_job_leaves_garbage,
                deleting_again_changes_nothing, others_jobs_are_not_found, old_jobs_expire,
            },
            listing::{pages_hold_each_job_once, filters_hold},
            garbage::{
                due_objects_are_offered_and_put_off, named_objects_are_never_garbage, naming_takes_off_the_list,
                only_unnamed_objects_are_orphans,
            },
            races::{
                workers_share_the_queue, workers_of_several_processes_share_the_queue, one_key_makes_one_job,
                keys_that_expire_under_a_crowd_are_new_again, a_queue_holds_no_more_than_its_limit,
                one_sweeper_takes_a_dead_lease, finish_and_takeover_do_not_both_win, a_delete_is_never_lost,
                garbage_is_given_to_one_sweeper, abandoned_calls_leave_nothing_half_done,
            },
            model::{random_histories_agree_with_the_reference, what_was_answered_survives_a_restart},
        );
    };
}
pub(crate) use every_test;

/// The tests of accounts, credentials and callbacks, named once for all databases.
macro_rules! every_identity_test {
    ($fixture:ty) => {
        crate::storage::suite::conformance!($fixture:
            accounts::{
                registering_takes_an_address_once, of_many_who_register_an_address_one_gets_it,
                an_invitation_is_used_once, a_refused_invitation_leaves_no_account,
                a_refused_invitation_tells_no_address, a_taken_address_leaves_the_invitation_good,
                a_subject_is_one_account, a_provider_never_opens_anothers_address, a_link_sets_a_password_once,
                a_link_confirms_its_address_once, a_newer_link_ends_the_older, a_suspended_account_opens_nothing,
                a_deleted_account_leaves_nothing_open, a_deleted_accounts_jobs_are_found, accounts_are_listed_once,
            },
            keys::{
                an_email_is_one_account, a_key_opens_its_account, a_key_ends, a_key_of_nobody_is_refused,
                keys_are_counted, keys_are_counted_among_many_callers, only_the_owner_revokes_a_key,
                keys_are_listed_while_they_are_good,
            },
            sessions::{
                a_refresh_token_is_used_once, the_direct_parent_is_answered_within_the_grace,
                a_grandparent_ends_the_login, a_replaced_child_ends_the_login, a_login_expires,
                logging_out_ends_one_login, logging_out_everywhere_ends_all,
                changing_a_password_ends_the_other_logins, a_suspension_uses_up_no_token,
                eight_callers_rotate_one_token, eight_callers_without_grace_end_the_login,
                rotating_and_logging_out_at_once_leave_no_token,
            },
            refresh_model::{random_histories_agree_with_the_reference},
            tickets::{
                a_ticket_opens_once, a_ticket_is_for_one_purpose_and_origin,
                a_ticket_ends_with_what_it_was_made_with, of_many_with_one_ticket_one_gets_in,
                a_login_on_its_way_is_one_browsers,
            },
            callbacks::{
                the_end_of_a_job_is_told, attempts_are_noted, a_deleted_job_is_not_told, an_account_has_one_secret,
                a_callback_is_taken_by_one_server,
            },
            audit::{
                what_ended_is_told, the_log_is_kept_in_order, what_has_expired_is_forgotten,
                forgetting_goes_in_batches,
            },
        );
    };
}
pub(crate) use every_identity_test;
/// Returns the settings of an index, with little patience.
pub fn config(url: String) -> StorageConfig {
    StorageConfig {
        url: SecretText::new(url),
        max_connections: 6,
        acquire_timeout_ms: 10_000,
        statement_timeout_ms: 10_000,
    }
}

/// For [`IdentityFixture::active_tokens`].
pub const ACTIVE_TOKENS: &str =
    "SELECT token_hash FROM refresh_tokens WHERE session_id=$1 AND state='active'";

pub const T0: EpochMs = EpochMs(1_800_000_000_000);

pub fn at(ms: i64) -> EpochMs {
    T0.plus_ms(ms)
}

pub fn object(name: impl Into<String>) -> StorageRef {
    StorageRef(name.into())
}

pub fn job_id() -> JobId {
    JobId::from_uuid(SystemIds.uuid())
}

pub fn node() -> NodeId {
    NodeId::from_uuid(SystemIds.uuid())
}

/// The seed of a random history: a fresh one for each run (the random part of an id), or the one that failed.
pub fn seed() -> u64 {
    let given = std::env::var("SOTTOVOCE_TEST_SEED").ok().and_then(|text| text.parse().ok());
    let seed = given.unwrap_or_else(|| SystemIds.uuid().as_u64_pair().1);
    println!("SOTTOVOCE_TEST_SEED={seed}");
    seed
}

pub fn hash(secret: impl Into<String>) -> SecretHash {
    SecretHash(secret.into())
}

pub fn params(job_type: JobType) -> JobParams {
    JobParams {
        job_type,
        language: Some("en".into()),
        detect_language: None,
        target_language: None,
        model: None,
        multichannel: None,
        callback_url: None,
        priority: None,
    }
}

pub fn new_job(account: AccountId, now: EpochMs) -> NewJob {
    let id = job_id();
    NewJob {
        id,
        account,
        params: params(JobType::Transcription),
        input: object(format!("{id}/input")),
        file_name: Some("täglich.wav".into()),
        max_attempts: 3,
        max_queued: 1000,
        idempotency: None,
        now,
    }
}

pub fn new_stream(account: AccountId, node: NodeId, now: EpochMs) -> NewStream {
    let id = job_id();
    NewStream {
        id,
        account,
        params: params(JobType::Stream),
        log: object(format!("{id}/log")),
        node,
        lease_until: now.plus_ms(60_000),
        now,
    }
}

pub fn idempotency(key: &str, hash: &str, expires_at: EpochMs) -> Option<Idempotency> {
    Some(Idempotency { key: key.into(), request_hash: hash.into(), expires_at })
}

pub fn artifact(lease: Lease, kind: ArtifactKind, now: EpochMs) -> Artifact {
    Artifact {
        id: ArtifactId::from_uuid(SystemIds.uuid()),
        kind,
        lang: String::new(),
        storage: object(format!("{}/{}/{}", lease.job, lease.epoch.0, kind.as_str())),
        size_bytes: 42,
        sha256: "ab".repeat(32),
        created_at: now,
    }
}

pub fn finish(lease: Lease, now: EpochMs) -> Finish {
    Finish { artifacts: vec![artifact(lease, ArtifactKind::Json, now)], duration_ms: 1500, now }
}

pub fn failure(code: ErrorCode, now: EpochMs) -> Failure {
    Failure { code, artifacts: Vec::new(), duration_ms: None, now }
}

pub async fn submit(store: &dyn Store, new: NewJob) -> Job {
    match store.submit(new).await.expect("submit") {
        Submitted::New(job) => job,
        Submitted::Replayed(job) => panic!("replayed {}", job.id),
    }
}

pub async fn claim(store: &dyn Store, now: EpochMs) -> (Job, Lease) {
    store.claim(node(), now.plus_ms(60_000), now, &[]).await.expect("claim").expect("a due job")
}

pub async fn claim_new(store: &dyn Store, account: AccountId, now: EpochMs) -> (Job, Lease) {
    submit(store, new_job(account, now)).await;
    claim(store, now).await
}

pub fn assert_lost<T: std::fmt::Debug>(answer: Result<T, StoreError>) {
    assert!(matches!(answer, Err(StoreError::LeaseLost)), "{answer:?}");
}

pub fn assert_not_found<T: std::fmt::Debug>(answer: Result<T, StoreError>) {
    assert!(matches!(answer, Err(StoreError::NotFound)), "{answer:?}");
}
