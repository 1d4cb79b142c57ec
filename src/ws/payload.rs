//! The bytes of a socket, read only while its gate is open. Owns no meaning of them.
//!
//! A connection that breaks is an end like any other: were it an error, actix's frame stream would hand that over before
//! the messages that came with it, and a client's last words would be lost.

use crate::ws::headers::{Broken, HeaderWalk};
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
    walk: HeaderWalk,
}

impl GatedPayload {
    /// Puts the payload behind the gate; frames are at most `max_message_bytes` long.
    pub fn new(payload: Payload, gate: Arc<Gate>, max_message_bytes: usize) -> Self {
        Self { payload, gate, walk: HeaderWalk::new(max_message_bytes) }
    }
}

impl Stream for GatedPayload {
    type Item = Result<Bytes, PayloadError>;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        if self.gate.broken().is_some() {
            return Poll::Ready(None);
        }
        ready!(self.gate.poll_open(context));
        match ready!(Pin::new(&mut self.payload).poll_next(context)) {
            Some(Ok(mut chunk)) => {
                if let Err(Broken { close, after_bytes }) = self.walk.push(&chunk) {
                    // The messages before it are whole and are heard; then the payload ends.
                    self.gate.mark_broken(close);
                    chunk.truncate(after_bytes);
                }
                self.gate.take(chunk.len());
                Poll::Ready(Some(Ok(chunk)))
            }
            Some(Err(_)) | None => Poll::Ready(None),
        }
    }
}
