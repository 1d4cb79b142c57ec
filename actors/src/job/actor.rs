//! The running of one lease: carries out what `state.rs` decides. Nothing here blocks; the file is read on a blocking
//! thread, speech is recognised by the engine pool. Owned by the dispatcher, told through `JobOrder`.

use crate::job::announce::{announce, percent};
use crate::job::input::{FileReader, InputConfig};
use crate::job::messages::{JobConfig, JobOrder, JobPorts};
use crate::job::pieces::{Hearing, Piece};
use crate::job::reading::{Input, ReadError, read_input};
use crate::job::retry::{Fault, Verdict, jitter};
use crate::job::settle::{Settled, discard, settle};
use crate::job::state::{Attempts, Effect, Event, State};
use crate::job::translating::Translating;
use crate::ports::files::{FileError, ReadSeek};
use crate::ports::media::Hears;
use crate::ports::store::{Artifact, EpochMs, Heartbeat, Job, Lease, StatusSeq, StoreError};
use crate::supervise::ExitGuard;
use crate::transcript::{Document, Layout, write_artifacts};
use crate::translation::{self, Route, TextInput, primary};
use actix::prelude::*;
use sottovoce_protocol::error_code::ErrorCode;
use sottovoce_protocol::ids::ModelId;
use sottovoce_protocol::jobs::{JobParams, JobStatus, JobType};
use sottovoce_protocol::status::JobState;
use std::sync::Arc;
use std::time::Duration;
use tokio::time::Instant;

const MAILBOX: usize = 32;

/// Runs one claim of a batch job, then stops.
pub struct JobActor {
    ports: JobPorts,
    config: Arc<JobConfig>,
    job: Job,
    lease: Lease,
    state: State,
    /// The input of a job on a text, until it is translated.
    text: Option<TextInput>,
    artifacts: Vec<Artifact>,
    heard_at: Instant,
    beating: bool,
    settle_failures: u32,
    guard: ExitGuard,
}

impl JobActor {
    /// Prepares the actor; `guard` reports its end to the dispatcher.
    pub fn new(ports: JobPorts, config: Arc<JobConfig>, job: Job, lease: Lease, guard: ExitGuard) -> Self {
        let attempts =
            Attempts { attempt: job.attempt, max_attempts: job.max_attempts, backoff: config.retry };
        let state = State::new(attempts, job.progress, job.job_type == JobType::Translation);
        Self {
            ports,
            config,
            job,
            lease,
            state,
            text: None,
            artifacts: Vec::new(),
            heard_at: Instant::now(),
            beating: false,
            settle_failures: 0,
            guard,
        }
    }

    fn step(&mut self, event: Event, ctx: &mut Context<Self>) {
        let effects = self.state.step(event, self.ports.clock.now(), jitter(&*self.ports.ids));
        for effect in effects {
            match effect {
                Effect::Translate => self.translate(ctx),
                Effect::Write => self.write(ctx),
                Effect::Settle(verdict) => self.settle(verdict, ctx),
                Effect::Discard => self.discard(),
                Effect::Stop(exit) => {
                    self.guard.set(exit);
                    ctx.stop();
                }
            }
        }
    }

    fn open(&mut self, ctx: &mut Context<Self>) {
        let Some(object) = self.job.input.clone() else {
            tracing::error!(job.id = %self.job.id, "job has no input");
            return self.step(Event::Fault(Fault::Bug), ctx);
        };
        let files = self.ports.files.clone();
        let opening = async move { files.open(&object).await };
        ctx.spawn(opening.into_actor(self).map(|opened, actor, ctx| match opened {
            Ok(file) if actor.job.job_type == JobType::Translation => actor.look(file, ctx),
            Ok(file) => actor.hear(file, ctx),
            Err(error) => actor.storage_failed("input not opened", &error, ctx),
        }));
    }

    fn hear(&mut self, file: Box<dyn ReadSeek>, ctx: &mut Context<Self>) {
        let input = InputConfig {
            media: self.ports.media.clone(),
            voice: self.ports.voice.clone(),
            max_s: self.config.max_audio_s,
            segment: self.config.segment,
            hears: hears(&self.job.params),
        };
        let hearing = Hearing::new(
            self.ports.recogniser.clone(),
            self.model(),
            self.config.unit_within,
            self.config.lanes,
            FileReader::Closed(file, input),
        );
        ctx.add_stream(hearing.into_stream());
    }

    /// Finds out whether speech or a text is to be translated.
    fn look(&mut self, file: Box<dyn ReadSeek>, ctx: &mut Context<Self>) {
        let max_bytes = self.config.max_text_bytes;
        let looking = tokio::task::spawn_blocking(move || read_input(file, max_bytes));
        ctx.spawn(looking.into_actor(self).map(|looked, actor, ctx| match looked {
            Ok(Ok(Input::Media(file))) => actor.hear(file, ctx),
            Ok(Ok(Input::Text(text))) => {
                actor.text = Some(text);
                actor.step(Event::TextRead, ctx);
            }
            Ok(Err(ReadError::Refused { code, detail })) => actor.take(Piece::Refused { code, detail }, ctx),
            Ok(Err(ReadError::Storage(error))) => {
                actor.storage_failed("input not read", &FileError::Unavailable(error.to_string()), ctx);
            }
            Err(_) => {
                actor.take(
                    Piece::Failed { fault: Fault::Bug, detail: "the text reader panicked".into() },
                    ctx,
                );
            }
        }));
    }

    fn translate(&mut self, ctx: &mut Context<Self>) {
        let language = self.language();
        let asked = self.job.params.target_language.as_deref().unwrap_or_default();
        let (from, to) = (primary(&language), primary(asked));
        let route = from.as_deref().zip(to.as_deref());
        let route = route.and_then(|(from, to)| Route::find(&self.ports.translator.pairs(), from, to));
        let (Some(route), Some(lang)) = (route, to) else {
            // There was one when the job was submitted; the models here are others.
            let detail = format!("no models lead from {language} to {asked}");
            return self.take(Piece::Refused { code: ErrorCode::LanguageUnsupported, detail }, ctx);
        };
        let mut document = self.document(&route);
        self.heard_at = Instant::now();
        document.settle();
        let translating = Translating::new(
            self.ports.recogniser.clone(),
            self.ports.translator.clone(),
            route,
            lang,
            self.config.lanes,
            document,
        );
        ctx.add_stream(translating.into_stream());
    }

    /// Returns what was heard or read.
    fn document(&mut self, route: &Route) -> Document {
        match self.text.take() {
            Some(TextInput { segments, layout }) => Document {
                engine: translation::ENGINE.to_owned(),
                model: route.model(),
                segments,
                layout,
                ..self.heard()
            },
            None => self.heard(),
        }
    }

    fn heard(&mut self) -> Document {
        Document {
            job: self.job.id,
            language: self.language(),
            engine: self.config.engine.clone(),
            model: self.model().as_str().to_owned(),
            duration_ms: self.state.duration_ms().unwrap_or_default(),
            segments: self.state.take_segments(),
            layout: Layout::Speech,
            translation: None,
        }
    }

    fn take(&mut self, piece: Piece, ctx: &mut Context<Self>) {
        self.heard_at = Instant::now();
        match &piece {
            Piece::Refused { code, detail } => {
                tracing::info!(job.id = %self.job.id, %code, %detail, "input refused");
            }
            Piece::Failed { fault, detail } => {
                tracing::warn!(job.id = %self.job.id, attempt = self.job.attempt, ?fault, %detail, "attempt failed");
            }
            Piece::Opened { .. }
            | Piece::Heard { .. }
            | Piece::Ended { .. }
            | Piece::Translating { .. }
            | Piece::Translated { .. } => {}
        }
        self.step(Event::Piece(piece), ctx);
    }

    fn write(&mut self, ctx: &mut Context<Self>) {
        let document = self.state.take_translated().map_or_else(|| self.heard(), |document| *document);
        let (files, ids) = (self.ports.files.clone(), self.ports.ids.clone());
        let (lease, now) = (self.lease, self.ports.clock.now());
        let writing = async move { write_artifacts(&*files, &*ids, lease, document, now).await };
        ctx.spawn(writing.into_actor(self).map(|written, actor, ctx| match written {
            Ok(artifacts) => {
                actor.artifacts = artifacts;
                actor.step(Event::Written, ctx);
            }
            Err(error) => actor.storage_failed("artifacts not written", &error, ctx),
        }));
    }

    fn storage_failed(&mut self, what: &'static str, error: &FileError, ctx: &mut Context<Self>) {
        tracing::warn!(job.id = %self.job.id, attempt = self.job.attempt, %error, "{what}");
        self.step(Event::Fault(Fault::Storage), ctx);
    }

    fn settle(&mut self, verdict: Verdict, ctx: &mut Context<Self>) {
        let (ports, job, lease) = (self.ports.clone(), self.job.clone(), self.lease);
        let artifacts = if verdict == Verdict::Finish { self.artifacts.clone() } else { Vec::new() };
        let (progress, duration_ms) = (self.state.progress(), self.state.duration_ms());
        let settling =
            async move { settle(&ports, &job, lease, verdict, progress, artifacts, duration_ms).await };
        ctx.spawn(settling.into_actor(self).map(move |settled, actor, ctx| match settled {
            Settled::Done => actor.step(Event::Settled, ctx),
            Settled::LeaseLost => actor.step(Event::NotSettled, ctx),
            Settled::Unavailable => actor.settle_later(verdict, ctx),
        }));
    }

    fn settle_later(&mut self, verdict: Verdict, ctx: &mut Context<Self>) {
        self.settle_failures += 1;
        if self.settle_failures >= self.config.settle_tries {
            return self.step(Event::NotSettled, ctx);
        }
        let delay = self.config.settle.delay(self.settle_failures, jitter(&*self.ports.ids));
        ctx.run_later(delay, move |actor, ctx| actor.settle(verdict, ctx));
    }

    fn discard(&self) {
        let (ports, lease) = (self.ports.clone(), self.lease);
        // Outlives the actor: a lost lease stops it at once.
        actix_rt::spawn(async move { discard(&ports, lease).await });
    }

    fn beat_later(&mut self, ctx: &mut Context<Self>) {
        ctx.run_later(self.config.heartbeat_every, |actor, ctx| {
            actor.beat(ctx);
            actor.beat_later(ctx);
        });
    }

    fn beat(&mut self, ctx: &mut Context<Self>) {
        if self.beating || !self.state.holds_lease() {
            return;
        }
        if self.state.listens() && self.heard_at.elapsed() >= self.config.stall_after {
            tracing::error!(job.id = %self.job.id, "job stalled");
            return self.step(Event::Fault(Fault::Stalled), ctx);
        }
        self.beating = true;
        let store = self.ports.store.clone();
        let (lease, progress, duration_ms) = (self.lease, self.state.progress(), self.state.duration_ms());
        let lease_until = lease_end(self.ports.clock.now(), self.config.lease);
        let beating = async move { store.heartbeat(lease, lease_until, progress, duration_ms).await };
        ctx.spawn(beating.into_actor(self).map(|answer, actor, ctx| {
            actor.beating = false;
            actor.beaten(answer, ctx);
        }));
    }

    fn beaten(&mut self, answer: Result<(Heartbeat, StatusSeq), StoreError>, ctx: &mut Context<Self>) {
        match answer {
            Ok((Heartbeat::Held, seq)) => {
                let bus = self.ports.bus.clone();
                let account = self.job.account;
                let state = JobState {
                    job: self.job.id,
                    seq: seq.0,
                    status: JobStatus::Processing,
                    progress: percent(self.state.progress()),
                    error_code: None,
                };
                ctx.spawn(async move { announce(&*bus, account, &state).await }.into_actor(self));
            }
            Ok((Heartbeat::CancelRequested, _)) => self.step(Event::CancelRequested, ctx),
            Err(StoreError::LeaseLost | StoreError::NotFound) => {
                tracing::warn!(job.id = %self.job.id, epoch = self.lease.epoch.0, "lease lost, work dropped");
                self.step(Event::LeaseLost, ctx);
            }
            // The next beat tries again; a lease that runs out meanwhile is fenced by its epoch.
            Err(error) => tracing::warn!(job.id = %self.job.id, %error, "heartbeat not written"),
        }
    }

    fn model(&self) -> ModelId {
        self.job.params.model.as_deref().map_or_else(|| self.config.default_model.clone(), ModelId::new)
    }

    fn language(&self) -> String {
        self.job.params.language.clone().unwrap_or_else(|| self.config.default_language.clone())
    }
}

/// Returns what is heard of the channels of a job's file.
pub fn hears(params: &JobParams) -> Hears {
    if params.multichannel == Some(true) { Hears::Each } else { Hears::Mixed }
}

/// Returns when a lease taken now ends.
pub(crate) fn lease_end(now: EpochMs, lease: Duration) -> EpochMs {
    now.plus_ms(i64::try_from(lease.as_millis()).unwrap_or(i64::MAX))
}

impl Actor for JobActor {
    type Context = Context<Self>;

    fn started(&mut self, ctx: &mut Self::Context) {
        ctx.set_mailbox_capacity(MAILBOX);
        self.beat_later(ctx);
        self.open(ctx);
    }
}

impl StreamHandler<Piece> for JobActor {
    fn handle(&mut self, piece: Piece, ctx: &mut Self::Context) {
        self.take(piece, ctx);
    }

    /// The stream's end is told by its last piece; the actor lives on to write and settle.
    fn finished(&mut self, _ctx: &mut Self::Context) {}
}

impl Handler<JobOrder> for JobActor {
    type Result = ();

    fn handle(&mut self, order: JobOrder, ctx: &mut Self::Context) {
        match order {
            JobOrder::Release => self.step(Event::Release, ctx),
            JobOrder::Beat => self.beat(ctx),
        }
    }
}
