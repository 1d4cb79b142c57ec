//! `keys`, and how any key is made. Works beside a running server: both write whole transactions.

use super::Failure;
use super::operator::{Operator, usable_email};
use crate::auth::ApiKeySecret;
use crate::config::Config;
use crate::system::SystemIds;
use clap::Subcommand;
use sottovoce_actors::ports::clock::Ids;
use sottovoce_actors::ports::identity::{Identity, KeyAdded, NewApiKey};
use sottovoce_actors::ports::store::{EpochMs, StoreError};
use sottovoce_actors::time::rfc3339;
use sottovoce_protocol::ids::{AccountId, ApiKeyId};
use sottovoce_protocol::scope::{Scope, Scopes};

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
        /// What it may do, separated by spaces or commas: listen jobs:read jobs:write usage:read [default: all]
        #[arg(long)]
        scopes: Option<String>,
        /// When it ends, e.g. 90d, 12h [default: never]
        #[arg(long, value_name = "TIME")]
        expires_in: Option<String>,
    },
    /// List the keys of an account that still open something
    List {
        /// The account
        #[arg(long)]
        email: String,
    },
    /// End a key now, and what it opened within moments
    Revoke {
        /// Its id, as `keys list` shows it
        id: ApiKeyId,
    },
}

/// Why a key could not be made.
#[derive(Debug, thiserror::Error)]
pub enum KeyError {
    /// The index failed.
    #[error("the key could not be stored: {0}")]
    Store(#[from] StoreError),
    /// The account was stopped.
    #[error("the account is suspended; `sottovoce users resume` lets it go on")]
    Stopped,
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

/// What a key is to be.
pub(super) struct KeyWish {
    pub(super) name: String,
    pub(super) scopes: Scopes,
    pub(super) expires_at: Option<EpochMs>,
}

impl KeyWish {
    /// A key that may do everything.
    pub(super) fn whole(name: &str, expires_at: Option<EpochMs>) -> Self {
        Self { name: name.to_owned(), scopes: Scopes::all(), expires_at }
    }
}

/// Makes a key of an account, which is made if it is new.
pub(super) async fn make_key(
    identity: &dyn Identity,
    ids: &dyn Ids,
    now: EpochMs,
    email: &str,
    wish: KeyWish,
) -> Result<MadeKey, KeyError> {
    let account = identity.ensure_account(email, AccountId::from_uuid(ids.uuid()), now).await?;
    let (id, secret) = (ApiKeyId::from_uuid(ids.uuid()), ApiKeySecret::generate()?);
    let key = NewApiKey {
        id,
        account,
        name: wish.name,
        prefix: secret.shown(),
        secret_hash: secret.hash(),
        scopes: wish.scopes,
        expires_at: wish.expires_at,
        // The operator's keys are not counted.
        max_keys: u64::MAX,
        now,
    };
    match identity.add_api_key(key).await.map_err(|error| match error {
        // It was made or found just now.
        StoreError::NotFound => KeyError::Stopped,
        error => error.into(),
    })? {
        KeyAdded::Added => Ok(MadeKey { account, id, secret }),
        KeyAdded::TooMany => {
            Err(StoreError::Broken("a key was refused although none is too many".into()).into())
        }
    }
}

/// Runs a `keys` command.
pub(super) async fn run(command: KeysCommand, config: Config) -> Result<(), Failure> {
    let operator = Operator::open(&config).await?;
    let done = act(&operator, command).await;
    operator.close().await;
    done
}

async fn act(operator: &Operator, command: KeysCommand) -> Result<(), Failure> {
    let (identity, now) = (&*operator.identity, operator.now);
    match command {
        KeysCommand::Create { email, name, scopes, expires_in } => {
            let email = usable_email(&email)?;
            if name.is_empty() || name.chars().count() > MAX_NAME_CHARS || name.chars().any(char::is_control)
            {
                return Err(Failure::Usage(format!(
                    "--name must be 1 to {MAX_NAME_CHARS} printable characters"
                )));
            }
            let wish = KeyWish {
                name,
                scopes: scopes.as_deref().map_or_else(|| Ok(Scopes::all()), parse_scopes)?,
                expires_at: expires_in.as_deref().map(parse_life_ms).transpose()?.map(|ms| now.plus_ms(ms)),
            };
            let made = make_key(identity, &SystemIds, now, &email, wish).await.map_err(Failure::of)?;
            operator.audit("operator_made_key", Some(made.account), made.id.to_string()).await?;
            println!("key of {email}, shown only now and stored only as a hash:");
            println!("{}", made.secret.expose());
        }
        KeysCommand::List { email } => {
            let account = operator.account(&email).await?.id;
            let keys = identity.api_keys(account, now).await.map_err(Failure::of)?;
            println!("{:<36}  {:<8}  {:<24}  {:<24}  scopes; name", "id", "prefix", "last used", "ends");
            for key in keys {
                let time = |at: Option<EpochMs>| at.map_or_else(|| "-".to_owned(), rfc3339);
                let (used, ends) = (time(key.last_used_at), time(key.expires_at));
                let id = key.id.to_string();
                println!("{id:<36}  {}  {used:<24}  {ends:<24}  {}; {}", key.prefix, key.scopes, key.name);
            }
        }
        KeysCommand::Revoke { id } => {
            let gone = || {
                Failure::Failed(format!("no key {id} opens anything; `sottovoce keys list` shows which do"))
            };
            let owner = match identity.api_key(id, now).await {
                Err(StoreError::NotFound) => return Err(gone()),
                answer => answer.map_err(Failure::of)?,
            };
            identity.revoke_api_key(owner.account, id, now).await.map_err(Failure::of)?;
            operator.audit("operator_revoked_key", Some(owner.account), id.to_string()).await?;
            println!("the key has ended");
        }
    }
    Ok(())
}

fn parse_scopes(text: &str) -> Result<Scopes, Failure> {
    let names = || text.split([' ', ',']).filter(|name| !name.is_empty());
    let scopes: Option<Vec<Scope>> = names().map(Scope::parse).collect();
    scopes.filter(|scopes| !scopes.is_empty()).map(|scopes| scopes.into_iter().collect()).ok_or_else(|| {
        let known: Vec<&str> = Scope::ALL.iter().map(|scope| scope.as_str()).collect();
        Failure::Usage(format!("--scopes takes some of: {}", known.join(" ")))
    })
}

/// Reads `90d`, `12h`, `30m` or `45s`.
fn parse_life_ms(text: &str) -> Result<i64, Failure> {
    const MOST_MS: i64 = 10 * 366 * 24 * 3_600_000;
    let split = text.len().saturating_sub(1);
    let unit_ms = match text.get(split..) {
        Some("d") => 24 * 3_600_000,
        Some("h") => 3_600_000,
        Some("m") => 60_000,
        Some("s") => 1000,
        _ => 0,
    };
    let count: i64 = text.get(..split).and_then(|digits| digits.parse().ok()).unwrap_or(0);
    count.checked_mul(unit_ms).filter(|ms| (1..=MOST_MS).contains(ms)).ok_or_else(|| {
        Failure::Usage("--expires-in takes a number with d, h, m or s, up to ten years, e.g. 90d".into())
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_and_scopes_are_read() {
        assert_eq!(parse_life_ms("90d").expect("days"), 90 * 24 * 3_600_000);
        assert_eq!(parse_life_ms("45s").expect("seconds"), 45_000);
        for wrong in ["", "d", "0d", "-1d", "90", "90y", "1e3d", "9999999999999999999d", "4000d", "1\u{e9}"] {
            assert!(matches!(parse_life_ms(wrong), Err(Failure::Usage(_))), "{wrong:?}");
        }
        assert_eq!(parse_scopes("listen, jobs:read").expect("scopes").to_string(), "listen jobs:read");
        for wrong in ["", " ", "everything", "listen nothing"] {
            assert!(matches!(parse_scopes(wrong), Err(Failure::Usage(_))), "{wrong:?}");
        }
    }
}
