//! An index of credentials that a test scripts: what has ended, whether it answers, what there is to forget.

use crate::ports::identity::{
    Account, ApiKey, Arrived, AuditEntry, AuditLine, Ended, Identity, KeyAdded, KeyOwner, LoginState,
    NewAccount, NewApiKey, NewLink, NewSession, NewTicket, OidcArrival, PasswordHash, Registered,
    RevokeReason, Rotate, Rotation, SecretHash, SessionOwner, TicketOwner,
};
use crate::ports::store::{EpochMs, Store, StoreError};
use crate::testkit::MemoryStore;
use async_trait::async_trait;
use sottovoce_protocol::auth::TicketPurpose;
use sottovoce_protocol::ids::{AccountId, ApiKeyId, JobId, SessionId};
use std::sync::Mutex;
use std::sync::atomic::{AtomicU32, Ordering};

/// How the index is.
#[derive(Clone, Copy, Default)]
pub enum Mood {
    #[default]
    Well,
    Failing,
    Hanging,
}

#[derive(Default)]
pub struct ScriptedIdentity {
    /// What ended, and when.
    pub ended: Mutex<Vec<(EpochMs, Ended)>>,
    pub mood: Mutex<Mood>,
    /// How often it was asked what ended.
    pub looks: AtomicU32,
    pub store: MemoryStore,
    pub deleted_jobs: Mutex<Vec<(AccountId, JobId)>>,
    /// Rows that have expired.
    pub to_forget: Mutex<u64>,
    /// What it was told to forget: now, logins before, audit lines before.
    pub forgotten: Mutex<Vec<(EpochMs, EpochMs, EpochMs)>>,
}

#[async_trait]
impl Identity for ScriptedIdentity {
    async fn register(&self, _new: NewAccount) -> Result<Registered, StoreError> {
        unreachable!("the watch does not ask this")
    }

    async fn ensure_account(
        &self,
        _email: &str,
        _new_id: AccountId,
        _now: EpochMs,
    ) -> Result<AccountId, StoreError> {
        unreachable!("the watch does not ask this")
    }

    async fn arrive(&self, _arrival: OidcArrival) -> Result<Arrived, StoreError> {
        unreachable!("the watch does not ask this")
    }

    async fn account(&self, _id: AccountId) -> Result<Account, StoreError> {
        unreachable!("the watch does not ask this")
    }

    async fn account_by_email(
        &self,
        _email: &str,
    ) -> Result<Option<(Account, Option<PasswordHash>)>, StoreError> {
        unreachable!("the watch does not ask this")
    }

    async fn password(&self, _id: AccountId) -> Result<Option<PasswordHash>, StoreError> {
        unreachable!("the watch does not ask this")
    }

    async fn accounts(&self, _after: Option<AccountId>, _limit: u32) -> Result<Vec<Account>, StoreError> {
        unreachable!("the watch does not ask this")
    }

    async fn set_password(
        &self,
        _id: AccountId,
        _: Option<PasswordHash>,
        _password: PasswordHash,
        _keep: Option<SessionId>,
        _now: EpochMs,
    ) -> Result<(), StoreError> {
        unreachable!("the watch does not ask this")
    }

    async fn renew_password(
        &self,
        _id: AccountId,
        _outdated: &PasswordHash,
        _renewed: PasswordHash,
    ) -> Result<(), StoreError> {
        unreachable!("the watch does not ask this")
    }

    async fn set_password_by_link(
        &self,
        _link: &SecretHash,
        _password: PasswordHash,
        _now: EpochMs,
    ) -> Result<Option<AccountId>, StoreError> {
        unreachable!("the watch does not ask this")
    }

    async fn verify_email_by_link(
        &self,
        _link: &SecretHash,
        _now: EpochMs,
    ) -> Result<Option<AccountId>, StoreError> {
        unreachable!("the watch does not ask this")
    }

    async fn add_link(&self, _link: NewLink) -> Result<(), StoreError> {
        unreachable!("the watch does not ask this")
    }

    async fn set_suspended(&self, _id: AccountId, _suspended: bool, _now: EpochMs) -> Result<(), StoreError> {
        unreachable!("the watch does not ask this")
    }

    async fn delete_account(&self, _id: AccountId, _now: EpochMs) -> Result<(), StoreError> {
        unreachable!("the watch does not ask this")
    }

    async fn jobs_of_deleted(&self, limit: u32) -> Result<Vec<(AccountId, JobId)>, StoreError> {
        let mut left = Vec::new();
        let jobs = self.deleted_jobs.lock().unwrap().clone();
        for (account, job) in jobs {
            if self.store.job(account, job).await.is_ok() {
                left.push((account, job));
            }
        }
        left.truncate(limit as usize);
        Ok(left)
    }

    async fn open_session(&self, _new: NewSession) -> Result<SessionOwner, StoreError> {
        unreachable!("the watch does not ask this")
    }

    async fn rotate(&self, _rotate: Rotate) -> Result<Rotation, StoreError> {
        unreachable!("the watch does not ask this")
    }

    async fn session(&self, _id: SessionId, _now: EpochMs) -> Result<SessionOwner, StoreError> {
        unreachable!("the watch does not ask this")
    }

    async fn session_of_refresh(
        &self,
        _refresh: &SecretHash,
    ) -> Result<Option<(SessionId, AccountId)>, StoreError> {
        unreachable!("the watch does not ask this")
    }

    async fn revoke_session(
        &self,
        _id: SessionId,
        _reason: RevokeReason,
        _now: EpochMs,
    ) -> Result<(), StoreError> {
        unreachable!("the watch does not ask this")
    }

    async fn log_out_everywhere(
        &self,
        _id: AccountId,
        _reason: RevokeReason,
        _now: EpochMs,
    ) -> Result<(), StoreError> {
        unreachable!("the watch does not ask this")
    }

    async fn add_api_key(&self, _key: NewApiKey) -> Result<KeyAdded, StoreError> {
        unreachable!("the watch does not ask this")
    }

    async fn api_keys(&self, _account: AccountId, _now: EpochMs) -> Result<Vec<ApiKey>, StoreError> {
        unreachable!("the watch does not ask this")
    }

    async fn revoke_api_key(
        &self,
        _account: AccountId,
        _id: ApiKeyId,
        _now: EpochMs,
    ) -> Result<(), StoreError> {
        unreachable!("the watch does not ask this")
    }

    async fn has_api_keys(&self) -> Result<bool, StoreError> {
        unreachable!("the watch does not ask this")
    }

    async fn use_api_key(&self, _hash: &SecretHash, _now: EpochMs) -> Result<KeyOwner, StoreError> {
        unreachable!("the watch does not ask this")
    }

    async fn api_key(&self, _id: ApiKeyId, _now: EpochMs) -> Result<KeyOwner, StoreError> {
        unreachable!("the watch does not ask this")
    }

    async fn add_ticket(&self, _ticket: NewTicket) -> Result<(), StoreError> {
        unreachable!("the watch does not ask this")
    }

    async fn take_ticket(
        &self,
        _ticket: &SecretHash,
        _purpose: TicketPurpose,
        _origin: &str,
        _now: EpochMs,
    ) -> Result<Option<TicketOwner>, StoreError> {
        unreachable!("the watch does not ask this")
    }

    async fn add_login_state(&self, _state: LoginState) -> Result<(), StoreError> {
        unreachable!("the watch does not ask this")
    }

    async fn take_login_state(
        &self,
        _state: &SecretHash,
        _browser: &SecretHash,
        _now: EpochMs,
    ) -> Result<Option<LoginState>, StoreError> {
        unreachable!("the watch does not ask this")
    }

    async fn ended_since(&self, since: EpochMs) -> Result<Vec<Ended>, StoreError> {
        self.looks.fetch_add(1, Ordering::Relaxed);
        let mood = *self.mood.lock().unwrap();
        match mood {
            Mood::Well => {}
            Mood::Failing => return Err(StoreError::Unavailable("as planned".into())),
            Mood::Hanging => std::future::pending().await,
        }
        let ended = self.ended.lock().unwrap();
        Ok(ended.iter().filter(|(at, _)| *at >= since).map(|(_, ended)| *ended).collect())
    }

    async fn audit(&self, _entry: AuditEntry) -> Result<(), StoreError> {
        unreachable!("the watch does not ask this")
    }

    async fn audit_log(
        &self,
        _account: Option<AccountId>,
        _limit: u32,
    ) -> Result<Vec<AuditLine>, StoreError> {
        unreachable!("the watch does not ask this")
    }

    async fn forget_expired(
        &self,
        now: EpochMs,
        sessions_before: EpochMs,
        audit_before: EpochMs,
        limit: u32,
    ) -> Result<u64, StoreError> {
        self.forgotten.lock().unwrap().push((now, sessions_before, audit_before));
        let mut waiting = self.to_forget.lock().unwrap();
        let gone = (*waiting).min(u64::from(limit));
        *waiting -= gone;
        Ok(gone)
    }
}
