//! The dispatcher actor: claims, starts, restarts by policy, sweeps, drains.

use crate::dispatcher::messages::{DispatcherConfig, Drain, Drained, JobExited, JobHint, Snapshot, Status};
use crate::dispatcher::recovery::recover;
use crate::job::{Fault, JobActor, JobConfig, JobOrder, JobPorts, announce, lease_end, state_of};
use crate::mailbox::Tell;
use crate::ports::store::{Job, Lease, StoreError};
use crate::supervise::{Exit, ExitGuard};
use actix::prelude::*;
use sottovoce_protocol::ids::{AccountId, JobId};
use std::collections::BTreeMap;
use std::sync::Arc;
use tokio::sync::oneshot;

/// Hints beyond this are dropped: the poll finds the jobs all the same.
const MAILBOX: usize = 1024;

struct Running {
    job: Job,
    lease: Lease,
    orders: Tell<JobOrder>,
}

/// Runs the queue of batch jobs; lives as long as the process, on an arbiter of its own.
pub struct Dispatcher {
    ports: JobPorts,
    config: DispatcherConfig,
    job_config: Arc<JobConfig>,
    running: BTreeMap<JobId, Running>,
    claiming: bool,
    sweeping: bool,
    /// A hint came while the queue was asked.
    ask_again: bool,
    draining: Option<oneshot::Sender<Drained>>,
    stopping: bool,
    guard: ExitGuard,
}

impl Dispatcher {
    /// Prepares the actor; `guard` reports its end to the root.
    pub fn new(ports: JobPorts, config: DispatcherConfig, job_config: JobConfig, guard: ExitGuard) -> Self {
        Self {
            ports,
            config,
            job_config: Arc::new(job_config),
            running: BTreeMap::new(),
            claiming: false,
            sweeping: false,
            ask_again: false,
            draining: None,
            stopping: false,
            guard,
        }
    }

    fn claim(&mut self, ctx: &mut Context<Self>) {
        if self.stopping || self.running.len() >= self.config.concurrency + self.config.guests {
            return;
        }
        if self.claiming {
            self.ask_again = true;
            return;
        }
        self.claiming = true;
        self.ask_again = false;
        let ports = self.ports.clone();
        let (node, lease) = (self.config.node, self.job_config.lease);
        let except = self.passed_over();
        let claiming = async move {
            let now = ports.clock.now();
            let claimed = ports.store.claim(node, lease_end(now, lease), now, &except).await;
            if let Ok(Some((job, _))) = &claimed {
                announce(&*ports.bus, job.account, &state_of(job)).await;
            }
            claimed
        };
        ctx.spawn(claiming.into_actor(self).map(|claimed, actor, ctx| {
            actor.claiming = false;
            actor.claimed(claimed, ctx);
            actor.end_if_drained(ctx);
        }));
    }

    /// With all places taken, an account that has none may still begin: long files of some must not keep others waiting.
    fn passed_over(&self) -> Vec<AccountId> {
        if self.running.len() < self.config.concurrency {
            return Vec::new();
        }
        self.running.values().map(|running| running.job.account).collect()
    }

    fn claimed(&mut self, claimed: Result<Option<(Job, Lease)>, StoreError>, ctx: &mut Context<Self>) {
        match claimed {
            Ok(Some((job, lease))) => {
                self.start(job, lease, ctx);
                self.claim(ctx);
            }
            Ok(None) if self.ask_again => self.claim(ctx),
            Ok(None) => {}
            Err(error) => tracing::warn!(%error, "queue not asked"),
        }
    }

    fn start(&mut self, job: Job, lease: Lease, ctx: &mut Context<Self>) {
        tracing::info!(job.id = %job.id, attempt = job.attempt, "job started");
        let id = job.id;
        let exits = Tell::<JobExited>::to(ctx.address());
        let guard = ExitGuard::new(move |exit| {
            // Each job has a handle of its own and tells once, so only a stopped dispatcher refuses.
            let _ = exits.tell(JobExited { job: id, exit });
        });
        let actor = JobActor::new(self.ports.clone(), self.job_config.clone(), job.clone(), lease, guard);
        let orders = Tell::to(actor.start());
        if self.stopping {
            let _ = orders.tell(JobOrder::Release);
        }
        self.running.insert(id, Running { job, lease, orders });
    }

    fn sweep(&mut self, ctx: &mut Context<Self>) {
        if self.sweeping || self.stopping {
            return;
        }
        self.sweeping = true;
        let (ports, job_config) = (self.ports.clone(), self.job_config.clone());
        let DispatcherConfig { node, lone_node, sweep_limit, .. } = self.config;
        let sweeping = async move {
            loop {
                let now = ports.clock.now();
                let until = lease_end(now, job_config.lease);
                let dead = match ports.store.take_over(node, lone_node, until, now, sweep_limit).await {
                    Ok(dead) => dead,
                    Err(error) => {
                        tracing::warn!(%error, "dead leases not swept");
                        return;
                    }
                };
                let more = dead.len() >= sweep_limit as usize;
                for (job, lease) in dead {
                    recover(&ports, &job_config, job, lease, Fault::NodeLost).await;
                }
                if !more {
                    return;
                }
            }
        };
        ctx.spawn(sweeping.into_actor(self).map(|(), actor, ctx| {
            actor.sweeping = false;
            actor.claim(ctx);
        }));
    }

    fn poll_later(&self, ctx: &mut Context<Self>) {
        ctx.run_later(self.config.poll_every, |actor, ctx| {
            actor.claim(ctx);
            actor.poll_later(ctx);
        });
    }

    fn sweep_later(&self, ctx: &mut Context<Self>) {
        ctx.run_later(self.config.sweep_every, |actor, ctx| {
            actor.sweep(ctx);
            actor.sweep_later(ctx);
        });
    }

    fn end_if_drained(&mut self, ctx: &mut Context<Self>) {
        if self.stopping && self.running.is_empty() && !self.claiming {
            self.end(ctx);
        }
    }

    fn end(&mut self, ctx: &mut Context<Self>) {
        if let Some(reply) = self.draining.take() {
            // The asker may have given up.
            let _ = reply.send(Drained { cut: self.running.len() });
        }
        self.guard.set(Exit::Drained);
        ctx.stop();
    }
}

impl Actor for Dispatcher {
    type Context = Context<Self>;

    fn started(&mut self, ctx: &mut Self::Context) {
        ctx.set_mailbox_capacity(MAILBOX);
        // The sweep ends with a claim, so a dead node's jobs come first.
        self.sweep(ctx);
        self.poll_later(ctx);
        self.sweep_later(ctx);
    }
}

impl Handler<JobHint> for Dispatcher {
    type Result = ();

    fn handle(&mut self, hint: JobHint, ctx: &mut Self::Context) {
        match hint {
            JobHint::Enqueued => self.claim(ctx),
            JobHint::CancelRequested(job) => {
                if let Some(running) = self.running.get(&job) {
                    // A full mailbox costs a heartbeat's time only.
                    let _ = running.orders.tell(JobOrder::Beat);
                }
            }
        }
    }
}

impl Handler<JobExited> for Dispatcher {
    type Result = ();

    fn handle(&mut self, JobExited { job, exit }: JobExited, ctx: &mut Self::Context) {
        let Some(running) = self.running.remove(&job) else { return };
        if exit == Exit::Panicked {
            tracing::error!(job.id = %job, attempt = running.job.attempt, "job actor panicked");
            let (ports, config) = (self.ports.clone(), self.job_config.clone());
            let recovering =
                async move { recover(&ports, &config, running.job, running.lease, Fault::Bug).await };
            ctx.spawn(recovering.into_actor(self).map(|(), actor, ctx| {
                actor.claim(ctx);
                actor.end_if_drained(ctx);
            }));
            return;
        }
        self.claim(ctx);
        self.end_if_drained(ctx);
    }
}

impl Handler<Drain> for Dispatcher {
    type Result = ();

    fn handle(&mut self, drain: Drain, ctx: &mut Self::Context) {
        tracing::info!(running = self.running.len(), "job queue drains");
        self.stopping = true;
        self.draining = Some(drain.reply);
        for running in self.running.values() {
            // A job that is just ending needs no order; one that hangs is cut below.
            let _ = running.orders.tell(JobOrder::Release);
        }
        ctx.run_later(drain.within, |actor, ctx| actor.end(ctx));
        self.end_if_drained(ctx);
    }
}

impl Handler<Snapshot> for Dispatcher {
    type Result = ();

    fn handle(&mut self, snapshot: Snapshot, _ctx: &mut Self::Context) {
        let status = Status { running: self.running.keys().copied().collect(), draining: self.stopping };
        let _ = snapshot.reply.send(status);
    }
}
