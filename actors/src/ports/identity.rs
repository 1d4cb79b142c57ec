//! The port of accounts and credentials: who may call, and how that ends. Every verb is one whole transaction. Secrets
//! never pass through here, only their hashes.

use crate::ports::store::{EpochMs, StoreError};
use async_trait::async_trait;
use sottovoce_protocol::auth::TicketPurpose;
use sottovoce_protocol::ids::{AccountId, ApiKeyId, AuditId, JobId, RefreshTokenId, RequestId, SessionId};
use sottovoce_protocol::scope::Scopes;
use std::fmt;
use std::net::IpAddr;

/// SHA-256 of a secret, hex; the secret itself is never stored.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub struct SecretHash(pub String);

/// A password's argon2id hash in PHC form.
#[derive(Clone, PartialEq, Eq)]
pub struct PasswordHash(pub String);

impl fmt::Debug for PasswordHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("[not shown]")
    }
}

/// Counts how often an account logged out everywhere; access tokens carry it and end when it grows.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub struct TokenEpoch(pub i64);

/// Whether an account may do anything.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum AccountStatus {
    /// It may.
    Active,
    /// The operator stopped it.
    Suspended,
    /// Its owner or the operator deleted it; its content goes.
    Deleted,
}

impl AccountStatus {
    /// Returns the name in the index.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Active => "active",
            Self::Suspended => "suspended",
            Self::Deleted => "deleted",
        }
    }

    /// Returns the status of this name.
    pub fn parse(text: &str) -> Option<Self> {
        [Self::Active, Self::Suspended, Self::Deleted].into_iter().find(|status| status.as_str() == text)
    }
}

/// What the index knows of an account.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Account {
    /// The id.
    pub id: AccountId,
    /// Its address in lower case; none for an OIDC account whose address another account has, and for a deleted one.
    pub email: Option<String>,
    /// Whether the address was confirmed.
    pub email_verified: bool,
    /// Whether it can log in with a password.
    pub has_password: bool,
    /// Whether it may do anything.
    pub status: AccountStatus,
    /// See [`TokenEpoch`].
    pub epoch: TokenEpoch,
    /// Made at.
    pub created_at: EpochMs,
}

/// An account to be made.
#[derive(Clone, Debug)]
pub struct NewAccount {
    /// The id, made by the caller.
    pub id: AccountId,
    /// Its address.
    pub email: String,
    /// Its password.
    pub password: PasswordHash,
    /// The invitation that is used up by this, where one is needed.
    pub invitation: Option<SecretHash>,
    /// Now.
    pub now: EpochMs,
}

/// How a registration ended.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Registered {
    /// The account is there.
    Made,
    /// The address has one already.
    EmailTaken,
    /// The invitation is unknown, used, expired, or for another address.
    InvitationInvalid,
}

/// Someone whom an identity provider vouches for.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct OidcArrival {
    /// The provider, exactly as it names itself.
    pub issuer: String,
    /// Who it is there; never changes.
    pub subject: String,
    /// The address, if the provider has verified it. Only for show and for the operator: it never links accounts.
    pub verified_email: Option<String>,
    /// The id of a new account.
    pub new_id: AccountId,
    /// Whether a newcomer gets an account.
    pub may_register: bool,
    /// Now.
    pub now: EpochMs,
}

/// How an OIDC login ended.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Arrived {
    /// It is this account.
    Known(AccountId),
    /// It is this account, made now.
    Made(AccountId),
    /// A newcomer, and newcomers are not taken.
    NotTaken,
    /// The account was suspended.
    Stopped,
}

/// A refresh token to be stored.
#[derive(Clone, Debug)]
pub struct NewRefresh {
    /// The id.
    pub id: RefreshTokenId,
    /// Hash of the secret.
    pub hash: SecretHash,
}

/// A login that begins now.
#[derive(Clone, Debug)]
pub struct NewSession {
    /// The id.
    pub id: SessionId,
    /// Who logs in.
    pub account: AccountId,
    /// The password that was verified: it must still be the account's, or a reset meanwhile would be got round.
    /// `None`: somebody else vouches.
    pub verified: Option<PasswordHash>,
    /// Its first refresh token.
    pub refresh: NewRefresh,
    /// Ends if it is not refreshed until then.
    pub idle_expires_at: EpochMs,
    /// Ends then at the latest.
    pub absolute_expires_at: EpochMs,
    /// Now.
    pub now: EpochMs,
}

/// A login that holds.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct SessionOwner {
    /// The login.
    pub session: SessionId,
    /// Who logged in.
    pub account: AccountId,
    /// The account's epoch now.
    pub epoch: TokenEpoch,
    /// When a password was typed or a provider vouched.
    pub auth_time: EpochMs,
    /// Ends then: the earlier of idle and absolute expiry.
    pub expires_at: EpochMs,
}

/// A refresh token is presented.
#[derive(Clone, Debug)]
pub struct Rotate {
    /// Hash of what was presented.
    pub presented: SecretHash,
    /// What replaces it.
    pub successor: NewRefresh,
    /// For so long the direct parent of the active token is answered again (a lost answer), if the active one was never
    /// used.
    pub grace_ms: i64,
    /// The login then ends if it is not refreshed for so long.
    pub idle_ms: i64,
    /// Now.
    pub now: EpochMs,
}

/// How a rotation ended. At most one token of a login is active at any time.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Rotation {
    /// The successor is active.
    Rotated(SessionOwner),
    /// A token came a second time: the whole login was revoked now.
    Reused {
        /// The login.
        session: SessionId,
        /// Its owner.
        account: AccountId,
    },
    /// No token of a login that holds.
    Invalid,
}

/// Why a login was ended.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum RevokeReason {
    /// Its owner logged out.
    Logout,
    /// A refresh token came a second time.
    Reuse,
    /// The operator.
    Admin,
    /// The password was changed.
    PasswordChanged,
    /// The account was deleted.
    AccountDeleted,
}

impl RevokeReason {
    /// Returns the name in the index.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Logout => "logout",
            Self::Reuse => "reuse",
            Self::Admin => "admin",
            Self::PasswordChanged => "password_changed",
            Self::AccountDeleted => "account_deleted",
        }
    }
}

/// A key to be stored.
#[derive(Clone, Debug)]
pub struct NewApiKey {
    /// The id.
    pub id: ApiKeyId,
    /// Its account.
    pub account: AccountId,
    /// What the owner calls it.
    pub name: String,
    /// First characters of the secret, shown in lists.
    pub prefix: String,
    /// Hash of the secret.
    pub secret_hash: SecretHash,
    /// What it may do.
    pub scopes: Scopes,
    /// From when on it opens nothing; `None`: never.
    pub expires_at: Option<EpochMs>,
    /// Keys that an account may have; over it the answer is [`KeyAdded::TooMany`].
    pub max_keys: u64,
    /// Now.
    pub now: EpochMs,
}

/// How adding a key ended.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum KeyAdded {
    /// It is there.
    Added,
    /// The account has as many as it may.
    TooMany,
}

/// What the index knows of a key.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ApiKey {
    /// The id.
    pub id: ApiKeyId,
    /// What the owner calls it.
    pub name: String,
    /// First characters of the secret.
    pub prefix: String,
    /// What it may do.
    pub scopes: Scopes,
    /// Made at.
    pub created_at: EpochMs,
    /// Used last, to the minute.
    pub last_used_at: Option<EpochMs>,
    /// Ends at.
    pub expires_at: Option<EpochMs>,
}

/// A valid key's owner and rights.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct KeyOwner {
    /// The key.
    pub key: ApiKeyId,
    /// Its account.
    pub account: AccountId,
    /// What it may do.
    pub scopes: Scopes,
    /// Ends at.
    pub expires_at: Option<EpochMs>,
}

/// What a request acts on; when it ends, what was opened with it is closed.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Credential {
    /// An API key.
    Key(ApiKeyId),
    /// A login.
    Session(SessionId),
}

/// A one-time ticket for a browser's socket.
#[derive(Clone, Debug)]
pub struct NewTicket {
    /// Hash of the ticket.
    pub hash: SecretHash,
    /// Who may come with it.
    pub account: AccountId,
    /// What it was made with.
    pub credential: Credential,
    /// What it opens.
    pub purpose: TicketPurpose,
    /// The only job it may follow.
    pub job: Option<JobId>,
    /// The only origin that may present it; `None`: any that is allowed.
    pub origin: Option<String>,
    /// Ends at.
    pub expires_at: EpochMs,
}

/// What a ticket opened.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct TicketOwner {
    /// Who.
    pub account: AccountId,
    /// What it was made with, still good.
    pub credential: Credential,
    /// The credential's own end.
    pub expires_at: Option<EpochMs>,
    /// The only job it may follow.
    pub job: Option<JobId>,
}

/// What a one-time link does.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum LinkPurpose {
    /// Sets a password.
    Password,
    /// Confirms an address.
    Verify,
    /// Lets somebody register.
    Invitation,
}

impl LinkPurpose {
    /// Returns the name in the index.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Password => "password",
            Self::Verify => "verify",
            Self::Invitation => "invitation",
        }
    }
}

/// A one-time link to be stored.
#[derive(Clone, Debug)]
pub struct NewLink {
    /// Hash of its secret.
    pub hash: SecretHash,
    /// What it does.
    pub purpose: LinkPurpose,
    /// Whose account; none for an invitation.
    pub account: Option<AccountId>,
    /// The only address that may use it (invitations; none: anyone), and the address that is confirmed by it.
    pub email: Option<String>,
    /// Ends at.
    pub expires_at: EpochMs,
}

/// A login on its way through an identity provider.
#[derive(Clone, Debug)]
pub struct LoginState {
    /// Hash of `state`.
    pub state: SecretHash,
    /// Hash of the browser's own secret (a cookie): only the browser that began may end it.
    pub browser: SecretHash,
    /// Nonce that the ID token must carry.
    pub nonce: String,
    /// PKCE verifier.
    pub pkce_verifier: String,
    /// Path of this server to go on at.
    pub return_to: String,
    /// Ends at.
    pub expires_at: EpochMs,
}

/// Something that ended, with all that was opened by it.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Ended {
    /// A key or a login.
    Credential(Credential),
    /// An account.
    Account(AccountId),
}

/// A line of the audit log. Holds no secret; `detail` is a few words of ours.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct AuditEntry {
    /// The id.
    pub id: AuditId,
    /// When.
    pub at: EpochMs,
    /// Whose account, if known.
    pub account: Option<AccountId>,
    /// What, e.g. `login_failed`.
    pub event: &'static str,
    /// From where.
    pub address: Option<IpAddr>,
    /// In which request.
    pub request: Option<RequestId>,
    /// More, e.g. the key's id.
    pub detail: String,
}

/// A line of the audit log as it was kept.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct AuditLine {
    /// When.
    pub at: EpochMs,
    /// Whose account, if known.
    pub account: Option<AccountId>,
    /// What.
    pub event: String,
    /// From where.
    pub address: Option<String>,
    /// More.
    pub detail: String,
}

/// Accounts, logins, keys, tickets, links and the audit log.
#[async_trait]
pub trait Identity: Send + Sync + 'static {
    /// Makes an account with a password.
    async fn register(&self, new: NewAccount) -> Result<Registered, StoreError>;
    /// Returns the account of this address, made without a password if it is new: the operator's way.
    async fn ensure_account(
        &self,
        email: &str,
        new_id: AccountId,
        now: EpochMs,
    ) -> Result<AccountId, StoreError>;
    /// Returns the account of someone whom a provider vouches for, by `(issuer, subject)` alone.
    async fn arrive(&self, arrival: OidcArrival) -> Result<Arrived, StoreError>;
    /// Returns an account, whatever its status.
    async fn account(&self, id: AccountId) -> Result<Account, StoreError>;
    /// Returns the account of an address, if there is one, and its password.
    async fn account_by_email(
        &self,
        email: &str,
    ) -> Result<Option<(Account, Option<PasswordHash>)>, StoreError>;
    /// Returns an account's password.
    async fn password(&self, id: AccountId) -> Result<Option<PasswordHash>, StoreError>;
    /// Returns accounts in the order of their ids, after this one.
    async fn accounts(&self, after: Option<AccountId>, limit: u32) -> Result<Vec<Account>, StoreError>;
    /// Sets a password and ends every login but `keep`. Keys stay. `NotFound` if `old` is told and no longer the
    /// account's.
    async fn set_password(
        &self,
        id: AccountId,
        old: Option<PasswordHash>,
        password: PasswordHash,
        keep: Option<SessionId>,
        now: EpochMs,
    ) -> Result<(), StoreError>;
    /// Replaces a password's hash by one of the same password, if it is still this one. No login ends.
    async fn renew_password(
        &self,
        id: AccountId,
        outdated: &PasswordHash,
        renewed: PasswordHash,
    ) -> Result<(), StoreError>;
    /// Uses up a link to set a password and ends every login. A link that went to the address recovers the account: it
    /// confirms the address and ends every key, too. `None`: no such link (any more).
    async fn set_password_by_link(
        &self,
        link: &SecretHash,
        password: PasswordHash,
        now: EpochMs,
    ) -> Result<Option<AccountId>, StoreError>;
    /// Uses up a link to confirm an address. `None`: no such link (any more).
    async fn verify_email_by_link(
        &self,
        link: &SecretHash,
        now: EpochMs,
    ) -> Result<Option<AccountId>, StoreError>;
    /// Stores a link; earlier ones of the same account and purpose end.
    async fn add_link(&self, link: NewLink) -> Result<(), StoreError>;
    /// Suspends an account or lets it go on; a deleted one stays deleted (`NotFound`).
    async fn set_suspended(&self, id: AccountId, suspended: bool, now: EpochMs) -> Result<(), StoreError>;
    /// Deletes an account: every login and key ends now, its address is free again. Its jobs are found by
    /// [`Identity::jobs_of_deleted`] until they are gone.
    async fn delete_account(&self, id: AccountId, now: EpochMs) -> Result<(), StoreError>;
    /// Returns jobs of deleted accounts that were not deleted yet.
    async fn jobs_of_deleted(&self, limit: u32) -> Result<Vec<(AccountId, JobId)>, StoreError>;

    /// Begins a login. `NotFound` if the account is not active, or its password another by now.
    async fn open_session(&self, new: NewSession) -> Result<SessionOwner, StoreError>;
    /// Exchanges a refresh token.
    async fn rotate(&self, rotate: Rotate) -> Result<Rotation, StoreError>;
    /// Returns a login that holds: not revoked, not expired, account active.
    async fn session(&self, id: SessionId, now: EpochMs) -> Result<SessionOwner, StoreError>;
    /// Returns the login that a refresh token belongs to, whatever the token's state.
    async fn session_of_refresh(
        &self,
        refresh: &SecretHash,
    ) -> Result<Option<(SessionId, AccountId)>, StoreError>;
    /// Ends a login; one that has ended already is no error.
    async fn revoke_session(
        &self,
        id: SessionId,
        reason: RevokeReason,
        now: EpochMs,
    ) -> Result<(), StoreError>;
    /// Ends every login of an account, and every access token by the epoch.
    async fn log_out_everywhere(
        &self,
        id: AccountId,
        reason: RevokeReason,
        now: EpochMs,
    ) -> Result<(), StoreError>;

    /// Stores a key.
    async fn add_api_key(&self, key: NewApiKey) -> Result<KeyAdded, StoreError>;
    /// Returns the keys of an account that still open something, newest first.
    async fn api_keys(&self, account: AccountId, now: EpochMs) -> Result<Vec<ApiKey>, StoreError>;
    /// Ends a key of an account now. `NotFound` for another's, and for one that has ended.
    async fn revoke_api_key(&self, account: AccountId, id: ApiKeyId, now: EpochMs) -> Result<(), StoreError>;
    /// Returns whether any key without an expiry was ever made.
    async fn has_api_keys(&self) -> Result<bool, StoreError>;
    /// Returns the owner of a valid key (not revoked, not expired, account active) and notes its use, at most once a
    /// minute.
    async fn use_api_key(&self, hash: &SecretHash, now: EpochMs) -> Result<KeyOwner, StoreError>;
    /// Returns the owner of a valid key by its id: what was derived from a key ends with it.
    async fn api_key(&self, id: ApiKeyId, now: EpochMs) -> Result<KeyOwner, StoreError>;

    /// Stores a ticket.
    async fn add_ticket(&self, ticket: NewTicket) -> Result<(), StoreError>;
    /// Uses up a ticket: of many that come with it one gets it. `None`: unknown, used, expired, for something else or
    /// another origin, or what it was made with has ended.
    async fn take_ticket(
        &self,
        ticket: &SecretHash,
        purpose: TicketPurpose,
        origin: &str,
        now: EpochMs,
    ) -> Result<Option<TicketOwner>, StoreError>;

    /// Remembers a login on its way through a provider.
    async fn add_login_state(&self, state: LoginState) -> Result<(), StoreError>;
    /// Uses up a login on its way, if it is this browser's.
    async fn take_login_state(
        &self,
        state: &SecretHash,
        browser: &SecretHash,
        now: EpochMs,
    ) -> Result<Option<LoginState>, StoreError>;

    /// Returns what was ended at or after `since`, by anybody on any node.
    async fn ended_since(&self, since: EpochMs) -> Result<Vec<Ended>, StoreError>;
    /// Appends to the audit log.
    async fn audit(&self, entry: AuditEntry) -> Result<(), StoreError>;
    /// Returns the newest lines of the audit log, of an account or of all.
    async fn audit_log(&self, account: Option<AccountId>, limit: u32) -> Result<Vec<AuditLine>, StoreError>;
    /// Forgets, at most `limit` of each: expired tickets, links and logins on their way, logins that ended before
    /// `sessions_before` with their tokens, and audit lines older than `audit_before`. Returns how many rows went.
    async fn forget_expired(
        &self,
        now: EpochMs,
        sessions_before: EpochMs,
        audit_before: EpochMs,
        limit: u32,
    ) -> Result<u64, StoreError>;
}
