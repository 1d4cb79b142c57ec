//! Logins and their refresh tokens: a login is a family of tokens of which at most one is active
//! (`refresh_one_active`), each used once.

use crate::storage::database::{Row, Tx, Value, fetch_one};
use crate::storage::rows::{broken, id, int, text};
use sottovoce_actors::ports::identity::{
    NewRefresh, NewSession, RevokeReason, Rotate, Rotation, SecretHash, SessionOwner, TokenEpoch,
};
use sottovoce_actors::ports::store::{EpochMs, StoreError};
use sottovoce_protocol::ids::{AccountId, SessionId};

const ADD_SESSION: &str = "INSERT INTO sessions (id, user_id, created_at, auth_time, idle_expires_at, absolute_expires_at) \
     VALUES ($1, $2, $3, $3, $4, $5)";
/// Takes the account's row: a reset of the password, or a log-out everywhere, comes before this login or after it.
const LOCK_ACCOUNT: &str = "UPDATE users SET status=status WHERE id=$1 AND status='active' \
     AND (CAST($2 AS TEXT) IS NULL OR password_hash=$2) RETURNING id";
const ADD_TOKEN: &str = "INSERT INTO refresh_tokens (id, session_id, token_hash, generation, state, parent_id, issued_at) \
     VALUES ($1, $2, $3, $4, 'active', $5, $6)";
/// A login that holds at $2.
const LIVE: &str = "SELECT s.id AS id, s.user_id AS user_id, u.token_epoch AS token_epoch, s.auth_time AS auth_time, \
     s.idle_expires_at AS idle_expires_at, s.absolute_expires_at AS absolute_expires_at \
     FROM sessions s JOIN users u ON u.id=s.user_id WHERE s.id=$1 AND s.revoked_at IS NULL \
     AND s.idle_expires_at>$2 AND s.absolute_expires_at>$2 AND u.status='active'";
/// Takes the login's row (a no-op), so that what happens to one login happens one after the other: a rotation that has
/// not committed is not missed by the revocation that waits for it.
const LOCK: &str = "UPDATE sessions SET auth_time=auth_time WHERE id=$1 AND revoked_at IS NULL RETURNING id";
/// One row: this call won the token. No row: it is not active, and what it is must be looked up.
const USE_TOKEN: &str = "UPDATE refresh_tokens SET state='rotated', rotated_at=$2 WHERE token_hash=$1 AND state='active' \
     RETURNING id, generation";
const TOKEN: &str = "SELECT t.id AS id, t.session_id AS session_id, t.state AS state, t.rotated_at AS rotated_at, \
     s.user_id AS user_id FROM refresh_tokens t JOIN sessions s ON s.id=t.session_id \
     WHERE t.token_hash=$1";
/// Ends the active child of a token whose answer was lost.
const REVOKE_CHILD: &str = "UPDATE refresh_tokens SET state='revoked' WHERE parent_id=$1 AND state='active' \
     RETURNING generation";
const LIVES_ON: &str = "UPDATE sessions SET idle_expires_at=$2 WHERE id=$1";
const REVOKE: &str =
    "UPDATE sessions SET revoked_at=$2, revoke_reason=$3 WHERE id=$1 AND revoked_at IS NULL RETURNING id";
const REVOKE_TOKENS: &str =
    "UPDATE refresh_tokens SET state='revoked' WHERE session_id=$1 AND state='active'";
const REVOKE_ALL: &str = "UPDATE sessions SET revoked_at=$2, revoke_reason=$3 WHERE user_id=$1 AND revoked_at IS NULL \
     AND id<>$4";
const REVOKE_ALL_TOKENS: &str = "UPDATE refresh_tokens SET state='revoked' WHERE state='active' \
     AND session_id IN (SELECT id FROM sessions WHERE user_id=$1 AND revoked_at IS NOT NULL)";
const NEXT_EPOCH: &str = "UPDATE users SET token_epoch=token_epoch+1 WHERE id=$1 RETURNING id";

fn owner(row: &dyn Row) -> Result<SessionOwner, StoreError> {
    let expires_at = int(row, "idle_expires_at")?.min(int(row, "absolute_expires_at")?);
    Ok(SessionOwner {
        session: id(row, "id")?,
        account: id(row, "user_id")?,
        epoch: TokenEpoch(int(row, "token_epoch")?),
        auth_time: EpochMs(int(row, "auth_time")?),
        expires_at: EpochMs(expires_at),
    })
}

async fn add_token(
    tx: &mut dyn Tx,
    session: SessionId,
    token: &NewRefresh,
    generation: i64,
    parent: Option<String>,
    now: EpochMs,
) -> Result<(), StoreError> {
    let args = [
        token.id.into(),
        session.into(),
        (&token.hash.0).into(),
        generation.into(),
        Value::Text(parent),
        now.into(),
    ];
    tx.execute(ADD_TOKEN, &args).await.map(|_| ())
}

pub async fn live(tx: &mut dyn Tx, id: SessionId, now: EpochMs) -> Result<Option<SessionOwner>, StoreError> {
    fetch_one(tx, LIVE, &[id.into(), now.into()]).await?.map(|row| owner(&*row)).transpose()
}

pub async fn open(tx: &mut dyn Tx, new: NewSession) -> Result<SessionOwner, StoreError> {
    let verified = Value::Text(new.verified.map(|hash| hash.0));
    fetch_one(tx, LOCK_ACCOUNT, &[new.account.into(), verified]).await?.ok_or(StoreError::NotFound)?;
    let args = [
        new.id.into(),
        new.account.into(),
        new.now.into(),
        new.idle_expires_at.into(),
        new.absolute_expires_at.into(),
    ];
    tx.execute(ADD_SESSION, &args).await?;
    add_token(tx, new.id, &new.refresh, 1, None, new.now).await?;
    live(tx, new.id, new.now).await?.ok_or(StoreError::NotFound)
}

pub async fn rotate(tx: &mut dyn Tx, rotate: Rotate) -> Result<Rotation, StoreError> {
    let Some((session, account)) = of_refresh(tx, &rotate.presented).await? else {
        return Ok(Rotation::Invalid);
    };
    // A token of a login that does not hold is left as it is: a suspended account may go on one day.
    if fetch_one(tx, LOCK, &[session.into()]).await?.is_none()
        || live(tx, session, rotate.now).await?.is_none()
    {
        return Ok(Rotation::Invalid);
    }
    let won = fetch_one(tx, USE_TOKEN, &[(&rotate.presented.0).into(), rotate.now.into()]).await?;
    let Some(token) = won else { return again(tx, &rotate, session, account).await };
    let (parent, generation) = (text(&*token, "id")?, int(&*token, "generation")?);
    succeed(tx, &rotate, session, parent, generation + 1).await
}

/// Answers a token that is not active: the direct parent of an unused one within the grace, or a thief's.
async fn again(
    tx: &mut dyn Tx,
    rotate: &Rotate,
    session: SessionId,
    account: AccountId,
) -> Result<Rotation, StoreError> {
    let token = fetch_one(tx, TOKEN, &[(&rotate.presented.0).into()]).await?;
    let token = token.ok_or_else(|| broken("refresh token"))?;
    let rotated_at = token.opt_int("rotated_at")?;
    let in_grace = rotated_at.is_some_and(|at| rotate.now.0 < at.saturating_add(rotate.grace_ms));
    if text(&*token, "state")? == "rotated" && in_grace {
        let parent = text(&*token, "id")?;
        if let Some(child) = fetch_one(tx, REVOKE_CHILD, &[(&parent).into()]).await? {
            return succeed(tx, rotate, session, parent, int(&*child, "generation")? + 1).await;
        }
    }
    revoke(tx, session, RevokeReason::Reuse, rotate.now).await?;
    Ok(Rotation::Reused { session, account })
}

async fn succeed(
    tx: &mut dyn Tx,
    rotate: &Rotate,
    session: SessionId,
    parent: String,
    generation: i64,
) -> Result<Rotation, StoreError> {
    add_token(tx, session, &rotate.successor, generation, Some(parent), rotate.now).await?;
    tx.execute(LIVES_ON, &[session.into(), rotate.now.plus_ms(rotate.idle_ms).into()]).await?;
    Ok(live(tx, session, rotate.now).await?.map_or(Rotation::Invalid, Rotation::Rotated))
}

pub async fn of_refresh(
    tx: &mut dyn Tx,
    refresh: &SecretHash,
) -> Result<Option<(SessionId, AccountId)>, StoreError> {
    let row = fetch_one(tx, TOKEN, &[(&refresh.0).into()]).await?;
    row.map(|row| Ok((id(&*row, "session_id")?, id(&*row, "user_id")?))).transpose()
}

pub async fn revoke(
    tx: &mut dyn Tx,
    session: SessionId,
    reason: RevokeReason,
    now: EpochMs,
) -> Result<(), StoreError> {
    if fetch_one(tx, REVOKE, &[session.into(), now.into(), reason.as_str().into()]).await?.is_some() {
        tx.execute(REVOKE_TOKENS, &[session.into()]).await?;
    }
    Ok(())
}

/// Ends every login of an account but `keep`.
pub async fn revoke_all(
    tx: &mut dyn Tx,
    account: AccountId,
    keep: Option<SessionId>,
    reason: RevokeReason,
    now: EpochMs,
) -> Result<(), StoreError> {
    let keep = keep.map_or_else(String::new, |session| session.to_string());
    tx.execute(REVOKE_ALL, &[account.into(), now.into(), reason.as_str().into(), (&keep).into()]).await?;
    tx.execute(REVOKE_ALL_TOKENS, &[account.into()]).await.map(|_| ())
}

pub async fn log_out_everywhere(
    tx: &mut dyn Tx,
    account: AccountId,
    reason: RevokeReason,
    now: EpochMs,
) -> Result<(), StoreError> {
    fetch_one(tx, NEXT_EPOCH, &[account.into()]).await?.ok_or(StoreError::NotFound)?;
    revoke_all(tx, account, None, reason, now).await
}
