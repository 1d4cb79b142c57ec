//! `GET /ws`: opens a status socket, protocol `saas.v1`.

use crate::http::error::ApiError;
use crate::http::state::HttpState;
use crate::ws::upgrade::{self, Door, admit, cutter, gate};
use actix_web::web::{Data, Payload};
use actix_web::{HttpRequest, HttpResponse};
use sottovoce_actors::mailbox::Tell;
use sottovoce_actors::sessions::Sessions;
use sottovoce_actors::status::{StatusConfig, StatusPorts, StatusSocket, StatusStart};
use sottovoce_actors::supervise::{Exit, ExitGuard};
use sottovoce_protocol::auth::TicketPurpose;
use sottovoce_protocol::error_code::ErrorCode;
use sottovoce_protocol::scope::Scope;
use std::sync::Arc;

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

const DOOR: Door = Door { scope: Scope::JobsRead, purpose: TicketPurpose::Status };

/// Opens a status socket.
pub async fn subscribe(
    request: HttpRequest,
    payload: Payload,
    state: Data<HttpState>,
    status: Data<StatusState>,
) -> Result<HttpResponse, ApiError> {
    let admitted = admit(&request, &state, DOOR).await?;
    (state.ready)().map_err(|why| ApiError::new(ErrorCode::ShuttingDown, why))?;
    let place = status
        .sessions
        .enter(admitted.holder(), status.sockets_per_account)
        .map_err(|error| ApiError::new(ErrorCode::TooManySockets, error.to_string()).retry_after(30))?;
    let gate = gate(status.max_message_bytes);
    let place = Arc::new(place);
    let (held, cut) = (place.clone(), cutter(&request));
    let socket = StatusSocket::run(StatusStart {
        account: admitted.caller.account,
        only_job: admitted.caller.only_job,
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
    place.on_leave(Tell::to(socket.clone()));
    upgrade::upgrade(&request, payload, &socket, gate, status.max_message_bytes, admitted.subprotocol)
}
