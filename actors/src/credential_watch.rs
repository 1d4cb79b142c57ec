//! Makes the end of a credential felt: closes the sockets of revoked keys, logins and accounts, deletes the content of
//! deleted accounts, and forgets what has expired. Asks the index, so that it does not matter who revoked, and where.

use crate::ports::clock::Clock;
use crate::ports::identity::{Ended, Identity};
use crate::ports::store::{EpochMs, Store, StoreError};
use crate::sessions::Sessions;
use crate::supervise::{Exit, ExitGuard};
use actix::prelude::*;
use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;

#[cfg(test)]
mod scripted;
#[cfg(test)]
mod tests;

/// How far back each look goes: longer than a handshake that began before a revocation takes to enter the register, and
/// than clocks of two nodes differ.
const LOOK_BACK_MS: i64 = 60_000;
/// Rows forgotten, and jobs deleted, in one go.
const BATCH: u32 = 500;
/// A look that takes longer is given up; the next one begins anew.
const LOOK_WITHIN: Duration = Duration::from_secs(10);

/// When the watch works.
#[derive(Clone, Copy, Debug)]
pub struct WatchConfig {
    /// Between two looks at what was revoked.
    pub recheck_every: Duration,
    /// Between two rounds of forgetting.
    pub forget_every: Duration,
    /// How long a login is kept after its end, so that a late thief is still recognised.
    pub keep_sessions: Duration,
    /// How long the audit log is kept.
    pub keep_audit: Duration,
}

/// The ports that the watch uses.
#[derive(Clone)]
pub struct WatchPorts {
    /// What ended.
    pub identity: Arc<dyn Identity>,
    /// Jobs of deleted accounts.
    pub store: Arc<dyn Store>,
    /// Time.
    pub clock: Arc<dyn Clock>,
}

/// Works in the background for the life of the process.
pub struct CredentialWatch {
    ports: WatchPorts,
    config: WatchConfig,
    sockets: Vec<Sessions>,
    /// When the index last answered: what ended since then has not been seen.
    seen_until: Option<EpochMs>,
    guard: ExitGuard,
}

/// Stop; what is left waits for the next start.
#[derive(Clone, Copy, Debug, Message)]
#[rtype(result = "()")]
pub struct StopWatching;

impl CredentialWatch {
    /// Prepares the actor; `guard` reports its end to the root.
    pub fn new(ports: WatchPorts, config: WatchConfig, sockets: Vec<Sessions>, guard: ExitGuard) -> Self {
        Self { ports, config, sockets, seen_until: None, guard }
    }

    fn look(&mut self, ctx: &mut Context<Self>) {
        let (ports, seen_until) = (self.ports.clone(), self.seen_until);
        let looking = async move {
            let now = ports.clock.now();
            let since = seen_until.map_or(now, |seen| seen.min(now));
            let asked = ports.identity.ended_since(since.plus_ms(-LOOK_BACK_MS));
            (now, tokio::time::timeout(LOOK_WITHIN, asked).await)
        };
        ctx.spawn(looking.into_actor(self).map(|(now, answer), watch, ctx| {
            let ended: HashSet<Ended> = match answer {
                Ok(Ok(ended)) => {
                    watch.seen_until = Some(now);
                    ended.into_iter().collect()
                }
                Ok(Err(error)) => {
                    tracing::warn!(%error, "revocations could not be read");
                    HashSet::new()
                }
                Err(_) => {
                    tracing::warn!("revocations could not be read in time");
                    HashSet::new()
                }
            };
            for sockets in &watch.sockets {
                sockets.close_ended(&ended, now);
            }
            ctx.run_later(watch.config.recheck_every, Self::look);
        }));
    }

    fn forget(&mut self, ctx: &mut Context<Self>) {
        let (ports, config) = (self.ports.clone(), self.config);
        ctx.spawn(async move { forget(&ports, &config).await }.into_actor(self).map(|done, watch, ctx| {
            if let Err(error) = done {
                tracing::warn!(%error, "expired credentials could not be forgotten");
            }
            ctx.run_later(watch.config.forget_every, Self::forget);
        }));
    }
}

fn before(now: EpochMs, age: Duration) -> EpochMs {
    now.plus_ms(-i64::try_from(age.as_millis()).unwrap_or(i64::MAX))
}

/// Deletes what deleted accounts left and forgets what has expired, batch by batch, so that no other write waits long.
///
/// # Errors
/// The index failed; what was done stays done.
pub async fn forget(ports: &WatchPorts, config: &WatchConfig) -> Result<(), StoreError> {
    loop {
        let jobs = ports.identity.jobs_of_deleted(BATCH).await?;
        for (account, job) in &jobs {
            match ports.store.delete(*account, *job, ports.clock.now()).await {
                Ok(_) | Err(StoreError::NotFound) => {}
                Err(error) => return Err(error),
            }
        }
        if jobs.len() < BATCH as usize {
            break;
        }
    }
    loop {
        let now = ports.clock.now();
        let sessions_before = before(now, config.keep_sessions);
        let audit_before = before(now, config.keep_audit);
        let gone = ports.identity.forget_expired(now, sessions_before, audit_before, BATCH).await?;
        if gone < u64::from(BATCH) {
            return Ok(());
        }
    }
}

impl Actor for CredentialWatch {
    type Context = Context<Self>;

    fn started(&mut self, ctx: &mut Self::Context) {
        self.look(ctx);
        self.forget(ctx);
    }
}

impl Handler<StopWatching> for CredentialWatch {
    type Result = ();

    fn handle(&mut self, _: StopWatching, ctx: &mut Self::Context) {
        self.guard.set(Exit::Drained);
        ctx.stop();
    }
}
