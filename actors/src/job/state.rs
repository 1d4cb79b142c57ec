//! What a running job may do next. Pure: events in, effects out; the actor carries them out.

use crate::job::pieces::Piece;
use crate::job::retry::{Fault, Verdict, after_fault};
use crate::ports::store::{EpochMs, Permille};
use crate::supervise::{Backoff, Exit};
use crate::transcript::Document;
use sottovoce_protocol::error_code::ErrorCode;
use sottovoce_protocol::transcript::Segment;

/// What happened.
#[derive(Debug)]
pub(crate) enum Event {
    /// The audio moved on.
    Piece(Piece),
    /// The input is a text, which is read.
    TextRead,
    /// A port failed, or nothing moves.
    Fault(Fault),
    /// The owner cancelled.
    CancelRequested,
    /// The lease is another's: drop all work.
    LeaseLost,
    /// This node stops.
    Release,
    /// The artifacts are written.
    Written,
    /// The index took the verdict.
    Settled,
    /// The index did not take the verdict, for good: the lease is another's, or the tries are spent.
    NotSettled,
}

/// What is to be done.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Effect {
    /// Translate what was heard or read.
    Translate,
    /// Write the artifacts.
    Write,
    /// Tell the index how the claim ends.
    Settle(Verdict),
    /// Give what this claim wrote to the garbage, unless a row names it.
    Discard,
    /// End the actor.
    Stop(Exit),
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Phase {
    Listening,
    Translating,
    Writing,
    Settling(Verdict),
    Ended,
}

/// Attempts and delays of the job.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Attempts {
    pub attempt: u32,
    pub max_attempts: u32,
    pub backoff: Backoff,
}

/// One claim of one job.
#[derive(Debug)]
pub(crate) struct State {
    phase: Phase,
    attempts: Attempts,
    /// Whether a translation follows the hearing.
    translates: bool,
    segments: Vec<Segment>,
    translated: Option<Box<Document>>,
    announced_ms: Option<u64>,
    duration_ms: Option<u64>,
    progress: Permille,
}

/// Progress before the end is written; a promise that is not kept is worse than a pause.
const MOST_BEFORE_END: u16 = 990;
/// The same of the hearing that a translation follows, which is quicker.
const MOST_BEFORE_TRANSLATION: u16 = 800;

impl State {
    /// Starts with the progress of earlier attempts, which is never taken back.
    pub fn new(attempts: Attempts, progress: Permille, translates: bool) -> Self {
        Self {
            phase: Phase::Listening,
            attempts,
            translates,
            segments: Vec::new(),
            translated: None,
            announced_ms: None,
            duration_ms: None,
            progress,
        }
    }

    pub fn progress(&self) -> Permille {
        self.progress
    }

    pub fn duration_ms(&self) -> Option<u64> {
        self.duration_ms
    }

    /// Returns whether pieces are still awaited, so that their absence means a fault.
    pub fn listens(&self) -> bool {
        matches!(self.phase, Phase::Listening | Phase::Translating)
    }

    /// Returns whether a heartbeat still makes sense.
    pub fn holds_lease(&self) -> bool {
        matches!(self.phase, Phase::Listening | Phase::Translating | Phase::Writing)
    }

    /// Gives the segments away, for the document.
    pub fn take_segments(&mut self) -> Vec<Segment> {
        std::mem::take(&mut self.segments)
    }

    /// Gives the translated document away, if there is one.
    pub fn take_translated(&mut self) -> Option<Box<Document>> {
        self.translated.take()
    }

    /// Takes an event; `jitter` is a random number in 0..1 for the delay of another attempt.
    pub fn step(&mut self, event: Event, now: EpochMs, jitter: f64) -> Vec<Effect> {
        match (self.phase, event) {
            (Phase::Ended, _) => Vec::new(),
            (Phase::Settling(verdict), Event::Settled) => {
                let exit = if verdict == Verdict::Release { Exit::Drained } else { Exit::Done };
                self.end(&[], exit)
            }
            (Phase::Settling(_), Event::NotSettled) => self.end(&[Effect::Discard], Exit::Failed),
            // A heartbeat that crossed a settled end reads as a lost lease; the settling itself will say how it went.
            (Phase::Settling(_), _) => Vec::new(),
            (_, Event::LeaseLost) => self.end(&[Effect::Discard], Exit::Failed),
            (_, Event::CancelRequested) => self.settle(Verdict::Fail(ErrorCode::Canceled)),
            (_, Event::Fault(fault)) => self.fault(fault, now, jitter),
            (Phase::Listening | Phase::Translating, Event::Release) => self.settle(Verdict::Release),
            (Phase::Listening | Phase::Translating, Event::Piece(piece)) => self.piece(piece, now, jitter),
            (Phase::Listening, Event::TextRead) => {
                self.phase = Phase::Translating;
                vec![Effect::Translate]
            }
            (Phase::Writing, Event::Written) => {
                self.phase = Phase::Settling(Verdict::Finish);
                vec![Effect::Settle(Verdict::Finish)]
            }
            // Writing takes a moment; a job so near its end is not given back.
            (Phase::Writing, Event::Release | Event::Piece(_)) => Vec::new(),
            (_, Event::TextRead | Event::Written | Event::Settled | Event::NotSettled) => Vec::new(),
        }
    }

    fn piece(&mut self, piece: Piece, now: EpochMs, jitter: f64) -> Vec<Effect> {
        match piece {
            Piece::Opened { announced_ms } => {
                self.announced_ms = announced_ms;
                Vec::new()
            }
            Piece::Heard { segment, to_ms } => {
                self.segments.extend(segment);
                self.advance(to_ms);
                Vec::new()
            }
            Piece::Ended { duration_ms } => {
                self.duration_ms = Some(duration_ms);
                if self.translates {
                    self.progress = self.progress.max(Permille(MOST_BEFORE_TRANSLATION));
                    self.phase = Phase::Translating;
                    return vec![Effect::Translate];
                }
                self.write()
            }
            Piece::Translating { done } => {
                // A text is not heard before.
                let from = if self.duration_ms.is_some() { MOST_BEFORE_TRANSLATION } else { 0 };
                let share = u32::from(MOST_BEFORE_END - from) * u32::from(done.0.min(1000)) / 1000;
                self.progress = self.progress.max(Permille(from + share as u16));
                Vec::new()
            }
            Piece::Translated { document } => {
                self.translated = Some(document);
                self.write()
            }
            Piece::Refused { code, .. } => self.settle(Verdict::Fail(code)),
            Piece::Failed { fault, .. } => self.fault(fault, now, jitter),
        }
    }

    fn write(&mut self) -> Vec<Effect> {
        self.progress = self.progress.max(Permille(MOST_BEFORE_END));
        self.phase = Phase::Writing;
        vec![Effect::Write]
    }

    fn advance(&mut self, to_ms: u64) {
        // The announced length is the file's claim, so it only ever moves the bar, never the result.
        let Some(announced_ms) = self.announced_ms.filter(|length_ms| *length_ms > 0) else { return };
        let (share, most) = if self.translates {
            (u64::from(MOST_BEFORE_TRANSLATION), MOST_BEFORE_TRANSLATION)
        } else {
            (1000, MOST_BEFORE_END)
        };
        let permille = to_ms.saturating_mul(share) / announced_ms;
        let permille = u16::try_from(permille).unwrap_or(u16::MAX).min(most);
        self.progress = self.progress.max(Permille(permille));
    }

    fn fault(&mut self, fault: Fault, now: EpochMs, jitter: f64) -> Vec<Effect> {
        let Attempts { attempt, max_attempts, backoff } = self.attempts;
        self.settle(after_fault(fault, attempt, max_attempts, backoff, jitter, now))
    }

    fn settle(&mut self, verdict: Verdict) -> Vec<Effect> {
        let wrote = self.phase == Phase::Writing;
        self.phase = Phase::Settling(verdict);
        let discard = wrote.then_some(Effect::Discard);
        discard.into_iter().chain([Effect::Settle(verdict)]).collect()
    }

    fn end(&mut self, before: &[Effect], exit: Exit) -> Vec<Effect> {
        self.phase = Phase::Ended;
        before.iter().copied().chain([Effect::Stop(exit)]).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    fn state(attempt: u32) -> State {
        let backoff = Backoff { first: Duration::from_secs(10), most: Duration::from_secs(60) };
        State::new(Attempts { attempt, max_attempts: 3, backoff }, Permille(0), false)
    }

    fn translating_state(attempt: u32) -> State {
        State::new(state(attempt).attempts, Permille(0), true)
    }

    fn translated() -> Event {
        let document = Document {
            job: sottovoce_protocol::ids::JobId::from_uuid(uuid::Uuid::from_u128(7)),
            language: "en".into(),
            engine: "embedded".into(),
            model: "moonshine".into(),
            duration_ms: 0,
            segments: Vec::new(),
            layout: crate::transcript::Layout::Speech,
            translation: None,
        };
        Event::Piece(Piece::Translated { document: Box::new(document) })
    }

    fn step(state: &mut State, event: Event) -> Vec<Effect> {
        state.step(event, EpochMs(0), 0.5)
    }

    fn heard(to_ms: u64) -> Event {
        Event::Piece(Piece::Heard { segment: None, to_ms })
    }

    fn ended() -> Event {
        Event::Piece(Piece::Ended { duration_ms: 9_000 })
    }

    fn media_corrupt() -> Event {
        Event::Piece(Piece::Refused { code: ErrorCode::MediaCorrupt, detail: String::new() })
    }

    #[test]
    fn a_job_listens_writes_settles_and_stops() {
        let mut state = state(1);
        assert_eq!(step(&mut state, Event::Piece(Piece::Opened { announced_ms: Some(10_000) })), []);
        assert_eq!(step(&mut state, heard(5_000)), []);
        assert_eq!(state.progress(), Permille(500));
        assert_eq!(step(&mut state, heard(50_000)), []);
        assert_eq!(state.progress(), Permille(990));
        assert_eq!(step(&mut state, ended()), [Effect::Write]);
        assert_eq!(state.duration_ms(), Some(9_000));
        assert_eq!(step(&mut state, Event::Written), [Effect::Settle(Verdict::Finish)]);
        assert_eq!(step(&mut state, Event::Settled), [Effect::Stop(Exit::Done)]);
        assert!(!state.holds_lease());
    }

    #[test]
    fn speech_is_heard_then_translated_and_a_text_translated_at_once() {
        let mut state = translating_state(1);
        step(&mut state, Event::Piece(Piece::Opened { announced_ms: Some(10_000) }));
        assert_eq!(step(&mut state, heard(5_000)), []);
        assert_eq!(state.progress(), Permille(400));
        assert_eq!(step(&mut state, ended()), [Effect::Translate]);
        assert_eq!((state.progress(), state.listens(), state.holds_lease()), (Permille(800), true, true));
        assert_eq!(step(&mut state, Event::Piece(Piece::Translating { done: Permille(500) })), []);
        assert_eq!(state.progress(), Permille(895));
        assert_eq!(step(&mut state, translated()), [Effect::Write]);
        assert!(state.take_translated().is_some());

        let mut text = translating_state(1);
        assert_eq!(step(&mut text, Event::TextRead), [Effect::Translate]);
        step(&mut text, Event::Piece(Piece::Translating { done: Permille(500) }));
        assert_eq!(text.progress(), Permille(495));
        assert_eq!(step(&mut text, Event::Release), [Effect::Settle(Verdict::Release)]);
    }

    #[test]
    fn progress_never_goes_back_over_attempts() {
        let attempts = state(2).attempts;
        let mut state = State::new(attempts, Permille(700), false);
        step(&mut state, Event::Piece(Piece::Opened { announced_ms: Some(10_000) }));
        step(&mut state, heard(1_000));
        assert_eq!(state.progress(), Permille(700));
    }

    #[test]
    fn a_bad_file_fails_at_once_and_an_engine_fault_is_retried() {
        assert_eq!(
            step(&mut state(1), media_corrupt()),
            [Effect::Settle(Verdict::Fail(ErrorCode::MediaCorrupt))]
        );
        assert_eq!(
            step(&mut state(1), Event::Fault(Fault::Engine)),
            [Effect::Settle(Verdict::Retry(EpochMs(10_000)))]
        );
        assert_eq!(
            step(&mut state(3), Event::Fault(Fault::Engine)),
            [Effect::Settle(Verdict::Fail(ErrorCode::Internal))]
        );
    }

    #[test]
    fn a_cancel_while_writing_discards_what_was_written() {
        let mut state = state(1);
        step(&mut state, ended());
        assert_eq!(
            step(&mut state, Event::CancelRequested),
            [Effect::Discard, Effect::Settle(Verdict::Fail(ErrorCode::Canceled))]
        );
        assert_eq!(step(&mut state, Event::Written), []);
        assert_eq!(step(&mut state, Event::Settled), [Effect::Stop(Exit::Done)]);
    }

    #[test]
    fn a_lost_lease_ends_the_work() {
        for before in [vec![], vec![ended()]] {
            let mut state = state(1);
            for event in before {
                step(&mut state, event);
            }
            assert_eq!(step(&mut state, Event::LeaseLost), [Effect::Discard, Effect::Stop(Exit::Failed)]);
            assert_eq!(step(&mut state, ended()), []);
        }
    }

    #[test]
    fn a_heartbeat_that_crosses_the_end_changes_nothing() {
        let mut state = state(1);
        step(&mut state, ended());
        step(&mut state, Event::Written);
        assert_eq!(step(&mut state, Event::LeaseLost), []);
        assert_eq!(step(&mut state, Event::NotSettled), [Effect::Discard, Effect::Stop(Exit::Failed)]);
    }

    #[test]
    fn a_stop_releases_a_listening_job_and_lets_a_writing_one_end() {
        let mut listening = state(3);
        assert_eq!(step(&mut listening, Event::Release), [Effect::Settle(Verdict::Release)]);
        assert_eq!(step(&mut listening, Event::Settled), [Effect::Stop(Exit::Drained)]);
        let mut writing = state(3);
        step(&mut writing, ended());
        assert_eq!(step(&mut writing, Event::Release), []);
    }

    /// Any order of events settles a claim at most once and stops it at most once, after which nothing happens.
    #[test]
    fn any_order_of_events_ends_once() {
        let seed = 42_u64;
        println!("seed {seed}");
        let mut random = seed;
        for _ in 0..5_000 {
            let attempt = 1 + (random % 3) as u32;
            let mut state =
                if random.is_multiple_of(2) { state(attempt) } else { translating_state(attempt) };
            let (mut settled, mut stopped, mut last) = (0, 0, Permille(0));
            for _ in 0..30 {
                random =
                    random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
                let event = match (random >> 33) % 14 {
                    0 => heard(1_000),
                    1 => ended(),
                    2 => media_corrupt(),
                    3 => Event::Fault(Fault::Storage),
                    4 => Event::CancelRequested,
                    5 => Event::LeaseLost,
                    6 => Event::Release,
                    7 => Event::Written,
                    8 => Event::Settled,
                    9 => Event::NotSettled,
                    10 => Event::TextRead,
                    11 => translated(),
                    12 => Event::Piece(Piece::Translating { done: Permille(700) }),
                    _ => Event::Piece(Piece::Opened { announced_ms: Some(3_000) }),
                };
                for effect in step(&mut state, event) {
                    assert_eq!(stopped, 0, "nothing follows the stop");
                    match effect {
                        Effect::Settle(_) => settled += 1,
                        Effect::Stop(_) => stopped += 1,
                        Effect::Translate | Effect::Write | Effect::Discard => {}
                    }
                }
                assert!(state.progress() >= last && settled <= 1);
                last = state.progress();
            }
        }
    }
}
