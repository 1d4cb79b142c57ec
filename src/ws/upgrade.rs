//! What every socket route does before it upgrades: origin, credential, place. A refusal is an HTTP status, never an
//! accepted socket that is closed again.

use crate::auth::{Caller, TicketSecret};
use crate::http::audit;
use crate::http::error::ApiError;
use crate::http::guard::{authenticate, credential_of, require};
use crate::http::limits::Rate;
use crate::http::state::HttpState;
use crate::ws::conn::ConnHandle;
use crate::ws::payload::GatedPayload;
use crate::ws::pump::{Owner, Pump};
use actix::prelude::*;
use actix_web::http::header;
use actix_web::web::Payload;
use actix_web::{HttpRequest, HttpResponse};
use actix_web_actors::ws;
use sottovoce_actors::mailbox::Tell;
use sottovoce_actors::sessions::Holder;
use sottovoce_actors::socket::gate::Gate;
use sottovoce_actors::socket::messages::{Attach, FromPump, SocketEvent};
use sottovoce_protocol::auth::TicketPurpose;
use sottovoce_protocol::error_code::ErrorCode;
use sottovoce_protocol::scope::Scope;
use std::sync::Arc;

/// Bytes of overhead that may wait behind the gate beyond the largest message: a read of the socket.
const GATE_SLACK_BYTES: u64 = 128 * 1024;

/// The subprotocol of status sockets, and of any socket that is opened with a ticket.
pub const SAAS_V1: &str = "saas.v1";
/// What stands before a ticket among the offered subprotocols.
const TICKET_PREFIX: &str = "ticket.";

/// What a socket route opens.
#[derive(Clone, Copy, Debug)]
pub struct Door {
    /// What the caller must be allowed to do.
    pub scope: Scope,
    /// What a ticket must be for.
    pub purpose: TicketPurpose,
}

/// A caller whose socket may be opened.
pub struct Admitted {
    /// Who it is.
    pub caller: Caller,
    /// The subprotocol to answer, where one was offered.
    pub subprotocol: Option<&'static str>,
}

impl Admitted {
    /// Returns who holds the socket, for the register.
    pub const fn holder(&self) -> Holder {
        Holder {
            account: self.caller.account,
            credential: self.caller.credential,
            expires_at: self.caller.expires_at,
        }
    }
}

/// A credential among the offered subprotocols; browsers can send none elsewhere.
enum Offered {
    /// `token, KEY` or `bearer, JWT`.
    Credential(&'static str, String),
    /// `saas.v1, ticket.T`.
    Ticket(String),
    /// `saas.v1` alone.
    Plain,
    /// Nothing of ours.
    Nothing,
}

impl Offered {
    /// Returns the subprotocol to answer: never the secret part.
    const fn answer(&self) -> Option<&'static str> {
        match self {
            Self::Credential(scheme, _) => Some(scheme),
            Self::Ticket(_) | Self::Plain => Some(SAAS_V1),
            Self::Nothing => None,
        }
    }
}

/// Checks a request for an upgrade, in the order that tells a caller least: origin, credential, scope, form.
///
/// # Errors
/// `origin`, `unauthorized`, `ticket`, `scope`, `rate_limited`, `upgrade_required`, `bad_request`, or the index's.
pub async fn admit(request: &HttpRequest, state: &HttpState, door: Door) -> Result<Admitted, ApiError> {
    let origin = allowed_origin(request, state).await?;
    let offered = offered(request);
    let subprotocol = offered.answer();
    let caller = match (credential_of(request), offered) {
        (None, Offered::Ticket(ticket)) => {
            with_ticket(request, state, door, origin.as_deref(), &ticket).await?
        }
        (header, offered) => {
            let credential = header.or(match offered {
                Offered::Credential(_, credential) => Some(credential),
                Offered::Ticket(_) | Offered::Plain | Offered::Nothing => None,
            });
            authenticate(state, credential.as_deref(), state.proxies.counted(request)).await?
        }
    };
    require(&caller, door.scope, request).await?;
    ws::handshake(request).map_err(|error| match error {
        ws::HandshakeError::NoWebsocketUpgrade | ws::HandshakeError::GetMethodRequired => ApiError::new(
            ErrorCode::UpgradeRequired,
            "this route speaks WebSocket: connect with ws:// or wss://",
        )
        .with_header(header::UPGRADE, header::HeaderValue::from_static("websocket")),
        error => ApiError::bad_request(error.to_string()),
    })?;
    Ok(Admitted { caller, subprotocol })
}

/// Returns the request's origin, which must be on the list: browsers do not apply CORS to sockets. Two are as bad as a
/// foreign one.
async fn allowed_origin(request: &HttpRequest, state: &HttpState) -> Result<Option<String>, ApiError> {
    let mut origins = request.headers().get_all(header::ORIGIN);
    let Some(origin) = origins.next() else { return Ok(None) };
    match state.origins.allowed(origin.as_bytes()).filter(|_| origins.next().is_none()) {
        Some(origin) => Ok(Some(origin.to_owned())),
        None => {
            // Anyone can cause it: once an address has spent its requests, it fills no log either.
            let (address, now) = (state.proxies.counted(request), state.clock.now());
            if state.rates.count(Rate::Request, address, now).is_ok() {
                audit::record(state, request, None, "origin_refused", "").await;
            }
            Err(ApiError::new(
                ErrorCode::Origin,
                "this origin may not open sockets; add it to http.allowed_origins",
            ))
        }
    }
}

async fn with_ticket(
    request: &HttpRequest,
    state: &HttpState,
    door: Door,
    origin: Option<&str>,
    ticket: &str,
) -> Result<Caller, ApiError> {
    let refused = || {
        ApiError::new(
            ErrorCode::Ticket,
            "the ticket is not valid (any more); each opens one socket within seconds: get a new one",
        )
    };
    let now = state.clock.now();
    let address = state.proxies.counted(request);
    state.rates.check(Rate::Request, address, now)?;
    // Tickets are for browsers, which name their origin; where it comes from nobody else is told.
    let taken = match origin.filter(|_| TicketSecret::looks_like(ticket)) {
        None => None,
        Some(origin) => {
            let hash = TicketSecret::presented(ticket).hash();
            state.identity.take_ticket(&hash, door.purpose, origin, now).await?
        }
    };
    let Some(owner) = taken else {
        state.rates.count(Rate::Request, address, now)?;
        return Err(refused());
    };
    state.rates.count(Rate::Request, owner.account, now)?;
    Ok(Caller {
        account: owner.account,
        credential: owner.credential,
        scopes: [door.scope].into_iter().collect(),
        signed_in: None,
        is_derived: true,
        expires_at: owner.expires_at,
        only_job: owner.job,
    })
}

fn offered(request: &HttpRequest) -> Offered {
    let offered = request.headers().get(header::SEC_WEBSOCKET_PROTOCOL).and_then(|value| value.to_str().ok());
    let names: Vec<&str> = offered.unwrap_or_default().split(',').map(str::trim).collect();
    if let Some(ticket) = names.iter().find_map(|name| name.strip_prefix(TICKET_PREFIX)) {
        return Offered::Ticket(ticket.to_owned());
    }
    if names.contains(&SAAS_V1) {
        return Offered::Plain;
    }
    let scheme = match names[0].to_ascii_lowercase().as_str() {
        "token" => "token",
        "bearer" => "bearer",
        _ => return Offered::Nothing,
    };
    match names.get(1).filter(|credential| !credential.is_empty()) {
        Some(credential) => Offered::Credential(scheme, (*credential).to_owned()),
        None => Offered::Nothing,
    }
}

/// Returns a gate that lets the largest message through.
pub fn gate(max_message_bytes: usize) -> Arc<Gate> {
    Arc::new(Gate::new(max_message_bytes as u64 + GATE_SLACK_BYTES))
}

/// Returns what cuts the request's connection.
pub fn cutter(request: &HttpRequest) -> Box<dyn Fn() + Send> {
    let connection = request.conn_data::<ConnHandle>().cloned();
    Box::new(move || {
        if let Some(connection) = &connection {
            connection.cut();
        }
    })
}

/// Upgrades: starts the pump between the socket and an actor that already runs.
///
/// # Errors
/// `bad_request` where the handshake is malformed.
pub fn upgrade<A>(
    request: &HttpRequest,
    payload: Payload,
    actor: &Addr<A>,
    gate: Arc<Gate>,
    max_message_bytes: usize,
    subprotocol: Option<&str>,
) -> Result<HttpResponse, ApiError>
where
    A: Actor<Context = Context<A>> + Handler<Attach> + Handler<FromPump> + Handler<SocketEvent>,
{
    let owner = Owner {
        attach: Tell::to(actor.clone()),
        messages: Tell::to(actor.clone()),
        events: Tell::to(actor.clone()),
    };
    let pump = Pump::new(owner, gate.clone(), max_message_bytes);
    let protocols: Vec<&str> = subprotocol.into_iter().collect();
    ws::WsResponseBuilder::new(pump, request, GatedPayload::new(payload, gate, max_message_bytes))
        .protocols(&protocols)
        .frame_size(max_message_bytes)
        .start()
        .map_err(|error| ApiError::bad_request(error.to_string()))
}
