//! Documents of accounts and credentials (`/auth/*`, `/v1/auth/*`). Requests refuse unknown fields. `Debug` of what holds a
//! secret shows nothing of it.

use crate::ids::{AccountId, ApiKeyId, JobId};
use crate::scope::Scope;
use serde::{Deserialize, Serialize};
use std::fmt;

/// A text that must not reach a log: a password, token or ticket on its way.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Confidential(pub String);

impl fmt::Debug for Confidential {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("[not shown]")
    }
}

/// How a client keeps its refresh token.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ClientKind {
    /// In a cookie that scripts cannot read.
    #[default]
    Browser,
    /// By itself: the token is in the answer's body.
    Native,
}

/// `POST /auth/register`.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Register {
    /// E-mail address.
    pub email: String,
    /// Password.
    pub password: Confidential,
    /// Where the refresh token goes.
    #[serde(default)]
    pub client: ClientKind,
    /// The secret of an invitation, where registration is by invitation.
    pub invitation: Option<Confidential>,
}

/// `POST /auth/login`.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Login {
    /// E-mail address.
    pub email: String,
    /// Password.
    pub password: Confidential,
    /// Where the refresh token goes.
    #[serde(default)]
    pub client: ClientKind,
}

/// Answer to a login, a registration or a refresh.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Tokens {
    /// Access token: send it as `Authorization: Bearer TOKEN`.
    pub access_token: Confidential,
    /// Native clients only: the refresh token, to be used once.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub refresh_token: Option<Confidential>,
    /// `Bearer`.
    pub token_type: String,
    /// Seconds until the access token ends.
    pub expires_in: u64,
}

/// Body of `POST /auth/refresh` and `/auth/logout` of native clients.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RefreshToken {
    /// The token.
    pub refresh_token: Confidential,
}

/// `POST /auth/password`.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ChangePassword {
    /// The password that holds now; left out by an account that has none (OIDC), which must have logged in just now.
    pub current_password: Option<Confidential>,
    /// The new one.
    pub new_password: Confidential,
}

/// `POST /auth/password/reset`: sets a password by a one-time link.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ResetPassword {
    /// The secret of the link.
    pub token: Confidential,
    /// The new password.
    pub new_password: Confidential,
}

/// `POST /auth/password/forgotten` and `/auth/verify/resend`.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct EmailOnly {
    /// E-mail address.
    pub email: String,
}

/// `POST /auth/verify`: confirms an address by a one-time link.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct VerifyEmail {
    /// The secret of the link.
    pub token: Confidential,
}

/// Answer to what goes on after the answer.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Accepted {
    /// A sentence for people: what happens next.
    pub detail: String,
}

/// `GET /auth/me`.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Me {
    /// The account.
    pub id: AccountId,
    /// Its address, if it has one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub email: Option<String>,
    /// Whether the address was confirmed.
    pub email_verified: bool,
    /// Whether it can log in with a password.
    pub has_password: bool,
    /// When it was made (RFC 3339).
    pub created_at: String,
    /// What the credential of this request may do.
    pub scopes: Vec<Scope>,
}

/// `POST /auth/api-keys`.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CreateApiKey {
    /// What its owner calls it, 1 to 100 printable characters.
    pub name: String,
    /// What it may do; all if left out.
    pub scopes: Option<Vec<Scope>>,
    /// Seconds until it ends; never if left out.
    pub expires_in: Option<u64>,
}

/// A key as lists show it.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct ApiKeyView {
    /// The id, to revoke it by.
    pub id: ApiKeyId,
    /// What its owner calls it.
    pub name: String,
    /// First characters of the secret.
    pub prefix: String,
    /// What it may do.
    pub scopes: Vec<Scope>,
    /// When it was made (RFC 3339).
    pub created_at: String,
    /// When it was used last, to the minute.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub last_used_at: Option<String>,
    /// When it ends.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub expires_at: Option<String>,
}

/// Answer to `POST /auth/api-keys`: the only time the secret is shown.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct CreatedApiKey {
    /// The secret.
    pub key: Confidential,
    /// The rest.
    #[serde(flatten)]
    pub view: ApiKeyView,
}

/// `GET /auth/api-keys`: newest first.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct ApiKeyList {
    /// All keys that still open something.
    pub items: Vec<ApiKeyView>,
}

/// What a ticket opens.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum TicketPurpose {
    /// `GET /ws`.
    Status,
    /// `GET /v1/listen`.
    Stream,
}

impl TicketPurpose {
    /// Returns the name on the wire and in the index.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Status => "status",
            Self::Stream => "stream",
        }
    }
}

/// `POST /auth/ws-tickets`.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CreateTicket {
    /// What it opens.
    pub purpose: TicketPurpose,
    /// The only job that the socket may follow (`status` only).
    pub job_id: Option<JobId>,
}

/// Answer to `POST /auth/ws-tickets`.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Ticket {
    /// Send it as `Sec-WebSocket-Protocol: saas.v1, ticket.TICKET`.
    pub ticket: Confidential,
    /// Seconds until it ends.
    pub expires_in: u64,
}

/// `POST /v1/auth/grant` (Deepgram's shape).
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Deserialize)]
pub struct Grant {
    /// Seconds that the token is good for, 1 to 3,600; 30 if left out.
    pub ttl_seconds: Option<u64>,
}

/// Answer to `POST /v1/auth/grant`.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Granted {
    /// A token for `/v1/listen` only.
    pub access_token: Confidential,
    /// Seconds until it ends.
    pub expires_in: u64,
}
