//! Accounts and API keys.

use crate::storage::database::{Tx, Value, fetch_one};
use crate::storage::rows::{id, text};
use sottovoce_actors::ports::store::{EpochMs, KeyOwner, NewApiKey, SecretHash, StoreError};
use sottovoce_protocol::ids::{AccountId, ApiKeyId};

/// A key's use is noted at most this often, so that reading requests seldom write.
const USE_NOTED_EVERY_MS: i64 = 60_000;

const ADD_ACCOUNT: &str =
    "INSERT INTO users (id, email, created_at) VALUES ($1, $2, $3) ON CONFLICT DO NOTHING";
const ACCOUNT_OF_EMAIL: &str = "SELECT id FROM users WHERE email=$1";
const ADD_KEY: &str = "INSERT INTO api_keys (id, user_id, name, prefix, secret_hash, created_at, expires_at) \
     VALUES ($1, $2, $3, $4, $5, $6, $7)";
const REVOKE_KEY: &str = "UPDATE api_keys SET revoked_at=$2 WHERE id=$1 AND revoked_at IS NULL";
const ANY_KEY: &str = "SELECT id FROM api_keys WHERE expires_at IS NULL LIMIT 1";
const VALID_KEY: &str = "SELECT k.id AS id, k.user_id AS user_id, k.scopes AS scopes, k.last_used_at AS last_used_at \
     FROM api_keys k JOIN users u ON u.id=k.user_id WHERE k.secret_hash=$1 AND k.revoked_at IS NULL \
     AND (k.expires_at IS NULL OR k.expires_at>$2) AND u.status='active'";
const NOTE_USE: &str =
    "UPDATE api_keys SET last_used_at=$1 WHERE id=$2 AND (last_used_at IS NULL OR last_used_at<$1)";

/// Addresses are compared without regard to case.
pub async fn ensure_account(
    tx: &mut dyn Tx,
    email: &str,
    new_id: AccountId,
    now: EpochMs,
) -> Result<AccountId, StoreError> {
    let email = email.trim().to_lowercase();
    tx.execute(ADD_ACCOUNT, &[new_id.into(), (&email).into(), now.into()]).await?;
    let row = fetch_one(tx, ACCOUNT_OF_EMAIL, &[(&email).into()]).await?;
    // No row although the insert did nothing: the id, not the address, was taken.
    let row = row.ok_or_else(|| StoreError::Broken("the new account's id is not new".into()))?;
    id(&*row, "id")
}

pub async fn add_api_key(tx: &mut dyn Tx, key: NewApiKey) -> Result<(), StoreError> {
    let args = [
        key.id.into(),
        key.account.into(),
        (&key.name).into(),
        (&key.prefix).into(),
        (&key.secret_hash.0).into(),
        key.now.into(),
        Value::Int(key.expires_at.map(|at| at.0)),
    ];
    tx.execute(ADD_KEY, &args).await.map(|_| ())
}

pub async fn revoke_api_key(tx: &mut dyn Tx, id: ApiKeyId, now: EpochMs) -> Result<(), StoreError> {
    tx.execute(REVOKE_KEY, &[id.into(), now.into()]).await.map(|_| ())
}

pub async fn has_api_keys(tx: &mut dyn Tx) -> Result<bool, StoreError> {
    Ok(fetch_one(tx, ANY_KEY, &[]).await?.is_some())
}

/// Returns the key's owner and whether its use should be noted now.
pub async fn valid_api_key(
    tx: &mut dyn Tx,
    hash: &SecretHash,
    now: EpochMs,
) -> Result<(KeyOwner, bool), StoreError> {
    let row = fetch_one(tx, VALID_KEY, &[(&hash.0).into(), now.into()]).await?.ok_or(StoreError::NotFound)?;
    let owner =
        KeyOwner { key: id(&*row, "id")?, account: id(&*row, "user_id")?, scopes: text(&*row, "scopes")? };
    let is_due = row.opt_int("last_used_at")?.is_none_or(|at| at.saturating_add(USE_NOTED_EVERY_MS) <= now.0);
    Ok((owner, is_due))
}

pub async fn note_api_key_use(tx: &mut dyn Tx, key: ApiKeyId, now: EpochMs) -> Result<(), StoreError> {
    tx.execute(NOTE_USE, &[now.into(), key.into()]).await.map(|_| ())
}
