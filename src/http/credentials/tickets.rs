//! `POST /auth/ws-tickets`: one-time tickets, because a browser can send no header with a socket.

use crate::auth::{FlowError, TicketSecret};
use crate::http::body;
use crate::http::error::ApiError;
use crate::http::guard::{Anyone, require};
use crate::http::state::HttpState;
use actix_web::http::header;
use actix_web::{HttpRequest, HttpResponse, web};
use sottovoce_actors::ports::identity::NewTicket;
use sottovoce_protocol::auth::{Confidential, CreateTicket, Ticket, TicketPurpose};
use sottovoce_protocol::error_code::ErrorCode;
use sottovoce_protocol::scope::Scope;

/// The handler. A request from a page binds the ticket to the page's origin; one from a program, which asks for its own
/// pages, to none but the allowed ones.
pub async fn create(
    anyone: Anyone,
    request: HttpRequest,
    payload: web::Payload,
    state: web::Data<HttpState>,
) -> Result<HttpResponse, ApiError> {
    let CreateTicket { purpose, job_id } = body::json(&request, payload).await?;
    let caller = anyone.caller;
    if caller.is_derived {
        return Err(ApiError::new(ErrorCode::Scope, "a short token makes no tickets; use the key itself"));
    }
    require(
        &caller,
        match purpose {
            TicketPurpose::Status => Scope::JobsRead,
            TicketPurpose::Stream => Scope::Listen,
        },
        &request,
    )
    .await?;
    if purpose == TicketPurpose::Stream && job_id.is_some() {
        return Err(ApiError::bad_request("`job_id` goes with the purpose `status` only"));
    }
    if let Some(job) = job_id {
        // Another's job is as absent as one that never was.
        state.store.job(caller.account, job).await?;
    }
    let origin = match request.headers().get(header::ORIGIN) {
        None => None,
        Some(origin) => {
            Some(state.origins.allowed(origin.as_bytes()).map(str::to_owned).ok_or_else(|| {
                ApiError::new(
                    ErrorCode::Origin,
                    "this origin may not open sockets; add it to http.allowed_origins",
                )
            })?)
        }
    };
    let secret = TicketSecret::generate().map_err(FlowError::from)?;
    state
        .identity
        .add_ticket(NewTicket {
            hash: secret.hash(),
            account: caller.account,
            credential: caller.credential,
            purpose,
            job: job_id,
            origin,
            expires_at: state.clock.now().plus_ms(state.auth.ticket_ms),
        })
        .await?;
    Ok(HttpResponse::Created().json(Ticket {
        ticket: Confidential(secret.expose().to_owned()),
        expires_in: state.auth.ticket_ms.unsigned_abs() / 1000,
    }))
}
