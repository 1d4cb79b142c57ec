//! Writes security events to the audit log and to the log. Never holds a secret: `detail` is a few words of ours.

use crate::http::request_id;
use crate::http::state::HttpState;
use actix_web::HttpRequest;
use sottovoce_actors::ports::identity::AuditEntry;
use sottovoce_protocol::ids::{AccountId, AuditId};

/// Records an event of this request. What was done stands even if it cannot be recorded; that is logged.
pub async fn record(
    state: &HttpState,
    request: &HttpRequest,
    account: Option<AccountId>,
    event: &'static str,
    detail: impl Into<String>,
) {
    let entry = AuditEntry {
        id: AuditId::from_uuid(state.ids.uuid()),
        at: state.clock.now(),
        account,
        event,
        address: state.proxies.client_of(request),
        request: request_id::of(request),
        detail: detail.into(),
    };
    tracing::info!(event, account.id = ?account, address = ?entry.address, "security event");
    if let Err(error) = state.identity.audit(entry).await {
        tracing::error!(event, %error, "security event not recorded");
    }
}
