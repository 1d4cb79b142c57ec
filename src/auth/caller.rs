//! Who a request comes from, whatever it proved itself with.

use sottovoce_actors::ports::identity::{Credential, TokenEpoch};
use sottovoce_actors::ports::store::EpochMs;
use sottovoce_protocol::ids::{AccountId, JobId, SessionId};
use sottovoce_protocol::scope::Scopes;

/// A login behind an access token.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct SignedIn {
    /// The login.
    pub session: SessionId,
    /// When a password was typed or a provider vouched.
    pub auth_time: EpochMs,
    /// The account's epoch.
    pub epoch: TokenEpoch,
}

/// An authenticated caller.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Caller {
    /// The account.
    pub account: AccountId,
    /// What ends what it opens.
    pub credential: Credential,
    /// What it may do.
    pub scopes: Scopes,
    /// A person that logged in, and came with an access token of this very login. Keys and what is derived from
    /// either (grants, tickets) are none.
    pub signed_in: Option<SignedIn>,
    /// It came with something that was made from a key or a login (a grant, a ticket), which makes nothing further.
    pub is_derived: bool,
    /// When the credential ends by itself.
    pub expires_at: Option<EpochMs>,
    /// A ticket's only job.
    pub only_job: Option<JobId>,
}
