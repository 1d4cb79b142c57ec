//! `GET /ws`: opens a status socket, protocol `saas.v1`.

use crate::http::error::ApiError;
use crate::http::state::HttpState;
use crate::ws::upgrade::{self, caller, cutter, gate};
use actix_web::http::header;
use actix_web::web::{Data, Payload};
use actix_web::{HttpRequest, HttpResponse};
use sottovoce_actors::mailbox::Tell;
use sottovoce_actors::sessions::Sessions;
use sottovoce_actors::status::{StatusConfig, StatusPorts, StatusSocket, StatusStart};
use sottovoce_actors::supervise::{Exit, ExitGuard};
use sottovoce_protocol::error_code::ErrorCode;
use std::sync::Arc;

/// The subprotocol's name.
const SAAS_V1: &str = "saas.v1";

/// What status sockets need besides the REST state.
#[derive(Clone)]
pub struct StatusState {
    /// Settings of all status sockets.
    pub config: StatusConfig,
    /// Ports.
    pub ports: StatusPorts,
    /// Open sockets.
    pub sessions: Sessions,
    /// Largest incoming message.
    pub max_message_bytes: usize,
    /// Sockets of an account.
    pub sockets_per_account: u64,
}

/// Opens a status socket.
pub async fn subscribe(
    request: HttpRequest,
    payload: Payload,
    state: Data<HttpState>,
    status: Data<StatusState>,
) -> Result<HttpResponse, ApiError> {
    let caller = caller(&request, &state, "jobs:read").await?;
    (state.ready)().map_err(|why| ApiError::new(ErrorCode::ShuttingDown, why))?;
    let place = status
        .sessions
        .enter(caller.owner.account, status.sockets_per_account)
        .map_err(|error| ApiError::new(ErrorCode::TooManySockets, error.to_string()).retry_after(30))?;
    let gate = gate(status.max_message_bytes);
    let place = Arc::new(place);
    let (held, cut) = (place.clone(), cutter(&request));
    let socket = StatusSocket::run(StatusStart {
        account: caller.owner.account,
        config: status.config,
        ports: status.ports.clone(),
        gate: gate.clone(),
        cut: cutter(&request),
        exit: ExitGuard::new(move |exit| {
            if exit == Exit::Panicked {
                tracing::error!("a status socket panicked");
                cut();
            }
            drop(held);
        }),
    });
    place.on_drain(Tell::to(socket.clone()));
    let subprotocol = caller.subprotocol.or_else(|| offers(&request, SAAS_V1).then_some(SAAS_V1));
    upgrade::upgrade(&request, payload, &socket, gate, status.max_message_bytes, subprotocol)
}

fn offers(request: &HttpRequest, name: &str) -> bool {
    request
        .headers()
        .get(header::SEC_WEBSOCKET_PROTOCOL)
        .and_then(|offered| offered.to_str().ok())
        .is_some_and(|offered| offered.split(',').any(|one| one.trim() == name))
}
