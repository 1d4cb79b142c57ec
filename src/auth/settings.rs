//! What the flows of accounts and credentials are set to. Plain values, made from the configuration in `app/settings.rs`.

/// Who may make an account by itself.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum RegistrationPolicy {
    /// Anyone.
    Open,
    /// Whoever has an invitation.
    Invite,
    /// Nobody.
    Closed,
}

/// Settings of all flows.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct AuthSettings {
    /// Who may make an account by itself.
    pub registration: RegistrationPolicy,
    /// Life of an access token.
    pub access_token_ms: i64,
    /// A login ends if it is not refreshed for so long.
    pub refresh_idle_ms: i64,
    /// A login ends then at the latest.
    pub refresh_absolute_ms: i64,
    /// How long the direct parent of an unused refresh token is answered again.
    pub refresh_grace_ms: i64,
    /// For what is dangerous, the login must be so young.
    pub recent_login_ms: i64,
    /// Life of a socket ticket.
    pub ticket_ms: i64,
    /// Life of a link to set a password or confirm an address.
    pub link_ms: i64,
    /// Whether an account can do nothing before its address is confirmed.
    pub verify_email: bool,
    /// Shortest password, in characters.
    pub password_min_chars: usize,
    /// Keys of an account.
    pub keys_per_account: u64,
    /// What links begin with, without a final slash: the public address, or the bound one.
    pub base_url: String,
    /// Whether cookies are for TLS only and carry the `__Host-` prefix. Off on plain HTTP in embedded mode.
    pub secure_cookies: bool,
}
