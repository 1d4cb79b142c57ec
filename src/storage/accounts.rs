//! Accounts: register, arrive from a provider, passwords, one-time links, suspension, deletion.

use crate::storage::database::{Row, Tx, Value, fetch_one};
use crate::storage::rows::{broken, id, int, text};
use crate::storage::sessions;
use sottovoce_actors::ports::identity::{
    Account, AccountStatus, Arrived, LinkPurpose, NewAccount, NewLink, OidcArrival, PasswordHash, Registered,
    RevokeReason, SecretHash, TokenEpoch,
};
use sottovoce_actors::ports::store::{EpochMs, StoreError};
use sottovoce_protocol::ids::{AccountId, JobId, SessionId};

/// The columns that [`account`] reads.
macro_rules! account_columns {
    () => {
        "id, email, email_verified, password_hash, status, token_epoch, created_at"
    };
}

const ADD: &str = "INSERT INTO users (id, email, password_hash, created_at) VALUES ($1, $2, $3, $4) \
     ON CONFLICT (email) DO NOTHING";
const ENSURE: &str =
    "INSERT INTO users (id, email, created_at) VALUES ($1, $2, $3) ON CONFLICT (email) DO NOTHING";
const BY_ID: &str = concat!("SELECT ", account_columns!(), " FROM users WHERE id=$1");
const BY_EMAIL: &str = concat!("SELECT ", account_columns!(), " FROM users WHERE email=$1");
const PAGE: &str = concat!("SELECT ", account_columns!(), " FROM users WHERE id>$1 ORDER BY id LIMIT $2");
const BY_SUBJECT: &str = "SELECT id, status FROM users WHERE oidc_issuer=$1 AND oidc_subject=$2";
const ADD_ARRIVED: &str = "INSERT INTO users (id, oidc_issuer, oidc_subject, email, email_verified, created_at) \
     VALUES ($1, $2, $3, $4, $5, $6) ON CONFLICT DO NOTHING";
const SET_PASSWORD: &str = "UPDATE users SET password_hash=$2 WHERE id=$1 AND status<>'deleted' \
     AND (CAST($3 AS TEXT) IS NULL OR password_hash=$3)";
const RENEW_PASSWORD: &str = "UPDATE users SET password_hash=$3 WHERE id=$1 AND password_hash=$2";
const VERIFY_EMAIL: &str =
    "UPDATE users SET email_verified=1 WHERE id=$1 AND email=$2 AND status<>'deleted' RETURNING id";
const SET_STATUS: &str =
    "UPDATE users SET status=$2, status_at=$3 WHERE id=$1 AND status<>'deleted' RETURNING id";
const DELETE: &str = "UPDATE users SET status='deleted', status_at=$2, email=NULL, email_verified=0, \
     password_hash=NULL, oidc_issuer=NULL, oidc_subject=NULL, token_epoch=token_epoch+1 \
     WHERE id=$1 AND status<>'deleted' RETURNING id";
const DELETE_LINKS: &str = "DELETE FROM account_links WHERE user_id=$1";
const REVOKE_KEYS: &str = "UPDATE api_keys SET revoked_at=$2 WHERE user_id=$1 AND revoked_at IS NULL";
/// A running job stays until its worker has stopped; its cancellation is asked for once.
const JOBS_OF_DELETED: &str = "SELECT j.id AS id, j.user_id AS user_id FROM users u JOIN jobs j ON j.user_id=u.id \
     WHERE u.status='deleted' AND j.deleted_at IS NULL \
     AND NOT (j.status='processing' AND j.cancel_requested_at IS NOT NULL) LIMIT $1";

const END_LINKS: &str = "DELETE FROM account_links WHERE user_id=$1 AND purpose=$2";
const ADD_LINK: &str = "INSERT INTO account_links (link_hash, purpose, user_id, email, expires_at) \
     VALUES ($1, $2, $3, $4, $5)";
/// Of many that come with a link one finds it unused.
const USE_LINK: &str = "UPDATE account_links SET used_at=$3 WHERE link_hash=$1 AND purpose=$2 AND used_at IS NULL \
     AND expires_at>$3 RETURNING user_id, email";

/// Addresses are compared without regard to case.
fn normal(email: &str) -> String {
    email.trim().to_lowercase()
}

fn account(row: &dyn Row) -> Result<Account, StoreError> {
    Ok(Account {
        id: id(row, "id")?,
        email: row.opt_text("email")?,
        email_verified: int(row, "email_verified")? == 1,
        has_password: row.opt_text("password_hash")?.is_some(),
        status: AccountStatus::parse(&text(row, "status")?).ok_or_else(|| broken("status"))?,
        epoch: TokenEpoch(int(row, "token_epoch")?),
        created_at: EpochMs(int(row, "created_at")?),
    })
}

pub async fn register(tx: &mut dyn Tx, new: NewAccount) -> Result<Registered, StoreError> {
    let email = normal(&new.email);
    let mut is_invited = false;
    if let Some(invitation) = &new.invitation {
        // First of all: who has no good invitation learns nothing about addresses.
        let link = use_link(tx, invitation, LinkPurpose::Invitation, new.now).await?;
        match link {
            Some(link) if link.email.as_ref().is_none_or(|invited| *invited == email) => {
                is_invited = link.email.is_some();
            }
            _ => return Ok(Registered::InvitationInvalid),
        }
    }
    let args = [new.id.into(), (&email).into(), (&new.password.0).into(), new.now.into()];
    if tx.execute(ADD, &args).await? == 0 {
        return Ok(Registered::EmailTaken);
    }
    if is_invited {
        // The invitation went to this address.
        tx.execute(VERIFY_EMAIL, &[new.id.into(), (&email).into()]).await?;
    }
    Ok(Registered::Made)
}

pub async fn ensure(
    tx: &mut dyn Tx,
    email: &str,
    new_id: AccountId,
    now: EpochMs,
) -> Result<AccountId, StoreError> {
    let email = normal(email);
    tx.execute(ENSURE, &[new_id.into(), (&email).into(), now.into()]).await?;
    let row = fetch_one(tx, BY_EMAIL, &[(&email).into()]).await?;
    // No row although the insert did nothing: the id, not the address, was taken.
    let row = row.ok_or_else(|| StoreError::Broken("the new account's id is not new".into()))?;
    id(&*row, "id")
}

pub async fn arrive(tx: &mut dyn Tx, arrival: OidcArrival) -> Result<Arrived, StoreError> {
    if let Some(known) = known_subject(tx, &arrival).await? {
        return Ok(known);
    }
    if !arrival.may_register {
        return Ok(Arrived::NotTaken);
    }
    let email = arrival.verified_email.as_deref().map(normal);
    // An address that another account has stays that account's: a provider's word never opens it.
    let email = match email {
        Some(email) if fetch_one(tx, BY_EMAIL, &[(&email).into()]).await?.is_none() => Some(email),
        _ => None,
    };
    let args = [
        arrival.new_id.into(),
        (&arrival.issuer).into(),
        (&arrival.subject).into(),
        email.clone().into(),
        i64::from(email.is_some()).into(),
        arrival.now.into(),
    ];
    if tx.execute(ADD_ARRIVED, &args).await? == 1 {
        return Ok(Arrived::Made(arrival.new_id));
    }
    // Another login of the same person, or another account of the address, was quicker.
    known_subject(tx, &arrival)
        .await?
        .ok_or_else(|| StoreError::Unavailable("two accounts were made at once".into()))
}

async fn known_subject(tx: &mut dyn Tx, arrival: &OidcArrival) -> Result<Option<Arrived>, StoreError> {
    let Some(row) = fetch_one(tx, BY_SUBJECT, &[(&arrival.issuer).into(), (&arrival.subject).into()]).await?
    else {
        return Ok(None);
    };
    let active = text(&*row, "status")? == AccountStatus::Active.as_str();
    Ok(Some(if active { Arrived::Known(id(&*row, "id")?) } else { Arrived::Stopped }))
}

pub async fn by_id(tx: &mut dyn Tx, id: AccountId) -> Result<Account, StoreError> {
    account(&*fetch_one(tx, BY_ID, &[id.into()]).await?.ok_or(StoreError::NotFound)?)
}

pub async fn by_email(
    tx: &mut dyn Tx,
    email: &str,
) -> Result<Option<(Account, Option<PasswordHash>)>, StoreError> {
    match fetch_one(tx, BY_EMAIL, &[(&normal(email)).into()]).await? {
        None => Ok(None),
        Some(row) => Ok(Some((account(&*row)?, row.opt_text("password_hash")?.map(PasswordHash)))),
    }
}

pub async fn password(tx: &mut dyn Tx, id: AccountId) -> Result<Option<PasswordHash>, StoreError> {
    let row = fetch_one(tx, BY_ID, &[id.into()]).await?.ok_or(StoreError::NotFound)?;
    Ok(row.opt_text("password_hash")?.map(PasswordHash))
}

pub async fn page(tx: &mut dyn Tx, after: Option<AccountId>, limit: u32) -> Result<Vec<Account>, StoreError> {
    let after = after.map_or_else(String::new, |id| id.to_string());
    let rows = tx.fetch(PAGE, &[(&after).into(), limit.into()]).await?;
    rows.iter().map(|row| account(&**row)).collect()
}

pub async fn set_password(
    tx: &mut dyn Tx,
    id: AccountId,
    old: Option<PasswordHash>,
    password: &PasswordHash,
    keep: Option<SessionId>,
    now: EpochMs,
) -> Result<(), StoreError> {
    let old = Value::Text(old.map(|hash| hash.0));
    if tx.execute(SET_PASSWORD, &[id.into(), (&password.0).into(), old]).await? == 0 {
        return Err(StoreError::NotFound);
    }
    sessions::revoke_all(tx, id, keep, RevokeReason::PasswordChanged, now).await
}

pub async fn renew_password(
    tx: &mut dyn Tx,
    id: AccountId,
    outdated: &PasswordHash,
    renewed: &PasswordHash,
) -> Result<(), StoreError> {
    // Changed meanwhile: the change stands.
    tx.execute(RENEW_PASSWORD, &[id.into(), (&outdated.0).into(), (&renewed.0).into()]).await.map(|_| ())
}

pub async fn set_password_by_link(
    tx: &mut dyn Tx,
    link: &SecretHash,
    password: &PasswordHash,
    now: EpochMs,
) -> Result<Option<AccountId>, StoreError> {
    let Some(UsedLink { account: Some(account), email }) =
        use_link(tx, link, LinkPurpose::Password, now).await?
    else {
        return Ok(None);
    };
    set_password(tx, account, None, password, None, now).await?;
    if let Some(email) = email {
        // Who made them before the owner came back is not known.
        tx.execute(REVOKE_KEYS, &[account.into(), now.into()]).await?;
        tx.execute(VERIFY_EMAIL, &[account.into(), (&email).into()]).await?;
    }
    Ok(Some(account))
}

pub async fn verify_email_by_link(
    tx: &mut dyn Tx,
    link: &SecretHash,
    now: EpochMs,
) -> Result<Option<AccountId>, StoreError> {
    let Some(UsedLink { account: Some(account), email: Some(email) }) =
        use_link(tx, link, LinkPurpose::Verify, now).await?
    else {
        return Ok(None);
    };
    let verified = fetch_one(tx, VERIFY_EMAIL, &[account.into(), (&email).into()]).await?;
    Ok(verified.map(|_| account))
}

struct UsedLink {
    account: Option<AccountId>,
    email: Option<String>,
}

async fn use_link(
    tx: &mut dyn Tx,
    link: &SecretHash,
    purpose: LinkPurpose,
    now: EpochMs,
) -> Result<Option<UsedLink>, StoreError> {
    let args = [(&link.0).into(), purpose.as_str().into(), now.into()];
    let Some(row) = fetch_one(tx, USE_LINK, &args).await? else { return Ok(None) };
    let account = match row.opt_text("user_id")? {
        None => None,
        Some(_) => Some(id(&*row, "user_id")?),
    };
    Ok(Some(UsedLink { account, email: row.opt_text("email")? }))
}

pub async fn add_link(tx: &mut dyn Tx, link: NewLink) -> Result<(), StoreError> {
    if let Some(account) = link.account {
        tx.execute(END_LINKS, &[account.into(), link.purpose.as_str().into()]).await?;
    }
    let args = [
        (&link.hash.0).into(),
        link.purpose.as_str().into(),
        Value::Text(link.account.map(|id| id.to_string())),
        link.email.as_deref().map(normal).into(),
        link.expires_at.into(),
    ];
    tx.execute(ADD_LINK, &args).await.map(|_| ())
}

pub async fn set_suspended(
    tx: &mut dyn Tx,
    id: AccountId,
    suspended: bool,
    now: EpochMs,
) -> Result<(), StoreError> {
    let status = if suspended { AccountStatus::Suspended } else { AccountStatus::Active };
    let set = fetch_one(tx, SET_STATUS, &[id.into(), status.as_str().into(), now.into()]).await?;
    set.map(|_| ()).ok_or(StoreError::NotFound)
}

pub async fn delete(tx: &mut dyn Tx, id: AccountId, now: EpochMs) -> Result<(), StoreError> {
    fetch_one(tx, DELETE, &[id.into(), now.into()]).await?.ok_or(StoreError::NotFound)?;
    tx.execute(DELETE_LINKS, &[id.into()]).await?;
    tx.execute(REVOKE_KEYS, &[id.into(), now.into()]).await?;
    sessions::revoke_all(tx, id, None, RevokeReason::AccountDeleted, now).await
}

pub async fn jobs_of_deleted(tx: &mut dyn Tx, limit: u32) -> Result<Vec<(AccountId, JobId)>, StoreError> {
    let rows = tx.fetch(JOBS_OF_DELETED, &[limit.into()]).await?;
    rows.iter().map(|row| Ok((id(&**row, "user_id")?, id(&**row, "id")?))).collect()
}
