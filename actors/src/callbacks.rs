//! Tells the addresses that job owners named that their jobs ended: takes what is due from the index, sends it, notes how
//! it went. At least once; a receiver tells repetitions by the id. Never sends what was heard.

use crate::job::jitter;
use crate::ports::callback::{
    CallbackAttempt, CallbackFault, CallbackQueue, CallbackRequest, CallbackSender, DueCallback,
};
use crate::ports::clock::{Clock, Ids};
use crate::ports::store::{Job, StoreError};
use crate::supervise::{Backoff, Exit, ExitGuard};
use crate::time::rfc3339;
use actix::prelude::*;
use futures_util::future::join_all;
use sottovoce_protocol::jobs::{CallbackBody, CallbackJob, CallbackState};
use std::sync::Arc;
use std::time::Duration;

#[cfg(test)]
mod tests;

/// Requests under way at once.
const AT_ONCE: u32 = 8;
/// How much longer than a request may take another process waits before it takes the same callback.
const AGAIN_AFTER: Duration = Duration::from_secs(60);

/// When callbacks are tried.
#[derive(Clone, Copy, Debug)]
pub struct CallbackConfig {
    /// Between looks at what is due.
    pub poll_every: Duration,
    /// How long one request may take.
    pub timeout: Duration,
    /// Attempts, the first included.
    pub max_attempts: u32,
    /// Pauses between them.
    pub backoff: Backoff,
}

/// The ports that callbacks use.
#[derive(Clone)]
pub struct CallbackPorts {
    /// What is due.
    pub queue: Arc<dyn CallbackQueue>,
    /// The way out.
    pub sender: Arc<dyn CallbackSender>,
    /// Time.
    pub clock: Arc<dyn Clock>,
    /// Jitter.
    pub ids: Arc<dyn Ids>,
}

/// Works in the background for the life of the process.
pub struct Callbacks {
    ports: CallbackPorts,
    config: CallbackConfig,
    guard: ExitGuard,
}

/// Stop; what is under way is tried again by another process, or at the next start.
#[derive(Clone, Copy, Debug, Message)]
#[rtype(result = "()")]
pub struct StopCalling;

impl Callbacks {
    /// Prepares the actor; `guard` reports its end to the root.
    pub fn new(ports: CallbackPorts, config: CallbackConfig, guard: ExitGuard) -> Self {
        Self { ports, config, guard }
    }

    fn round(&mut self, ctx: &mut Context<Self>) {
        let (ports, config) = (self.ports.clone(), self.config);
        ctx.spawn(async move { round(&ports, &config).await }.into_actor(self).map(|tried, actor, ctx| {
            match tried {
                Ok(tried) if tried >= AT_ONCE as usize => actor.round(ctx),
                Ok(_) => {
                    ctx.run_later(actor.config.poll_every, Self::round);
                }
                Err(error) => {
                    tracing::warn!(%error, "due callbacks could not be read");
                    ctx.run_later(actor.config.poll_every, Self::round);
                }
            }
        }));
    }
}

/// Tries what is due, some at once; returns how many that were.
async fn round(ports: &CallbackPorts, config: &CallbackConfig) -> Result<usize, StoreError> {
    let now = ports.clock.now();
    let again = i64::try_from((config.timeout + AGAIN_AFTER).as_millis()).unwrap_or(i64::MAX);
    let due = ports.queue.due_callbacks(now, now.plus_ms(again), AT_ONCE).await?;
    let tried = due.len();
    join_all(due.into_iter().map(|callback| attempt(ports, config, callback))).await;
    Ok(tried)
}

async fn attempt(ports: &CallbackPorts, config: &CallbackConfig, due: DueCallback) {
    let DueCallback { job, attempts, secret } = due;
    let Some(url) = job.params.callback_url.clone() else { return };
    let answer = match serde_json::to_vec(&body(&job)) {
        Ok(body) => {
            let request = CallbackRequest { url, id: job.id, at: ports.clock.now(), secret, body };
            ports.sender.send(request).await
        }
        Err(error) => {
            tracing::error!(job.id = %job.id, %error, "callback not written");
            Err(CallbackFault::Forbidden)
        }
    };
    let outcome = outcome(answer, attempts, config, ports);
    tracing::info!(
        job.id = %job.id, attempts, status = outcome.status, fault = outcome.fault, state = ?outcome.state,
        "callback tried"
    );
    if let Err(error) = ports.queue.callback_tried(job.id, attempts, outcome).await {
        tracing::warn!(job.id = %job.id, %error, "outcome of a callback not noted, it is tried again");
    }
}

/// 2xx is taken; 410 Gone asks for no more; all else is tried again while attempts are left.
fn outcome(
    answer: Result<u16, CallbackFault>,
    attempts: u32,
    config: &CallbackConfig,
    ports: &CallbackPorts,
) -> CallbackAttempt {
    let (status, fault) = match answer {
        Ok(status @ 200..300) => {
            let state = CallbackState::Delivered;
            return CallbackAttempt { state, next_at: None, status: Some(status), fault: None };
        }
        Ok(status) => (Some(status), "status"),
        Err(CallbackFault::Forbidden) => (None, "forbidden"),
        Err(CallbackFault::Unreachable) => (None, "unreachable"),
        Err(CallbackFault::Timeout) => (None, "timeout"),
    };
    let is_final = status == Some(410) || fault == "forbidden" || attempts >= config.max_attempts;
    let next_at = (!is_final).then(|| {
        let delay = config.backoff.delay(attempts, jitter(&*ports.ids));
        ports.clock.now().plus_ms(i64::try_from(delay.as_millis()).unwrap_or(i64::MAX))
    });
    let state = if is_final { CallbackState::Failed } else { CallbackState::Pending };
    CallbackAttempt { state, next_at, status, fault: Some(fault) }
}

fn body(job: &Job) -> CallbackBody {
    CallbackBody {
        kind: if job.error_code.is_some() { "job.failed".into() } else { "job.done".into() },
        timestamp: rfc3339(job.completed_at.unwrap_or(job.created_at)),
        data: CallbackJob {
            id: job.id,
            job_type: job.job_type,
            status: job.status,
            error_code: job.error_code,
            duration_seconds: job.duration_ms.map(|ms| ms as f64 / 1000.0),
        },
    }
}

impl Actor for Callbacks {
    type Context = Context<Self>;

    fn started(&mut self, ctx: &mut Self::Context) {
        self.round(ctx);
    }
}

impl Handler<StopCalling> for Callbacks {
    type Result = ();

    fn handle(&mut self, _stop: StopCalling, ctx: &mut Self::Context) {
        self.guard.set(Exit::Drained);
        ctx.stop();
    }
}
