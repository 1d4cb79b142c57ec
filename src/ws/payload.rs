//! The bytes of a socket, read only while its gate is open. Owns no meaning of them.
//!
//! A connection that breaks is an end like any other: were it an error, actix's frame stream would hand that over before
//! the messages that came with it, and a client's last words would be lost.

use crate::ws::frames::LengthGuard;
use actix_web::error::PayloadError;
use actix_web::web::Payload;
use bytes::Bytes;
use futures_util::Stream;
use sottovoce_actors::socket::gate::Gate;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll, ready};

/// Set once a message over the limit was announced; the payload ends before it.
#[derive(Debug, Default)]
pub struct Oversize(AtomicBool);

impl Oversize {
    /// Returns whether one was announced.
    pub fn is_met(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }
}

/// A request payload behind a gate.
pub struct GatedPayload {
    payload: Payload,
    gate: Arc<Gate>,
    lengths: LengthGuard,
    oversize: Arc<Oversize>,
}

impl GatedPayload {
    /// Puts the payload behind the gate.
    pub fn new(payload: Payload, gate: Arc<Gate>, lengths: LengthGuard, oversize: Arc<Oversize>) -> Self {
        Self { payload, gate, lengths, oversize }
    }
}

impl Stream for GatedPayload {
    type Item = Result<Bytes, PayloadError>;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        if self.oversize.is_met() {
            return Poll::Ready(None);
        }
        ready!(self.gate.poll_open(context));
        match ready!(Pin::new(&mut self.payload).poll_next(context)) {
            Some(Ok(mut chunk)) => {
                let allowed = self.lengths.scan(&chunk);
                if allowed < chunk.len() {
                    chunk.truncate(allowed);
                    self.oversize.0.store(true, Ordering::Relaxed);
                }
                self.gate.take(chunk.len());
                Poll::Ready(Some(Ok(chunk)))
            }
            Some(Err(_)) | None => Poll::Ready(None),
        }
    }
}
