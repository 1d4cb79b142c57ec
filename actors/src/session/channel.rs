//! What one audio channel of a live stream says, and when. Pure: heard frames and hypotheses in, effects out; owns no
//! timer, socket or engine. Positions are frames of 32 ms from the start of the stream.
//!
//! Finals of a channel are contiguous from 0 and never overlap; an interim is only said once every final before it is.

use crate::ports::ear::Heard;
use crate::ports::engine::{HeardWord, Hypothesis, Outcome, TokenId, UnitKind};
use crate::segment::{FRAME_MS, FRAME_SAMPLES, SegmentConfig, SegmentEvent, Segmenter};
use std::collections::VecDeque;
use std::ops::Range;
use std::sync::Arc;

/// How a channel cuts and reports. Lengths in frames of 32 ms.
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct ChannelConfig {
    /// Where utterances begin and end.
    pub segment: SegmentConfig,
    /// Say growing captions.
    pub interims: bool,
    /// New audio between two growing captions of a young utterance.
    pub step_frames: u64,
    /// The same once it is older than `late_after_frames`.
    pub late_step_frames: u64,
    /// Age at which the step changes.
    pub late_after_frames: u64,
    /// Silence after which `speech_final` is said; `None`: never.
    pub endpointing_frames: Option<u64>,
    /// Silence after the last word that ends the utterance for `UtteranceEnd`.
    pub utterance_end_frames: Option<u64>,
    /// Silence that is settled by an empty final.
    pub silence_report_frames: u64,
    /// Say when speech starts.
    pub vad_events: bool,
}

/// Names a unit of work of this channel.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct WorkId(pub u64);

/// A unit of work to submit.
#[derive(Clone, Debug)]
pub struct Work {
    /// To be given back with its outcome.
    pub id: WorkId,
    /// Interim or final.
    pub kind: UnitKind,
    /// The audio.
    pub audio: Arc<[f32]>,
    /// The best hypothesis so far.
    pub draft: Vec<TokenId>,
}

/// A caption of this channel; times in seconds from the start of the stream.
#[derive(Clone, PartialEq, Debug)]
pub struct Caption {
    /// Start of what it covers.
    pub start_s: f64,
    /// End of what it covers.
    pub end_s: f64,
    /// Settled.
    pub is_final: bool,
    /// The speaker paused, or was told to.
    pub speech_final: bool,
    /// Answers a `Finalize`.
    pub from_finalize: bool,
    /// The text; empty for silence.
    pub text: String,
    /// 0..1.
    pub confidence: f32,
    /// Its words, with times in the stream.
    pub words: Vec<HeardWord>,
}

/// What the channel wants said.
#[derive(Clone, PartialEq, Debug)]
pub enum Saying {
    /// A caption.
    Caption(Caption),
    /// Speech began (seconds).
    SpeechStarted(f64),
    /// No word since this end of the last one (seconds).
    UtteranceEnd(f64),
}

/// What the channel wants done, in order.
#[derive(Clone, Debug)]
pub enum Effect {
    /// Submit this work.
    Recognise(Work),
    /// Interims submitted so far are of no use any more.
    DropInterims,
    /// Send this.
    Say(Saying),
}

/// Why everything heard so far is to be settled.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Settle {
    /// The client asked (`Finalize`); the stream goes on.
    Finalize,
    /// The audio is over.
    End,
}

#[derive(Debug)]
struct PendingFinal {
    /// `None`: silence, nothing to recognise.
    work: Option<WorkId>,
    covers: Range<u64>,
    audio_from: u64,
    speech_final: bool,
    from_finalize: bool,
    heard: Option<Hypothesis>,
    /// What stands if the engine fails: the last growing caption, which the client has seen.
    fallback: Hypothesis,
}

#[derive(Debug)]
struct Young {
    audio_from: u64,
    onset: u64,
    last_interim: u64,
    /// The best hypothesis so far.
    best: Hypothesis,
    /// Interims asked for and where their audio ends.
    asked: VecDeque<(WorkId, u64)>,
}

/// One channel.
#[derive(Debug)]
pub struct Channel {
    config: ChannelConfig,
    segmenter: Segmenter,
    samples: Vec<f32>,
    samples_from: u64,
    covered: u64,
    utterance: Option<Young>,
    finals: VecDeque<PendingFinal>,
    held_interim: Option<Caption>,
    /// Speech ended here without `speech_final` yet.
    awaits_endpoint: Option<u64>,
    /// End of the last word said, until `UtteranceEnd` is.
    last_word_end_s: Option<f64>,
    next_work: u64,
}

fn seconds(frames: u64) -> f64 {
    (frames * u64::from(FRAME_MS)) as f64 / 1000.0
}

impl Channel {
    /// Starts in silence at frame 0.
    pub fn new(config: ChannelConfig) -> Self {
        Self {
            config,
            segmenter: Segmenter::new(config.segment),
            samples: Vec::new(),
            samples_from: 0,
            covered: 0,
            utterance: None,
            finals: VecDeque::new(),
            held_interim: None,
            awaits_endpoint: None,
            last_word_end_s: None,
            next_work: 0,
        }
    }

    /// Returns how many finals wait for the engine; the session stops reading when it is too many.
    pub fn pending_finals(&self) -> usize {
        self.finals.len()
    }

    /// Returns how many samples are kept for utterances to come or under way.
    pub fn held_samples(&self) -> usize {
        self.samples.len()
    }

    /// Takes what was heard next. `stretch` (≥ 1) lengthens the step between interims.
    pub fn hear(&mut self, heard: &Heard, stretch: f32, effects: &mut Vec<Effect>) {
        self.samples.extend_from_slice(&heard.samples);
        for &probability in &heard.speech {
            if let Some(event) = self.segmenter.push(probability) {
                self.on_segment(event, effects);
            }
            self.watch_silence(effects);
        }
        self.trim();
        self.maybe_interim(stretch, effects);
    }

    /// Settles everything heard so far.
    pub fn settle(&mut self, why: Settle, effects: &mut Vec<Effect>) {
        let now = self.segmenter.now();
        let from_finalize = why == Settle::Finalize;
        match self.segmenter.finish() {
            Some(SegmentEvent::Ended { audio, cut, .. }) => {
                self.end_utterance(audio, cut, true, from_finalize, effects);
            }
            _ if from_finalize && now > 0 => self.cover_silence(now, true, true, effects),
            _ if now > self.covered => {
                self.cover_silence(now, self.awaits_endpoint.is_some(), false, effects);
            }
            _ => {}
        }
        self.awaits_endpoint = None;
        self.trim();
    }

    /// Takes the outcome of a submitted unit.
    pub fn on_outcome(&mut self, id: WorkId, outcome: Outcome, effects: &mut Vec<Effect>) {
        if let Some(pending) = self.finals.iter_mut().find(|pending| pending.work == Some(id)) {
            pending.heard = Some(match outcome {
                Outcome::Heard(hypothesis) => hypothesis,
                Outcome::Superseded | Outcome::Failed(_) => std::mem::take(&mut pending.fallback),
            });
            self.say_finals(effects);
            return;
        }
        let Outcome::Heard(hypothesis) = outcome else { return };
        let covered = self.covered;
        let Some(young) = self.utterance.as_mut() else { return };
        let Some(&(_, end)) = young.asked.iter().find(|(asked, _)| *asked == id) else { return };
        young.asked.retain(|(asked, _)| asked.0 > id.0);
        let caption = Caption {
            start_s: seconds(covered),
            end_s: seconds(end),
            is_final: false,
            speech_final: false,
            from_finalize: false,
            words: placed(&hypothesis.words, young.audio_from, covered..end),
            text: hypothesis.text.clone(),
            confidence: hypothesis.confidence,
        };
        young.best = hypothesis;
        if caption.text.is_empty() {
            return;
        }
        if self.finals.is_empty() {
            effects.push(Effect::Say(Saying::Caption(caption)));
        } else {
            self.held_interim = Some(caption);
        }
    }

    fn on_segment(&mut self, event: SegmentEvent, effects: &mut Vec<Effect>) {
        match event {
            SegmentEvent::Started { audio_from, onset } => {
                self.begin_utterance(audio_from, onset);
                self.awaits_endpoint = None;
                if self.config.vad_events {
                    effects.push(Effect::Say(Saying::SpeechStarted(seconds(onset))));
                }
            }
            SegmentEvent::Ended { audio, cut, silence_frames, forced } => {
                let speech_final =
                    !forced && self.config.endpointing_frames.is_some_and(|needed| silence_frames >= needed);
                if !forced && !speech_final && self.config.endpointing_frames.is_some() {
                    self.awaits_endpoint = Some(cut - silence_frames);
                }
                self.end_utterance(audio, cut, speech_final, false, effects);
                if forced {
                    self.begin_utterance(cut, cut);
                }
            }
        }
    }

    fn begin_utterance(&mut self, audio_from: u64, onset: u64) {
        self.utterance = Some(Young {
            audio_from,
            onset,
            last_interim: onset,
            best: Hypothesis::default(),
            asked: VecDeque::new(),
        });
    }

    fn end_utterance(
        &mut self,
        audio: Range<u64>,
        cut: u64,
        speech_final: bool,
        from_finalize: bool,
        effects: &mut Vec<Effect>,
    ) {
        let fallback = self.utterance.take().map(|young| young.best).unwrap_or_default();
        self.held_interim = None;
        let work = self.new_work(UnitKind::Final, audio.clone(), fallback.tokens.clone());
        self.finals.push_back(PendingFinal {
            work: Some(work.id),
            covers: self.covered..cut,
            audio_from: audio.start,
            speech_final,
            from_finalize,
            heard: None,
            fallback,
        });
        self.covered = cut;
        effects.push(Effect::DropInterims);
        effects.push(Effect::Recognise(work));
    }

    fn watch_silence(&mut self, effects: &mut Vec<Effect>) {
        if self.utterance.is_some() {
            return;
        }
        let now = self.segmenter.now();
        let quiet_to = self.segmenter.keep_from().max(self.covered);
        if let (Some(speech_end), Some(needed)) = (self.awaits_endpoint, self.config.endpointing_frames)
            && now - speech_end >= needed
        {
            self.awaits_endpoint = None;
            self.cover_silence(quiet_to, true, false, effects);
        } else if quiet_to - self.covered >= self.config.silence_report_frames {
            self.cover_silence(quiet_to, false, false, effects);
        }
        self.maybe_utterance_end(effects);
    }

    /// Says that the utterance is over, once its last word is settled and the silence after it is long enough, whichever
    /// comes later.
    fn maybe_utterance_end(&mut self, effects: &mut Vec<Effect>) {
        if let (Some(end_s), Some(needed)) = (self.last_word_end_s, self.config.utterance_end_frames)
            && self.finals.is_empty()
            && self.utterance.is_none()
            && seconds(self.segmenter.now()) - end_s >= seconds(needed)
        {
            self.last_word_end_s = None;
            effects.push(Effect::Say(Saying::UtteranceEnd(end_s)));
        }
    }

    fn cover_silence(&mut self, to: u64, speech_final: bool, from_finalize: bool, effects: &mut Vec<Effect>) {
        self.finals.push_back(PendingFinal {
            work: None,
            covers: self.covered..to,
            audio_from: self.covered,
            speech_final,
            from_finalize,
            heard: Some(Hypothesis::default()),
            fallback: Hypothesis::default(),
        });
        self.covered = to;
        self.say_finals(effects);
    }

    fn say_finals(&mut self, effects: &mut Vec<Effect>) {
        while let Some(PendingFinal { heard: Some(_), .. }) = self.finals.front() {
            let Some(PendingFinal {
                covers,
                audio_from,
                speech_final,
                from_finalize,
                heard: Some(heard),
                ..
            }) = self.finals.pop_front()
            else {
                return;
            };
            let words = placed(&heard.words, audio_from, covers.clone());
            if let Some(last) = words.last() {
                self.last_word_end_s = Some(f64::from(last.end_s));
            }
            effects.push(Effect::Say(Saying::Caption(Caption {
                start_s: seconds(covers.start),
                end_s: seconds(covers.end),
                is_final: true,
                speech_final,
                from_finalize,
                text: heard.text,
                confidence: heard.confidence,
                words,
            })));
        }
        if self.finals.is_empty()
            && let Some(held) = self.held_interim.take()
        {
            effects.push(Effect::Say(Saying::Caption(held)));
        }
        self.maybe_utterance_end(effects);
    }

    fn maybe_interim(&mut self, stretch: f32, effects: &mut Vec<Effect>) {
        /// A pause under way brings no new words; the final is about to come.
        const PAUSE_UNDER_WAY_FRAMES: u64 = 6;
        if !self.config.interims || self.segmenter.silence_frames() >= PAUSE_UNDER_WAY_FRAMES {
            return;
        }
        let now = self.segmenter.now();
        let Some(young) = &mut self.utterance else { return };
        let step = if now - young.onset < self.config.late_after_frames {
            self.config.step_frames
        } else {
            self.config.late_step_frames
        };
        if ((now - young.last_interim) as f32) < step as f32 * stretch.max(1.0) {
            return;
        }
        young.last_interim = now;
        let (audio, draft) = (young.audio_from..now, young.best.tokens.clone());
        let work = self.new_work(UnitKind::Interim, audio, draft);
        if let Some(young) = &mut self.utterance {
            young.asked.push_back((work.id, now));
        }
        effects.push(Effect::Recognise(work));
    }

    fn new_work(&mut self, kind: UnitKind, audio: Range<u64>, draft: Vec<TokenId>) -> Work {
        let id = WorkId(self.next_work);
        self.next_work += 1;
        let index = |frame: u64| {
            (frame.saturating_sub(self.samples_from) as usize * FRAME_SAMPLES).min(self.samples.len())
        };
        Work { id, kind, audio: self.samples[index(audio.start)..index(audio.end)].into(), draft }
    }

    fn trim(&mut self) {
        let keep_from = self.segmenter.keep_from();
        let gone =
            (keep_from.saturating_sub(self.samples_from) as usize * FRAME_SAMPLES).min(self.samples.len());
        self.samples.drain(..gone);
        self.samples_from += (gone / FRAME_SAMPLES) as u64;
    }
}

/// Moves words from their unit's time into the stream's, held within what their caption covers.
fn placed(words: &[HeardWord], audio_from: u64, covers: Range<u64>) -> Vec<HeardWord> {
    let offset_s = seconds(audio_from);
    let (from_s, to_s) = (seconds(covers.start), seconds(covers.end));
    let within = |time_s: f32| (f64::from(time_s) + offset_s).clamp(from_s, to_s) as f32;
    words
        .iter()
        .map(|word| HeardWord { start_s: within(word.start_s), end_s: within(word.end_s), ..word.clone() })
        .collect()
}
