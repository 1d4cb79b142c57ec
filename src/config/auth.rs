//! `[auth]`: accounts, logins, tokens, keys.

use super::Mode;
use super::defect::Checker;
use super::secret::{SecretText, is_counted_up, is_example, looks_guessable};
use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use serde::Deserialize;

/// Who may make an account by itself.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Registration {
    /// Anyone.
    Open,
    /// Whoever has an invitation.
    Invite,
    /// Nobody; the operator makes accounts.
    Closed,
}

/// Accounts and credentials; keys as in `default.toml`.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AuthConfig {
    /// `open`, `invite` or `closed`, checked; see [`AuthConfig::registration`].
    pub registration: String,
    /// `ID:BASE64`, the signing one first; empty: kept in the data folder.
    pub jwt_keys: Vec<SecretText>,
    /// Life of an access token.
    pub access_token_ms: u64,
    /// A login ends if it is not refreshed for so long.
    pub refresh_idle_hours: u64,
    /// A login ends then at the latest.
    pub refresh_absolute_hours: u64,
    /// How long the direct parent of an unused refresh token is answered again.
    pub refresh_grace_ms: u64,
    /// For what is dangerous, the login must be so young.
    pub recent_login_ms: u64,
    /// Life of a socket ticket.
    pub ticket_ms: u64,
    /// Life of a link to set a password or confirm an address.
    pub link_ms: u64,
    /// Life of an invitation.
    pub invitation_hours: u64,
    /// How often open sockets are held against what was revoked.
    pub recheck_ms: u64,
    /// Whether an account can do nothing before its address is confirmed.
    pub verify_email: bool,
    /// Shortest password, in characters.
    pub password_min_chars: usize,
    /// Memory of one password hash.
    pub argon2_memory_kib: u32,
    /// Passes of one password hash.
    pub argon2_passes: u32,
    /// Password hashes computed at once.
    pub hashes_at_once: usize,
    /// Keys of an account.
    pub keys_per_account: u64,
    /// How long the audit log is kept.
    pub audit_days: u64,
}

/// A signing key, taken apart.
#[derive(Clone, Debug)]
pub struct JwtKey {
    /// Its `kid`.
    pub id: String,
    /// Its bytes.
    pub secret: Vec<u8>,
}

impl AuthConfig {
    /// Returns who may register.
    pub fn registration(&self) -> Registration {
        parse_registration(&self.registration)
            .unwrap_or_else(|| panic!("auth.registration was checked when the configuration was loaded"))
    }

    /// Returns the configured signing keys.
    pub fn keys(&self) -> Vec<JwtKey> {
        self.jwt_keys.iter().filter_map(parse_key).collect()
    }

    pub(super) fn check(&self, mode: Mode, has_mail: bool, checker: &mut Checker<'_>) {
        checker.require("auth.registration", parse_registration(&self.registration).is_some(), || {
            format!("`{}` is no policy; use open, invite or closed", self.registration)
        });
        self.check_keys(mode, checker);
        checker.require("auth.verify_email", !self.verify_email || has_mail, || {
            "it needs mail; set smtp.url and smtp.from, or leave it off".into()
        });
        checker.within("auth.access_token_ms", self.access_token_ms, 1_000, 3_600_000);
        checker.within("auth.refresh_idle_hours", self.refresh_idle_hours, 1, 24 * 366);
        checker.within("auth.refresh_absolute_hours", self.refresh_absolute_hours, 1, 24 * 366);
        checker.require(
            "auth.refresh_idle_hours",
            self.refresh_idle_hours <= self.refresh_absolute_hours,
            || "it must not be longer than auth.refresh_absolute_hours".into(),
        );
        checker.within("auth.refresh_grace_ms", self.refresh_grace_ms, 0, 60_000);
        checker.within("auth.recent_login_ms", self.recent_login_ms, 1_000, 24 * 3_600_000);
        checker.within("auth.ticket_ms", self.ticket_ms, 1_000, 600_000);
        checker.within("auth.link_ms", self.link_ms, 60_000, 30 * 24 * 3_600_000);
        checker.within("auth.invitation_hours", self.invitation_hours, 1, 24 * 366);
        checker.within("auth.recheck_ms", self.recheck_ms, 10, 60_000);
        checker.within("auth.password_min_chars", self.password_min_chars as u64, 8, 128);
        // OWASP's least for argon2id: 19 MiB and two passes, or 7 MiB and five.
        checker.within("auth.argon2_memory_kib", u64::from(self.argon2_memory_kib), 7_168, 1 << 20);
        checker.within("auth.argon2_passes", u64::from(self.argon2_passes), 1, 64);
        checker.require("auth.argon2_passes", mode == Mode::Embedded || self.is_hash_slow_enough(), || {
            "with so little memory more passes are needed: 2 from 19456 KiB on, 3 from 12288, 4 from 9216, 5 below".into()
        });
        checker.within("auth.hashes_at_once", self.hashes_at_once as u64, 1, 256);
        checker.within("auth.keys_per_account", self.keys_per_account, 1, 100_000);
        checker.within("auth.audit_days", self.audit_days, 1, 36_600);
    }

    /// OWASP's list of equally good costs.
    fn is_hash_slow_enough(&self) -> bool {
        let least = match self.argon2_memory_kib {
            // Out of range anyway, which is told by itself.
            ..7_168 => 0,
            47_104.. => 1,
            19_456.. => 2,
            12_288.. => 3,
            9_216.. => 4,
            _ => 5,
        };
        self.argon2_passes >= least
    }

    fn check_keys(&self, mode: Mode, checker: &mut Checker<'_>) {
        let key = "auth.jwt_keys";
        checker.require(key, mode == Mode::Embedded || !self.jwt_keys.is_empty(), || {
            "it is missing; `sottovoce gen-secrets` prints one".into()
        });
        let parsed: Vec<_> = self.jwt_keys.iter().map(parse_key).collect();
        checker.require(key, parsed.iter().all(Option::is_some), || {
            "an entry is not of the form ID:BASE64; `sottovoce gen-secrets` prints one".into()
        });
        let parsed: Vec<JwtKey> = parsed.into_iter().flatten().collect();
        checker.require(key, parsed.iter().all(|key| key.secret.len() >= MIN_KEY_BYTES), || {
            format!("a key is shorter than {MIN_KEY_BYTES} bytes; `sottovoce gen-secrets` prints a good one")
        });
        checker.require(key, !self.jwt_keys.iter().any(is_guessable), || {
            "a key is guessable or taken from an example; `sottovoce gen-secrets` prints a good one".into()
        });
        let mut ids: Vec<&str> = parsed.iter().map(|key| key.id.as_str()).collect();
        ids.sort_unstable();
        ids.dedup();
        checker.require(key, ids.len() == parsed.len(), || "two keys have one id".into());
    }
}

/// Shortest key: what HS256 can use in full (RFC 7518 §3.2).
const MIN_KEY_BYTES: usize = 32;

fn parse_registration(text: &str) -> Option<Registration> {
    match text {
        "open" => Some(Registration::Open),
        "invite" => Some(Registration::Invite),
        "closed" => Some(Registration::Closed),
        _ => None,
    }
}

/// Looks at both forms: words may stand in the text that was written as well as in the bytes that it means.
fn is_guessable(text: &SecretText) -> bool {
    let Some(key) = parse_key(text) else { return false };
    let written = text.expose().split_once(':').map_or("", |(_, written)| written);
    // A short one is told as such.
    key.secret.len() >= MIN_KEY_BYTES
        && (looks_guessable(&key.secret) || is_example(written) || is_counted_up(written.as_bytes()))
}

fn parse_key(text: &SecretText) -> Option<JwtKey> {
    let (id, secret) = text.expose().split_once(':')?;
    let named = !id.is_empty() && id.len() <= 64 && id.bytes().all(|byte| byte.is_ascii_graphic());
    let secret = STANDARD.decode(secret).or_else(|_| URL_SAFE_NO_PAD.decode(secret)).ok()?;
    named.then(|| JwtKey { id: id.to_owned(), secret })
}
