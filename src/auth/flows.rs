//! What the flows of accounts work with, and how they fail. Each flow is a few calls of ports in the right order
//! (`login.rs`, `registration.rs`, `password_change.rs`); the edge only reads requests and writes answers.

use crate::auth::access_token::{BadToken, TokenKeys};
use crate::auth::password::{PasswordError, Passwords};
use crate::auth::password_policy::Unsuitable;
use crate::auth::{AuthSettings, LinkSecret, links};
use sottovoce_actors::ports::clock::{Clock, Ids};
use sottovoce_actors::ports::identity::{Account, Identity, LinkPurpose, NewLink};
use sottovoce_actors::ports::mail::Mailer;
use sottovoce_actors::ports::store::StoreError;
use sottovoce_protocol::ids::{AccountId, SessionId};
use std::sync::Arc;
use tokio::sync::Semaphore;

/// Letters that may be on their way at once.
const LETTERS_AT_ONCE: usize = 32;

/// Why a flow did not come to its end.
#[derive(Debug, thiserror::Error)]
pub enum FlowError {
    /// The index.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// Hashing.
    #[error(transparent)]
    Password(#[from] PasswordError),
    /// The new password is not taken.
    #[error(transparent)]
    Unsuitable(#[from] Unsuitable),
    /// No such address, not its password, no password, or not an active account: never told apart.
    #[error("the login failed")]
    LoginFailed {
        /// Whose login it would have been, for the audit log only.
        account: Option<AccountId>,
    },
    /// The password is right, but the address was not confirmed.
    #[error("the address is not confirmed")]
    EmailUnverified {
        /// Whose.
        account: AccountId,
    },
    /// Not the refresh token of a login that holds.
    #[error("the refresh token is not valid")]
    RefreshInvalid,
    /// The refresh token came a second time; the login was ended.
    #[error("the refresh token came a second time")]
    RefreshReused {
        /// The login.
        session: SessionId,
        /// Whose.
        account: AccountId,
    },
    /// The login is too old for what was asked.
    #[error("the login is too old")]
    ReauthRequired,
    /// The account has a password, which must be told.
    #[error("the current password is missing")]
    CurrentPasswordMissing,
    /// The address has an account.
    #[error("the address has an account")]
    EmailTaken,
    /// Nobody may register, or only with an invitation.
    #[error("registration is closed")]
    RegistrationClosed,
    /// The link is unknown, used or over.
    #[error("the link is not valid")]
    LinkInvalid,
    /// As many letters are on their way as may.
    #[error("too many letters are on their way")]
    TooManyLetters,
    /// The system gave no random numbers.
    #[error("the system gives no random numbers: {0}")]
    Random(#[from] std::io::Error),
    /// The access token could not be signed.
    #[error("the access token could not be signed")]
    Signing(#[from] BadToken),
}

/// What the flows work with; cheap to clone.
#[derive(Clone)]
pub struct Flows {
    pub(super) identity: Arc<dyn Identity>,
    pub(super) tokens: Arc<TokenKeys>,
    pub(super) passwords: Arc<Passwords>,
    pub(super) settings: Arc<AuthSettings>,
    pub(super) clock: Arc<dyn Clock>,
    pub(super) ids: Arc<dyn Ids>,
    mail: Option<Arc<dyn Mailer>>,
    letters: Arc<Semaphore>,
}

impl Flows {
    /// Takes the ports; without `mail` no letters are sent.
    pub fn new(
        identity: Arc<dyn Identity>,
        tokens: Arc<TokenKeys>,
        passwords: Arc<Passwords>,
        settings: Arc<AuthSettings>,
        mail: Option<Arc<dyn Mailer>>,
        clock: Arc<dyn Clock>,
        ids: Arc<dyn Ids>,
    ) -> Self {
        let letters = Arc::new(Semaphore::new(LETTERS_AT_ONCE));
        Self { identity, tokens, passwords, settings, clock, ids, mail, letters }
    }

    /// Returns whether letters can be sent.
    pub fn has_mail(&self) -> bool {
        self.mail.is_some()
    }

    /// Sends a link to the account of this address if `to` says so. All of it happens after the answer, so that neither
    /// the answer nor its time tells whether there is such an account. Without mail nothing happens.
    ///
    /// # Errors
    /// `TooManyLetters`.
    pub(super) fn send_link(
        &self,
        email: String,
        purpose: LinkPurpose,
        to: fn(&Account) -> bool,
    ) -> Result<(), FlowError> {
        let Some(mail) = self.mail.clone() else { return Ok(()) };
        let place = self.letters.clone().try_acquire_owned().map_err(|_| FlowError::TooManyLetters)?;
        let flows = self.clone();
        tokio::spawn(async move {
            let _place = place;
            if let Err(error) = flows.write_link(&*mail, email, purpose, to).await {
                tracing::warn!(%error, purpose = purpose.as_str(), "a letter was not sent");
            }
        });
        Ok(())
    }

    async fn write_link(
        &self,
        mail: &dyn Mailer,
        email: String,
        purpose: LinkPurpose,
        to: fn(&Account) -> bool,
    ) -> Result<(), Box<dyn std::error::Error + Send + Sync>> {
        let Some((account, _)) = self.identity.account_by_email(&email).await? else { return Ok(()) };
        if !to(&account) {
            return Ok(());
        }
        let secret = LinkSecret::generate()?;
        let life_ms = self.settings.link_ms;
        self.identity
            .add_link(NewLink {
                hash: secret.hash(),
                purpose,
                account: Some(account.id),
                email: Some(email.clone()),
                expires_at: self.clock.now().plus_ms(life_ms),
            })
            .await?;
        let url = links::link_url(&self.settings.base_url, purpose, &secret);
        mail.send(links::letter(email, purpose, &url, life_ms)).await?;
        Ok(())
    }
}
