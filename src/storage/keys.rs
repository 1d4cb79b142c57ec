//! API keys.

use crate::storage::database::{Row, Tx, Value, fetch_one};
use crate::storage::rows::{id, int, text, unsigned};
use sottovoce_actors::ports::identity::{ApiKey, KeyAdded, KeyOwner, NewApiKey, SecretHash};
use sottovoce_actors::ports::store::{EpochMs, StoreError};
use sottovoce_protocol::ids::{AccountId, ApiKeyId};
use sottovoce_protocol::scope::Scopes;

/// A key's use is noted at most this often, so that reading requests seldom write.
const USE_NOTED_EVERY_MS: i64 = 60_000;

/// What makes a key of the alias `k` and its user `u` good at $2.
macro_rules! good {
    () => {
        "k.revoked_at IS NULL AND (k.expires_at IS NULL OR k.expires_at>$2) AND u.status='active'"
    };
}

/// Locks the account against another key that is added at the same time (a no-op that takes the row).
const LOCK_ACCOUNT: &str = "UPDATE users SET status=status WHERE id=$1 AND status='active' RETURNING id";
const COUNT_GOOD: &str = concat!(
    "SELECT COUNT(*) AS n FROM api_keys k JOIN users u ON u.id=k.user_id WHERE k.user_id=$1 AND ",
    good!()
);
const ADD: &str = "INSERT INTO api_keys (id, user_id, name, prefix, secret_hash, scopes, created_at, expires_at) \
     VALUES ($1, $2, $3, $4, $5, $6, $7, $8)";
const LIST: &str = concat!(
    "SELECT k.id AS id, k.name AS name, k.prefix AS prefix, k.scopes AS scopes, k.created_at AS created_at, \
     k.last_used_at AS last_used_at, k.expires_at AS expires_at FROM api_keys k JOIN users u ON u.id=k.user_id \
     WHERE k.user_id=$1 AND ",
    good!(),
    " ORDER BY k.created_at DESC, k.id DESC"
);
const REVOKE: &str = "UPDATE api_keys SET revoked_at=$3 WHERE id=$1 AND user_id=$2 AND revoked_at IS NULL \
     AND (expires_at IS NULL OR expires_at>$3) RETURNING id";
const ANY: &str = "SELECT id FROM api_keys WHERE expires_at IS NULL LIMIT 1";
const BY_HASH: &str = concat!(
    "SELECT k.id AS id, k.user_id AS user_id, k.scopes AS scopes, k.last_used_at AS last_used_at, \
     k.expires_at AS expires_at FROM api_keys k JOIN users u ON u.id=k.user_id WHERE k.secret_hash=$1 AND ",
    good!()
);
const BY_ID: &str = concat!(
    "SELECT k.id AS id, k.user_id AS user_id, k.scopes AS scopes, k.last_used_at AS last_used_at, \
     k.expires_at AS expires_at FROM api_keys k JOIN users u ON u.id=k.user_id WHERE k.id=$1 AND ",
    good!()
);
const NOTE_USE: &str =
    "UPDATE api_keys SET last_used_at=$1 WHERE id=$2 AND (last_used_at IS NULL OR last_used_at<$1)";

pub async fn add(tx: &mut dyn Tx, key: NewApiKey) -> Result<KeyAdded, StoreError> {
    fetch_one(tx, LOCK_ACCOUNT, &[key.account.into()]).await?.ok_or(StoreError::NotFound)?;
    let held = fetch_one(tx, COUNT_GOOD, &[key.account.into(), key.now.into()]).await?;
    let held = held.map_or(Ok(0), |row| unsigned(&*row, "n"))?;
    if held >= key.max_keys {
        return Ok(KeyAdded::TooMany);
    }
    let args = [
        key.id.into(),
        key.account.into(),
        (&key.name).into(),
        (&key.prefix).into(),
        (&key.secret_hash.0).into(),
        (&key.scopes.to_string()).into(),
        key.now.into(),
        Value::Int(key.expires_at.map(|at| at.0)),
    ];
    tx.execute(ADD, &args).await?;
    Ok(KeyAdded::Added)
}

pub async fn list(tx: &mut dyn Tx, account: AccountId, now: EpochMs) -> Result<Vec<ApiKey>, StoreError> {
    let rows = tx.fetch(LIST, &[account.into(), now.into()]).await?;
    rows.iter()
        .map(|row| {
            Ok(ApiKey {
                id: id(&**row, "id")?,
                name: text(&**row, "name")?,
                prefix: text(&**row, "prefix")?,
                scopes: Scopes::parse(&text(&**row, "scopes")?),
                created_at: EpochMs(int(&**row, "created_at")?),
                last_used_at: row.opt_int("last_used_at")?.map(EpochMs),
                expires_at: row.opt_int("expires_at")?.map(EpochMs),
            })
        })
        .collect()
}

pub async fn revoke(
    tx: &mut dyn Tx,
    account: AccountId,
    id: ApiKeyId,
    now: EpochMs,
) -> Result<(), StoreError> {
    let revoked = fetch_one(tx, REVOKE, &[id.into(), account.into(), now.into()]).await?;
    revoked.map(|_| ()).ok_or(StoreError::NotFound)
}

pub async fn any(tx: &mut dyn Tx) -> Result<bool, StoreError> {
    Ok(fetch_one(tx, ANY, &[]).await?.is_some())
}

fn owner(row: &dyn Row) -> Result<KeyOwner, StoreError> {
    Ok(KeyOwner {
        key: id(row, "id")?,
        account: id(row, "user_id")?,
        scopes: Scopes::parse(&text(row, "scopes")?),
        expires_at: row.opt_int("expires_at")?.map(EpochMs),
    })
}

/// Returns the key's owner and whether its use should be noted now.
pub async fn by_hash(
    tx: &mut dyn Tx,
    hash: &SecretHash,
    now: EpochMs,
) -> Result<(KeyOwner, bool), StoreError> {
    let row = fetch_one(tx, BY_HASH, &[(&hash.0).into(), now.into()]).await?.ok_or(StoreError::NotFound)?;
    let is_due = row.opt_int("last_used_at")?.is_none_or(|at| at.saturating_add(USE_NOTED_EVERY_MS) <= now.0);
    Ok((owner(&*row)?, is_due))
}

pub async fn by_id(tx: &mut dyn Tx, id: ApiKeyId, now: EpochMs) -> Result<Option<KeyOwner>, StoreError> {
    fetch_one(tx, BY_ID, &[id.into(), now.into()]).await?.map(|row| owner(&*row)).transpose()
}

pub async fn note_use(tx: &mut dyn Tx, key: ApiKeyId, now: EpochMs) -> Result<(), StoreError> {
    tx.execute(NOTE_USE, &[now.into(), key.into()]).await.map(|_| ())
}
