//! `keys create`, and how any key is made. Works beside a running server: both write whole transactions.

use super::Failure;
use crate::auth::ApiKeySecret;
use crate::config::Config;
use crate::storage;
use crate::system::{SystemClock, SystemIds};
use clap::Subcommand;
use sottovoce_actors::ports::clock::{Clock, Ids};
use sottovoce_actors::ports::store::{EpochMs, NewApiKey, Store, StoreError};
use sottovoce_protocol::ids::{AccountId, ApiKeyId};

/// Longest address that mail can have (RFC 5321: 64 before the @, 255 after it).
const MAX_EMAIL_CHARS: usize = 320;
const MAX_NAME_CHARS: usize = 100;

#[derive(Subcommand, Debug)]
pub(super) enum KeysCommand {
    /// Make a key, and its account if it is new; the key is the last line printed
    Create {
        /// The account
        #[arg(long)]
        email: String,
        /// What you call the key
        #[arg(long, default_value = "key")]
        name: String,
    },
}

/// Why a key could not be made.
#[derive(Debug, thiserror::Error)]
pub enum KeyError {
    /// The index failed.
    #[error("the key could not be stored: {0}")]
    Store(#[from] StoreError),
    /// The system has no random numbers.
    #[error("the system gives no random numbers: {0}")]
    Random(#[from] std::io::Error),
}

/// A key and its secret.
pub(super) struct MadeKey {
    pub(super) id: ApiKeyId,
    pub(super) secret: ApiKeySecret,
}

/// Makes a key of an account, which is made if it is new.
pub(super) async fn make_key(
    store: &dyn Store,
    ids: &dyn Ids,
    now: EpochMs,
    email: &str,
    name: &str,
    expires_at: Option<EpochMs>,
) -> Result<MadeKey, KeyError> {
    let account = store.ensure_account(email, AccountId::from_uuid(ids.uuid()), now).await?;
    let (id, secret) = (ApiKeyId::from_uuid(ids.uuid()), ApiKeySecret::generate()?);
    let key = NewApiKey {
        id,
        account,
        name: name.to_owned(),
        prefix: secret.shown(),
        secret_hash: secret.hash(),
        expires_at,
        now,
    };
    store.add_api_key(key).await?;
    Ok(MadeKey { id, secret })
}

/// Runs a `keys` command.
pub(super) async fn run(command: KeysCommand, config: Config) -> Result<(), Failure> {
    let KeysCommand::Create { email, name } = command;
    let email = checked_email(&email)?;
    if name.is_empty() || name.chars().count() > MAX_NAME_CHARS || name.chars().any(char::is_control) {
        return Err(Failure::Usage(format!("--name must be 1 to {MAX_NAME_CHARS} printable characters")));
    }
    let index = storage::connect(&config.storage).await.map_err(Failure::of)?;
    let made = make_key(&*index.store(), &SystemIds, SystemClock.now(), &email, &name, None).await;
    index.close().await;
    let made = made.map_err(Failure::of)?;
    println!("key of {email}, shown only now and stored only as a hash:");
    println!("{}", made.secret.expose());
    Ok(())
}

/// Returns the address in lower case if it looks like one; whether mail arrives there is not known here.
fn checked_email(email: &str) -> Result<String, Failure> {
    let parts = email.split_once('@');
    let usable = parts.is_some_and(|(local, domain)| {
        !local.is_empty() && !domain.is_empty() && !domain.contains('@') && !domain.starts_with('.')
    }) && !email.contains(|c: char| c.is_whitespace() || c.is_control())
        && email.chars().count() <= MAX_EMAIL_CHARS;
    if usable {
        Ok(email.to_lowercase())
    } else {
        Err(Failure::Usage(format!("--email {email:?} is no e-mail address; write one like you@example.org")))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_lowered_and_nonsense_is_refused() {
        assert_eq!(checked_email("Me@Example.ORG").expect("good"), "me@example.org");
        assert_eq!(checked_email("owner@localhost").expect("good"), "owner@localhost");
        for bad in ["", "me", "@example.org", "me@", "me@@x", "me @example.org", "me@x\n", "me@.x"] {
            assert!(matches!(checked_email(bad), Err(Failure::Usage(_))), "{bad:?}");
        }
    }
}
