//! The audit log, what ended of late, and forgetting what has expired.

use crate::storage::database::{Tx, Value};
use crate::storage::rows::{id, int, text};
use sottovoce_actors::ports::identity::{AuditEntry, AuditLine, Credential, Ended};
use sottovoce_actors::ports::store::{EpochMs, StoreError};
use sottovoce_protocol::ids::AccountId;

const ADD: &str = "INSERT INTO audit_log (id, at, user_id, event, address, request_id, detail) \
     VALUES ($1, $2, $3, $4, $5, $6, $7)";
const NEWEST: &str =
    "SELECT at, user_id, event, address, detail FROM audit_log ORDER BY at DESC, id DESC LIMIT $1";
const NEWEST_OF: &str = "SELECT at, user_id, event, address, detail FROM audit_log WHERE user_id=$1 \
     ORDER BY at DESC, id DESC LIMIT $2";

const ENDED_KEYS: &str = "SELECT id FROM api_keys WHERE revoked_at IS NOT NULL AND revoked_at>=$1";
const ENDED_SESSIONS: &str = "SELECT id FROM sessions WHERE revoked_at IS NOT NULL AND revoked_at>=$1";
const ENDED_ACCOUNTS: &str = "SELECT id FROM users WHERE status<>'active' AND status_at>=$1";

const FORGET_TICKETS: &str = "DELETE FROM ws_tickets WHERE ticket_hash IN \
     (SELECT ticket_hash FROM ws_tickets WHERE expires_at<=$1 ORDER BY expires_at LIMIT $2)";
const FORGET_LINKS: &str = "DELETE FROM account_links WHERE link_hash IN \
     (SELECT link_hash FROM account_links WHERE expires_at<=$1 ORDER BY expires_at LIMIT $2)";
const FORGET_LOGINS: &str = "DELETE FROM login_states WHERE state_hash IN \
     (SELECT state_hash FROM login_states WHERE expires_at<=$1 ORDER BY expires_at LIMIT $2)";
/// A login is kept for a while after its end, so that a thief's late try is still recognised as one.
/// In one order, so that the three statements mean the same logins.
macro_rules! old_sessions {
    () => {
        "(SELECT id FROM sessions WHERE absolute_expires_at<=$1 ORDER BY absolute_expires_at, id LIMIT $2)"
    };
}
const FORGET_TICKETS_OF_SESSIONS: &str =
    concat!("DELETE FROM ws_tickets WHERE session_id IN ", old_sessions!());
/// Children first: a token names its parent. One statement, so that the order inside does not matter.
const FORGET_TOKENS: &str = concat!("DELETE FROM refresh_tokens WHERE session_id IN ", old_sessions!());
const FORGET_SESSIONS: &str = concat!("DELETE FROM sessions WHERE id IN ", old_sessions!());
const FORGET_AUDIT: &str =
    "DELETE FROM audit_log WHERE id IN (SELECT id FROM audit_log WHERE at<$1 ORDER BY at LIMIT $2)";

pub async fn add(tx: &mut dyn Tx, entry: AuditEntry) -> Result<(), StoreError> {
    let args = [
        entry.id.into(),
        entry.at.into(),
        Value::Text(entry.account.map(|id| id.to_string())),
        entry.event.into(),
        Value::Text(entry.address.map(|address| address.to_string())),
        Value::Text(entry.request.map(|id| id.to_string())),
        (&entry.detail).into(),
    ];
    tx.execute(ADD, &args).await.map(|_| ())
}

pub async fn newest(
    tx: &mut dyn Tx,
    account: Option<AccountId>,
    limit: u32,
) -> Result<Vec<AuditLine>, StoreError> {
    let rows = match account {
        None => tx.fetch(NEWEST, &[limit.into()]).await?,
        Some(account) => tx.fetch(NEWEST_OF, &[account.into(), limit.into()]).await?,
    };
    rows.iter()
        .map(|row| {
            Ok(AuditLine {
                at: EpochMs(int(&**row, "at")?),
                account: match row.opt_text("user_id")? {
                    None => None,
                    Some(_) => Some(id(&**row, "user_id")?),
                },
                event: text(&**row, "event")?,
                address: row.opt_text("address")?,
                detail: text(&**row, "detail")?,
            })
        })
        .collect()
}

pub async fn ended_since(tx: &mut dyn Tx, since: EpochMs) -> Result<Vec<Ended>, StoreError> {
    let mut ended = Vec::new();
    for row in tx.fetch(ENDED_KEYS, &[since.into()]).await? {
        ended.push(Ended::Credential(Credential::Key(id(&*row, "id")?)));
    }
    for row in tx.fetch(ENDED_SESSIONS, &[since.into()]).await? {
        ended.push(Ended::Credential(Credential::Session(id(&*row, "id")?)));
    }
    for row in tx.fetch(ENDED_ACCOUNTS, &[since.into()]).await? {
        ended.push(Ended::Account(id(&*row, "id")?));
    }
    Ok(ended)
}

pub async fn forget_expired(
    tx: &mut dyn Tx,
    now: EpochMs,
    sessions_before: EpochMs,
    audit_before: EpochMs,
    limit: u32,
) -> Result<u64, StoreError> {
    let mut gone = 0;
    for (sql, before) in [
        (FORGET_TICKETS, now),
        (FORGET_LINKS, now),
        (FORGET_LOGINS, now),
        (FORGET_TICKETS_OF_SESSIONS, sessions_before),
        (FORGET_TOKENS, sessions_before),
        (FORGET_SESSIONS, sessions_before),
        (FORGET_AUDIT, audit_before),
    ] {
        gone += tx.execute(sql, &[before.into(), limit.into()]).await?;
    }
    Ok(gone)
}
