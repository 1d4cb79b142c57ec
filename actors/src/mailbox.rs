//! The only way to send to an actor: a held handle that never goes over the mailbox's capacity.
//!
//! `Addr::do_send` ignores capacity, and a clone of an `Addr` per send gets room of its own (`actix/address/channel.rs`),
//! so each relationship holds exactly one `Tell` and nothing else sends.

use actix::dev::ToEnvelope;
use actix::prelude::{Actor, Addr, Handler, Message, Recipient, SendError};

/// Why a message was not taken.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub enum TellError {
    /// The mailbox is full: drop, conflate or slow down, as the relationship says.
    #[error("the mailbox is full")]
    Full,
    /// The actor has stopped.
    #[error("the actor has stopped")]
    Closed,
}

/// One relationship's handle to an actor.
pub struct Tell<M>
where
    M: Message + Send + 'static,
    M::Result: Send,
{
    recipient: Recipient<M>,
}

impl<M> Tell<M>
where
    M: Message + Send + 'static,
    M::Result: Send,
{
    /// Makes the handle of one relationship.
    pub fn to<A>(addr: Addr<A>) -> Self
    where
        A: Actor + Handler<M>,
        A::Context: ToEnvelope<A, M>,
    {
        Self { recipient: addr.recipient() }
    }

    /// Sends within the mailbox's capacity; never waits.
    pub fn tell(&self, message: M) -> Result<(), TellError> {
        self.recipient.try_send(message).map_err(|error| match error {
            SendError::Full(_) => TellError::Full,
            SendError::Closed(_) => TellError::Closed,
        })
    }

    /// Returns whether the actor still takes messages.
    pub fn is_open(&self) -> bool {
        self.recipient.connected()
    }
}
