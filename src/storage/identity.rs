//! The identity port over any [`Database`]: one verb, one transaction.

use crate::storage::database::Database;
use crate::storage::store::{SqlStore, reading, writing};
use crate::storage::{accounts, audit, keys, sessions, tickets};
use async_trait::async_trait;
use sottovoce_actors::ports::identity::{
    Account, ApiKey, Arrived, AuditEntry, AuditLine, Ended, Identity, KeyAdded, KeyOwner, LoginState,
    NewAccount, NewApiKey, NewLink, NewSession, NewTicket, OidcArrival, PasswordHash, Registered,
    RevokeReason, Rotate, Rotation, SecretHash, SessionOwner, TicketOwner,
};
use sottovoce_actors::ports::store::{EpochMs, StoreError};
use sottovoce_protocol::auth::TicketPurpose;
use sottovoce_protocol::ids::{AccountId, ApiKeyId, JobId, SessionId};

#[async_trait]
impl<D: Database> Identity for SqlStore<D> {
    async fn register(&self, new: NewAccount) -> Result<Registered, StoreError> {
        let mut tx = self.database().write().await?;
        let registered = accounts::register(&mut *tx, new).await?;
        // A refusal leaves everything as it was: a good invitation for an address that is taken stays good.
        if registered == Registered::Made {
            tx.commit().await?;
        }
        Ok(registered)
    }

    async fn ensure_account(
        &self,
        email: &str,
        new_id: AccountId,
        now: EpochMs,
    ) -> Result<AccountId, StoreError> {
        writing!(self, tx => accounts::ensure(tx, email, new_id, now))
    }

    async fn arrive(&self, arrival: OidcArrival) -> Result<Arrived, StoreError> {
        writing!(self, tx => accounts::arrive(tx, arrival))
    }

    async fn account(&self, id: AccountId) -> Result<Account, StoreError> {
        reading!(self, tx => accounts::by_id(tx, id))
    }

    async fn account_by_email(
        &self,
        email: &str,
    ) -> Result<Option<(Account, Option<PasswordHash>)>, StoreError> {
        reading!(self, tx => accounts::by_email(tx, email))
    }

    async fn password(&self, id: AccountId) -> Result<Option<PasswordHash>, StoreError> {
        reading!(self, tx => accounts::password(tx, id))
    }

    async fn accounts(&self, after: Option<AccountId>, limit: u32) -> Result<Vec<Account>, StoreError> {
        reading!(self, tx => accounts::page(tx, after, limit))
    }

    async fn set_password(
        &self,
        id: AccountId,
        old: Option<PasswordHash>,
        password: PasswordHash,
        keep: Option<SessionId>,
        now: EpochMs,
    ) -> Result<(), StoreError> {
        writing!(self, tx => accounts::set_password(tx, id, old, &password, keep, now))
    }

    async fn renew_password(
        &self,
        id: AccountId,
        outdated: &PasswordHash,
        renewed: PasswordHash,
    ) -> Result<(), StoreError> {
        writing!(self, tx => accounts::renew_password(tx, id, outdated, &renewed))
    }

    async fn set_password_by_link(
        &self,
        link: &SecretHash,
        password: PasswordHash,
        now: EpochMs,
    ) -> Result<Option<AccountId>, StoreError> {
        writing!(self, tx => accounts::set_password_by_link(tx, link, &password, now))
    }

    async fn verify_email_by_link(
        &self,
        link: &SecretHash,
        now: EpochMs,
    ) -> Result<Option<AccountId>, StoreError> {
        writing!(self, tx => accounts::verify_email_by_link(tx, link, now))
    }

    async fn add_link(&self, link: NewLink) -> Result<(), StoreError> {
        writing!(self, tx => accounts::add_link(tx, link))
    }

    async fn set_suspended(&self, id: AccountId, suspended: bool, now: EpochMs) -> Result<(), StoreError> {
        writing!(self, tx => accounts::set_suspended(tx, id, suspended, now))
    }

    async fn delete_account(&self, id: AccountId, now: EpochMs) -> Result<(), StoreError> {
        writing!(self, tx => accounts::delete(tx, id, now))
    }

    async fn jobs_of_deleted(&self, limit: u32) -> Result<Vec<(AccountId, JobId)>, StoreError> {
        reading!(self, tx => accounts::jobs_of_deleted(tx, limit))
    }

    async fn open_session(&self, new: NewSession) -> Result<SessionOwner, StoreError> {
        writing!(self, tx => sessions::open(tx, new))
    }

    async fn rotate(&self, rotate: Rotate) -> Result<Rotation, StoreError> {
        writing!(self, tx => sessions::rotate(tx, rotate))
    }

    async fn session(&self, id: SessionId, now: EpochMs) -> Result<SessionOwner, StoreError> {
        let found: Result<_, StoreError> = reading!(self, tx => sessions::live(tx, id, now));
        found?.ok_or(StoreError::NotFound)
    }

    async fn session_of_refresh(
        &self,
        refresh: &SecretHash,
    ) -> Result<Option<(SessionId, AccountId)>, StoreError> {
        reading!(self, tx => sessions::of_refresh(tx, refresh))
    }

    async fn revoke_session(
        &self,
        id: SessionId,
        reason: RevokeReason,
        now: EpochMs,
    ) -> Result<(), StoreError> {
        writing!(self, tx => sessions::revoke(tx, id, reason, now))
    }

    async fn log_out_everywhere(
        &self,
        id: AccountId,
        reason: RevokeReason,
        now: EpochMs,
    ) -> Result<(), StoreError> {
        writing!(self, tx => sessions::log_out_everywhere(tx, id, reason, now))
    }

    async fn add_api_key(&self, key: NewApiKey) -> Result<KeyAdded, StoreError> {
        writing!(self, tx => keys::add(tx, key))
    }

    async fn api_keys(&self, account: AccountId, now: EpochMs) -> Result<Vec<ApiKey>, StoreError> {
        reading!(self, tx => keys::list(tx, account, now))
    }

    async fn revoke_api_key(&self, account: AccountId, id: ApiKeyId, now: EpochMs) -> Result<(), StoreError> {
        writing!(self, tx => keys::revoke(tx, account, id, now))
    }

    async fn has_api_keys(&self) -> Result<bool, StoreError> {
        reading!(self, tx => keys::any(tx))
    }

    async fn use_api_key(&self, hash: &SecretHash, now: EpochMs) -> Result<KeyOwner, StoreError> {
        let found: Result<_, StoreError> = reading!(self, tx => keys::by_hash(tx, hash, now));
        let (owner, is_use_due) = found?;
        if is_use_due {
            let noted: Result<(), StoreError> = writing!(self, tx => keys::note_use(tx, owner.key, now));
            if let Err(error) = noted {
                // The key is valid all the same; a busy index must not lock its owner out.
                tracing::warn!(key = %owner.key, %error, "use of an api key not noted");
            }
        }
        Ok(owner)
    }

    async fn api_key(&self, id: ApiKeyId, now: EpochMs) -> Result<KeyOwner, StoreError> {
        let found: Result<_, StoreError> = reading!(self, tx => keys::by_id(tx, id, now));
        found?.ok_or(StoreError::NotFound)
    }

    async fn add_ticket(&self, ticket: NewTicket) -> Result<(), StoreError> {
        writing!(self, tx => tickets::add(tx, ticket))
    }

    async fn take_ticket(
        &self,
        ticket: &SecretHash,
        purpose: TicketPurpose,
        origin: &str,
        now: EpochMs,
    ) -> Result<Option<TicketOwner>, StoreError> {
        writing!(self, tx => tickets::take(tx, ticket, purpose, origin, now))
    }

    async fn add_login_state(&self, state: LoginState) -> Result<(), StoreError> {
        writing!(self, tx => tickets::add_login(tx, state))
    }

    async fn take_login_state(
        &self,
        state: &SecretHash,
        browser: &SecretHash,
        now: EpochMs,
    ) -> Result<Option<LoginState>, StoreError> {
        writing!(self, tx => tickets::take_login(tx, state, browser, now))
    }

    async fn ended_since(&self, since: EpochMs) -> Result<Vec<Ended>, StoreError> {
        reading!(self, tx => audit::ended_since(tx, since))
    }

    async fn audit(&self, entry: AuditEntry) -> Result<(), StoreError> {
        writing!(self, tx => audit::add(tx, entry))
    }

    async fn audit_log(&self, account: Option<AccountId>, limit: u32) -> Result<Vec<AuditLine>, StoreError> {
        reading!(self, tx => audit::newest(tx, account, limit))
    }

    async fn forget_expired(
        &self,
        now: EpochMs,
        sessions_before: EpochMs,
        audit_before: EpochMs,
        limit: u32,
    ) -> Result<u64, StoreError> {
        writing!(self, tx => audit::forget_expired(tx, now, sessions_before, audit_before, limit))
    }
}
