//! A new password for an account: by its owner who knows the old one, or by a one-time link.

use crate::auth::flows::{FlowError, Flows};
use crate::auth::password::Verdict;
use crate::auth::registration::link_of;
use crate::auth::{SignedIn, password_policy};
use sottovoce_actors::ports::identity::{AccountStatus, LinkPurpose};
use sottovoce_actors::ports::store::StoreError;
use sottovoce_protocol::auth::Confidential;
use sottovoce_protocol::ids::AccountId;

impl Flows {
    /// Changes a password and ends every other login. An account that has none (it came through a provider) sets its
    /// first one with a login that is young.
    ///
    /// # Errors
    /// `LoginFailed` for a wrong current password, `CurrentPasswordMissing`, `ReauthRequired`, `Unsuitable`, the index's
    /// and the hashing's.
    pub async fn change_password(
        &self,
        account: AccountId,
        signed_in: &SignedIn,
        current: Option<Confidential>,
        new: Confidential,
    ) -> Result<(), FlowError> {
        let old = self.identity.password(account).await?;
        match (old.clone(), current) {
            (Some(hash), Some(current)) => {
                if self.passwords.verify(current, Some(hash)).await? == Verdict::Wrong {
                    return Err(FlowError::LoginFailed { account: Some(account) });
                }
            }
            (Some(_), None) => return Err(FlowError::CurrentPasswordMissing),
            (None, _) => self.require_recent(signed_in)?,
        }
        let email = self.identity.account(account).await?.email;
        password_policy::check(&new.0, email.as_deref(), self.settings.password_min_chars)?;
        let hash = self.passwords.hash(new).await?;
        let now = self.clock.now();
        match self.identity.set_password(account, old, hash, Some(signed_in.session), now).await {
            // It was set anew meanwhile, by whoever holds a link.
            Err(StoreError::NotFound) => Err(FlowError::LoginFailed { account: Some(account) }),
            answer => Ok(answer?),
        }
    }

    /// Sends a link to set a password, if this address is an active account's; nobody is told.
    ///
    /// # Errors
    /// `TooManyLetters`.
    pub fn send_password_link(&self, email: String) -> Result<(), FlowError> {
        self.send_link(email, LinkPurpose::Password, |account| account.status == AccountStatus::Active)
    }

    /// Sets a password by a link, which ends every login.
    ///
    /// # Errors
    /// `LinkInvalid`, `Unsuitable` (the link stays good), the index's and the hashing's.
    pub async fn reset_password(
        &self,
        link: &Confidential,
        new: Confidential,
    ) -> Result<AccountId, FlowError> {
        let link = link_of(link)?.hash();
        password_policy::check(&new.0, None, self.settings.password_min_chars)?;
        let hash = self.passwords.hash(new).await?;
        let account = self.identity.set_password_by_link(&link, hash, self.clock.now()).await?;
        account.ok_or(FlowError::LinkInvalid)
    }
}
