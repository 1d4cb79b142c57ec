//! `keys create`, and how any key is made. Works beside a running server: both write whole transactions.

use super::Failure;
use crate::auth::{ApiKeySecret, checked_email};
use crate::config::Config;
use crate::storage;
use crate::system::{SystemClock, SystemIds};
use clap::Subcommand;
use sottovoce_actors::ports::clock::{Clock, Ids};
use sottovoce_actors::ports::identity::{Identity, KeyAdded, NewApiKey};
use sottovoce_actors::ports::store::{EpochMs, StoreError};
use sottovoce_protocol::ids::{AccountId, ApiKeyId};
use sottovoce_protocol::scope::Scopes;

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
    pub(super) account: AccountId,
    pub(super) id: ApiKeyId,
    pub(super) secret: ApiKeySecret,
}

/// Makes a key of an account, which is made if it is new.
pub(super) async fn make_key(
    identity: &dyn Identity,
    ids: &dyn Ids,
    now: EpochMs,
    email: &str,
    name: &str,
    expires_at: Option<EpochMs>,
) -> Result<MadeKey, KeyError> {
    let account = identity.ensure_account(email, AccountId::from_uuid(ids.uuid()), now).await?;
    let (id, secret) = (ApiKeyId::from_uuid(ids.uuid()), ApiKeySecret::generate()?);
    let key = NewApiKey {
        id,
        account,
        name: name.to_owned(),
        prefix: secret.shown(),
        secret_hash: secret.hash(),
        scopes: Scopes::all(),
        expires_at,
        // The operator's keys are not counted.
        max_keys: u64::MAX,
        now,
    };
    match identity.add_api_key(key).await? {
        KeyAdded::Added => Ok(MadeKey { account, id, secret }),
        KeyAdded::TooMany => {
            Err(StoreError::Broken("a key was refused although none is too many".into()).into())
        }
    }
}

/// Runs a `keys` command.
pub(super) async fn run(command: KeysCommand, config: Config) -> Result<(), Failure> {
    let KeysCommand::Create { email, name } = command;
    let email = checked_email(&email).ok_or_else(|| {
        Failure::Usage(format!("--email {email:?} is no e-mail address; write one like you@example.org"))
    })?;
    if name.is_empty() || name.chars().count() > MAX_NAME_CHARS || name.chars().any(char::is_control) {
        return Err(Failure::Usage(format!("--name must be 1 to {MAX_NAME_CHARS} printable characters")));
    }
    let index = storage::connect(&config.storage).await.map_err(Failure::of)?;
    let made = make_key(&*index.identity(), &SystemIds, SystemClock.now(), &email, &name, None).await;
    index.close().await;
    let made = made.map_err(Failure::of)?;
    println!("key of {email}, shown only now and stored only as a hash:");
    println!("{}", made.secret.expose());
    Ok(())
}
