//! What every socket route does before it upgrades: origin, credential, place. A refusal is an HTTP status, never an
//! accepted socket that is closed again.

use crate::http::error::ApiError;
use crate::http::guard::{authenticate, credential_of, require};
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
use sottovoce_actors::ports::store::KeyOwner;
use sottovoce_actors::socket::gate::Gate;
use sottovoce_actors::socket::messages::{Attach, FromPump, SocketEvent};
use sottovoce_protocol::error_code::ErrorCode;
use std::sync::Arc;

/// Bytes of overhead that may wait behind the gate beyond the largest message: a read of the socket.
const GATE_SLACK_BYTES: u64 = 128 * 1024;

/// A caller whose socket may be opened.
pub struct Caller {
    /// Who it is.
    pub owner: KeyOwner,
    /// The subprotocol to answer, where the credential came in one.
    pub subprotocol: Option<&'static str>,
}

/// Checks a request for an upgrade, in the order that tells a caller least: form, origin, credential, scope.
///
/// # Errors
/// `upgrade_required`, `bad_request`, `origin`, `unauthorized`, `scope`, `rate_limited`, or the index's.
pub async fn caller(request: &HttpRequest, state: &HttpState, scope: &str) -> Result<Caller, ApiError> {
    if let Some(origin) = request.headers().get(header::ORIGIN)
        && !state.origins.allows(origin.as_bytes())
    {
        return Err(ApiError::new(
            ErrorCode::Origin,
            "this origin may not open sockets; add it to http.allowed_origins",
        ));
    }
    let offered = offered_credential(request);
    let credential = credential_of(request).or_else(|| offered.as_ref().map(|(_, key)| key.clone()));
    let owner = authenticate(state, credential.as_deref(), state.proxies.client_of(request)).await?;
    require(&owner, scope)?;
    ws::handshake(request).map_err(|error| match error {
        ws::HandshakeError::NoWebsocketUpgrade | ws::HandshakeError::GetMethodRequired => ApiError::new(
            ErrorCode::UpgradeRequired,
            "this route speaks WebSocket: connect with ws:// or wss://",
        )
        .with_header(header::UPGRADE, header::HeaderValue::from_static("websocket")),
        error => ApiError::bad_request(error.to_string()),
    })?;
    Ok(Caller { owner, subprotocol: offered.map(|(scheme, _)| scheme) })
}

/// Reads `Sec-WebSocket-Protocol: token, KEY` (or `bearer`), as browsers and Node clients must send it.
fn offered_credential(request: &HttpRequest) -> Option<(&'static str, String)> {
    let offered = request.headers().get(header::SEC_WEBSOCKET_PROTOCOL)?.to_str().ok()?;
    let mut names = offered.split(',').map(str::trim);
    let scheme = match names.next()?.to_ascii_lowercase().as_str() {
        "token" => "token",
        "bearer" => "bearer",
        _ => return None,
    };
    let key = names.next().filter(|key| !key.is_empty())?;
    Some((scheme, key.to_owned()))
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
