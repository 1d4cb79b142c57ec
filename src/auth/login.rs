//! Logins: begun with a password (or by whoever vouches for the person), continued with refresh tokens, ended.

use crate::auth::access_token::{Behind, Token, TokenUse};
use crate::auth::flows::{FlowError, Flows};
use crate::auth::password::Verdict;
use crate::auth::{RefreshSecret, SignedIn};
use sottovoce_actors::ports::identity::{
    AccountStatus, NewRefresh, NewSession, PasswordHash, RevokeReason, Rotate, Rotation, SessionOwner,
};
use sottovoce_actors::ports::store::StoreError;
use sottovoce_protocol::auth::Confidential;
use sottovoce_protocol::ids::{AccountId, RefreshTokenId, SessionId};

/// A login's tokens, fresh.
#[derive(Debug)]
pub struct LoggedIn {
    /// The login.
    pub owner: SessionOwner,
    /// Access token.
    pub access_token: Confidential,
    /// Milliseconds until it ends.
    pub access_ms: i64,
    /// Refresh token, to be used once.
    pub refresh: RefreshSecret,
    /// Milliseconds until the login ends if it is not refreshed.
    pub refresh_ms: i64,
}

impl Flows {
    /// Logs in with a password. Unknown addresses, wrong passwords, accounts without one and accounts that were stopped
    /// get the same answer after the same work.
    ///
    /// # Errors
    /// `LoginFailed`; `EmailUnverified` to whoever knows the password; the index's and the hashing's.
    pub async fn log_in(&self, email: &str, password: Confidential) -> Result<LoggedIn, FlowError> {
        let found = self.identity.account_by_email(email).await?;
        let (account, hash) = found.map_or((None, None), |(account, hash)| (Some(account), hash));
        let verdict = self.passwords.verify(password.clone(), hash.clone()).await?;
        let failed = FlowError::LoginFailed { account: account.as_ref().map(|account| account.id) };
        let (Some(account), Some(hash)) = (account, hash) else { return Err(failed) };
        if verdict == Verdict::Wrong || account.status != AccountStatus::Active {
            return Err(failed);
        }
        if self.settings.verify_email && !account.email_verified {
            return Err(FlowError::EmailUnverified { account: account.id });
        }
        let verified = match verdict {
            Verdict::RightButOutdated => self.renew(account.id, &hash, password).await?,
            _ => hash,
        };
        self.begin(account.id, Some(verified)).await
    }

    /// Hashes a password again at today's cost; if it was changed meanwhile, the change stands.
    async fn renew(
        &self,
        account: AccountId,
        outdated: &PasswordHash,
        password: Confidential,
    ) -> Result<PasswordHash, FlowError> {
        let renewed = self.passwords.hash(password).await?;
        self.identity.renew_password(account, outdated, renewed.clone()).await?;
        Ok(renewed)
    }

    /// Begins a login of somebody who has proved who they are, by the `verified` password if there is one.
    ///
    /// # Errors
    /// `LoginFailed` if the account is not active, or its password was changed meanwhile; the index's.
    pub async fn begin(
        &self,
        account: AccountId,
        verified: Option<PasswordHash>,
    ) -> Result<LoggedIn, FlowError> {
        let refresh = RefreshSecret::generate()?;
        let now = self.clock.now();
        let new = NewSession {
            id: SessionId::from_uuid(self.ids.uuid()),
            account,
            verified,
            refresh: self.to_store(&refresh),
            idle_expires_at: now.plus_ms(self.settings.refresh_idle_ms),
            absolute_expires_at: now.plus_ms(self.settings.refresh_absolute_ms),
            now,
        };
        match self.identity.open_session(new).await {
            Ok(owner) => self.logged_in(owner, refresh),
            Err(StoreError::NotFound) => Err(FlowError::LoginFailed { account: Some(account) }),
            Err(error) => Err(error.into()),
        }
    }

    /// Exchanges a refresh token for fresh tokens.
    ///
    /// # Errors
    /// `RefreshInvalid`, `RefreshReused` (the login has ended then), the index's.
    pub async fn refresh(&self, presented: &RefreshSecret) -> Result<LoggedIn, FlowError> {
        let successor = RefreshSecret::generate()?;
        let rotate = Rotate {
            presented: presented.hash(),
            successor: self.to_store(&successor),
            grace_ms: self.settings.refresh_grace_ms,
            idle_ms: self.settings.refresh_idle_ms,
            now: self.clock.now(),
        };
        match self.identity.rotate(rotate).await? {
            Rotation::Rotated(owner) => self.logged_in(owner, successor),
            Rotation::Reused { session, account } => Err(FlowError::RefreshReused { session, account }),
            Rotation::Invalid => Err(FlowError::RefreshInvalid),
        }
    }

    /// Ends the login that a refresh token belongs to, used or not, and returns it; `None` if there is none.
    ///
    /// # Errors
    /// The index's.
    pub async fn log_out(
        &self,
        presented: &RefreshSecret,
    ) -> Result<Option<(SessionId, AccountId)>, FlowError> {
        let owner = self.identity.session_of_refresh(&presented.hash()).await?;
        if let Some((session, _)) = owner {
            self.identity.revoke_session(session, RevokeReason::Logout, self.clock.now()).await?;
        }
        Ok(owner)
    }

    /// Checks that a login is young enough for what cannot be undone.
    ///
    /// # Errors
    /// `ReauthRequired`.
    pub fn require_recent(&self, signed_in: &SignedIn) -> Result<(), FlowError> {
        let until = signed_in.auth_time.plus_ms(self.settings.recent_login_ms);
        if self.clock.now() < until { Ok(()) } else { Err(FlowError::ReauthRequired) }
    }

    fn to_store(&self, secret: &RefreshSecret) -> NewRefresh {
        NewRefresh { id: RefreshTokenId::from_uuid(self.ids.uuid()), hash: secret.hash() }
    }

    /// No access token outlives its login.
    fn logged_in(&self, owner: SessionOwner, refresh: RefreshSecret) -> Result<LoggedIn, FlowError> {
        let now = self.clock.now();
        let refresh_ms = owner.expires_at.0.saturating_sub(now.0).max(0);
        let access_ms = self.settings.access_token_ms.min(refresh_ms);
        let token = Token {
            token_use: TokenUse::Access,
            account: owner.account,
            behind: Behind::Session(owner.session),
            epoch: owner.epoch,
            expires_at: now.plus_ms(access_ms),
        };
        let signed = self.tokens.sign(&token, now, self.ids.uuid())?;
        Ok(LoggedIn { owner, access_token: Confidential(signed), access_ms, refresh, refresh_ms })
    }
}
