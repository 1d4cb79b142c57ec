//! What is used once: tickets for browsers' sockets, and logins on their way through an identity provider.

use crate::storage::database::{Tx, Value, fetch_one};
use crate::storage::rows::{id, int, text};
use crate::storage::{keys, sessions};
use sottovoce_actors::ports::identity::{Credential, LoginState, NewTicket, SecretHash, TicketOwner};
use sottovoce_actors::ports::store::{EpochMs, StoreError};
use sottovoce_protocol::auth::TicketPurpose;

const ADD_TICKET: &str = "INSERT INTO ws_tickets (ticket_hash, user_id, api_key_id, session_id, purpose, job_id, origin, expires_at) \
     VALUES ($1, $2, $3, $4, $5, $6, $7, $8)";
/// Of many that come with a ticket one finds it unused.
const TAKE_TICKET: &str = "UPDATE ws_tickets SET used_at=$4 WHERE ticket_hash=$1 AND purpose=$2 \
     AND (origin IS NULL OR origin=$3) AND used_at IS NULL AND expires_at>$4 \
     RETURNING user_id, api_key_id, session_id, job_id";
const ADD_LOGIN: &str = "INSERT INTO login_states (state_hash, browser_hash, nonce, pkce_verifier, return_to, expires_at) \
     VALUES ($1, $2, $3, $4, $5, $6)";
const TAKE_LOGIN: &str = "DELETE FROM login_states WHERE state_hash=$1 AND browser_hash=$2 AND expires_at>$3 \
     RETURNING nonce, pkce_verifier, return_to, expires_at";

pub async fn add(tx: &mut dyn Tx, ticket: NewTicket) -> Result<(), StoreError> {
    let (key, session) = match ticket.credential {
        Credential::Key(key) => (Some(key.to_string()), None),
        Credential::Session(session) => (None, Some(session.to_string())),
    };
    let args = [
        (&ticket.hash.0).into(),
        ticket.account.into(),
        Value::Text(key),
        Value::Text(session),
        ticket.purpose.as_str().into(),
        Value::Text(ticket.job.map(|job| job.to_string())),
        Value::Text(ticket.origin),
        ticket.expires_at.into(),
    ];
    tx.execute(ADD_TICKET, &args).await.map(|_| ())
}

pub async fn take(
    tx: &mut dyn Tx,
    ticket: &SecretHash,
    purpose: TicketPurpose,
    origin: &str,
    now: EpochMs,
) -> Result<Option<TicketOwner>, StoreError> {
    let args = [(&ticket.0).into(), purpose.as_str().into(), origin.into(), now.into()];
    let Some(row) = fetch_one(tx, TAKE_TICKET, &args).await? else { return Ok(None) };
    let job = match row.opt_text("job_id")? {
        None => None,
        Some(_) => Some(id(&*row, "job_id")?),
    };
    let account = id(&*row, "user_id")?;
    // What it was made with must still hold: a ticket outlives neither its key nor its login.
    if row.opt_text("api_key_id")?.is_some() {
        let owner = keys::by_id(tx, id(&*row, "api_key_id")?, now).await?;
        return Ok(owner.map(|owner| TicketOwner {
            account,
            credential: Credential::Key(owner.key),
            expires_at: owner.expires_at,
            job,
        }));
    }
    let owner = sessions::live(tx, id(&*row, "session_id")?, now).await?;
    Ok(owner.map(|owner| TicketOwner {
        account,
        credential: Credential::Session(owner.session),
        expires_at: Some(owner.expires_at),
        job,
    }))
}

pub async fn add_login(tx: &mut dyn Tx, state: LoginState) -> Result<(), StoreError> {
    let args = [
        (&state.state.0).into(),
        (&state.browser.0).into(),
        (&state.nonce).into(),
        (&state.pkce_verifier).into(),
        (&state.return_to).into(),
        state.expires_at.into(),
    ];
    tx.execute(ADD_LOGIN, &args).await.map(|_| ())
}

pub async fn take_login(
    tx: &mut dyn Tx,
    state: &SecretHash,
    browser: &SecretHash,
    now: EpochMs,
) -> Result<Option<LoginState>, StoreError> {
    let args = [(&state.0).into(), (&browser.0).into(), now.into()];
    let Some(row) = fetch_one(tx, TAKE_LOGIN, &args).await? else { return Ok(None) };
    Ok(Some(LoginState {
        state: state.clone(),
        browser: browser.clone(),
        nonce: text(&*row, "nonce")?,
        pkce_verifier: text(&*row, "pkce_verifier")?,
        return_to: text(&*row, "return_to")?,
        expires_at: EpochMs(int(&*row, "expires_at")?),
    }))
}
