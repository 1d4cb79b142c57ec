//! The bytes of a socket, read only while its gate is open. Owns no meaning of them.

use actix_web::error::PayloadError;
use actix_web::web::Payload;
use bytes::Bytes;
use futures_util::Stream;
use sottovoce_actors::socket::gate::Gate;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

/// A request payload behind a gate.
pub struct GatedPayload {
    payload: Payload,
    gate: Arc<Gate>,
}

impl GatedPayload {
    /// Puts the payload behind the gate.
    pub fn new(payload: Payload, gate: Arc<Gate>) -> Self {
        Self { payload, gate }
    }
}

impl Stream for GatedPayload {
    type Item = Result<Bytes, PayloadError>;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        ready!(self.gate.poll_open(context));
        let item = ready!(Pin::new(&mut self.payload).poll_next(context));
        if let Some(Ok(chunk)) = &item {
            self.gate.take(chunk.len());
        }
        Poll::Ready(item)
    }
}
