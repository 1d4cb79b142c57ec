//! Making an account, confirming its address, ending it.

use crate::auth::flows::{FlowError, Flows};
use crate::auth::login::LoggedIn;
use crate::auth::{LinkSecret, RegistrationPolicy, SignedIn, password_policy};
use sottovoce_actors::ports::identity::{Account, AccountStatus, LinkPurpose, NewAccount, Registered};
use sottovoce_protocol::auth::Confidential;
use sottovoce_protocol::ids::AccountId;

/// A new account.
#[derive(Debug)]
pub enum Joined {
    /// It may begin at once.
    LoggedIn(Box<LoggedIn>),
    /// Its address must be confirmed first; a link is on its way.
    ToBeConfirmed(AccountId),
}

impl Flows {
    /// Makes an account and logs it in, or sends a link to confirm its address first where that is asked for. An
    /// invitation that went to an address confirms it.
    ///
    /// # Errors
    /// `RegistrationClosed`, `LinkInvalid` (the invitation), `EmailTaken`, `Unsuitable`, the index's and the hashing's.
    pub async fn register(
        &self,
        email: String,
        password: Confidential,
        invitation: Option<Confidential>,
    ) -> Result<Joined, FlowError> {
        match (self.settings.registration, &invitation) {
            (RegistrationPolicy::Closed, _) | (RegistrationPolicy::Invite, None) => {
                return Err(FlowError::RegistrationClosed);
            }
            (RegistrationPolicy::Open | RegistrationPolicy::Invite, _) => {}
        }
        password_policy::check(&password.0, Some(&email), self.settings.password_min_chars)?;
        let invitation = invitation.map(|secret| link_of(&secret)).transpose()?;
        let id = AccountId::from_uuid(self.ids.uuid());
        let new = NewAccount {
            id,
            email: email.clone(),
            password: self.passwords.hash(password).await?,
            invitation: invitation.map(|secret| secret.hash()),
            now: self.clock.now(),
        };
        match self.identity.register(new).await? {
            Registered::Made => {}
            Registered::EmailTaken => return Err(FlowError::EmailTaken),
            Registered::InvitationInvalid => return Err(FlowError::LinkInvalid),
        }
        if self.settings.verify_email && !self.identity.account(id).await?.email_verified {
            if let Err(error) = self.send_link(email, LinkPurpose::Verify, is_unconfirmed) {
                // The account stands; another link can be asked for.
                tracing::warn!(%error, account.id = %id, "a letter was not sent");
            }
            return Ok(Joined::ToBeConfirmed(id));
        }
        Ok(Joined::LoggedIn(Box::new(self.begin(id, None).await?)))
    }

    /// Confirms an address by the link that was sent to it.
    ///
    /// # Errors
    /// `LinkInvalid`, the index's.
    pub async fn verify(&self, link: &Confidential) -> Result<AccountId, FlowError> {
        let link = link_of(link)?.hash();
        self.identity.verify_email_by_link(&link, self.clock.now()).await?.ok_or(FlowError::LinkInvalid)
    }

    /// Sends a link to confirm this address, if it is an account's and not confirmed; nobody is told.
    ///
    /// # Errors
    /// `TooManyLetters`.
    pub fn send_verification(&self, email: String) -> Result<(), FlowError> {
        self.send_link(email, LinkPurpose::Verify, is_unconfirmed)
    }

    /// Deletes an account: all its logins and keys end now, its content goes in the background.
    ///
    /// # Errors
    /// `ReauthRequired`, the index's.
    pub async fn delete_account(&self, account: AccountId, signed_in: &SignedIn) -> Result<(), FlowError> {
        self.require_recent(signed_in)?;
        Ok(self.identity.delete_account(account, self.clock.now()).await?)
    }
}

fn is_unconfirmed(account: &Account) -> bool {
    account.status == AccountStatus::Active && !account.email_verified
}

/// What cannot be a link's secret is not looked up.
pub(super) fn link_of(secret: &Confidential) -> Result<LinkSecret, FlowError> {
    if LinkSecret::looks_like(&secret.0) {
        Ok(LinkSecret::presented(&secret.0))
    } else {
        Err(FlowError::LinkInvalid)
    }
}
