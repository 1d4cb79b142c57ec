//! What the operator's commands on accounts and keys share: the index beside a running server, finding an account, the
//! audit log, links.

use super::Failure;
use crate::auth::{LinkSecret, checked_email, link_url};
use crate::config::Config;
use crate::storage::{self, OpenedIndex};
use crate::system::{SystemClock, SystemIds};
use sottovoce_actors::ports::clock::{Clock, Ids};
use sottovoce_actors::ports::identity::{Account, AuditEntry, Identity, LinkPurpose, NewLink};
use sottovoce_actors::ports::store::EpochMs;
use sottovoce_protocol::ids::{AccountId, AuditId};
use std::sync::Arc;

/// The operator at work.
pub(super) struct Operator {
    index: OpenedIndex,
    pub(super) identity: Arc<dyn Identity>,
    pub(super) now: EpochMs,
}

impl Operator {
    /// Opens the index; works beside a running server.
    pub(super) async fn open(config: &Config) -> Result<Self, Failure> {
        let index = storage::connect(&config.storage).await.map_err(Failure::of)?;
        Ok(Self { identity: index.identity(), index, now: SystemClock.now() })
    }

    /// Closes the index.
    pub(super) async fn close(self) {
        self.index.close().await;
    }

    /// Returns the account of an address.
    pub(super) async fn account(&self, email: &str) -> Result<Account, Failure> {
        let email = usable_email(email)?;
        let found = self.identity.account_by_email(&email).await.map_err(Failure::of)?;
        let (account, _) = found.ok_or_else(|| {
            Failure::Failed(format!("no account has the address {email}; `sottovoce users list` shows all"))
        })?;
        Ok(account)
    }

    /// Writes to the audit log what the operator did.
    pub(super) async fn audit(
        &self,
        event: &'static str,
        account: Option<AccountId>,
        detail: String,
    ) -> Result<(), Failure> {
        let id = AuditId::from_uuid(SystemIds.uuid());
        let entry = AuditEntry { id, at: self.now, account, event, address: None, request: None, detail };
        self.identity.audit(entry).await.map_err(Failure::of)
    }
}

/// Returns an address in lower case.
pub(super) fn usable_email(email: &str) -> Result<String, Failure> {
    checked_email(email).ok_or_else(|| {
        Failure::Usage(format!("--email {email:?} is no e-mail address; write one like you@example.org"))
    })
}

/// Makes a one-time link, stored hashed, and returns its secret.
pub(super) async fn make_link(
    identity: &dyn Identity,
    purpose: LinkPurpose,
    account: Option<AccountId>,
    email: Option<String>,
    expires_at: EpochMs,
) -> Result<LinkSecret, Failure> {
    let secret = LinkSecret::generate().map_err(Failure::of)?;
    let link = NewLink { hash: secret.hash(), purpose, account, email, expires_at };
    identity.add_link(link).await.map_err(Failure::of)?;
    Ok(secret)
}

/// Returns the address that a person opens.
pub(super) fn link(config: &Config, purpose: LinkPurpose, secret: &LinkSecret) -> String {
    link_url(&config.http.base_url(&config.http.bind), purpose, secret)
}
