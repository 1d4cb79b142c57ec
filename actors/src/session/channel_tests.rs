//! One channel against the scripted engine: what is said, in what order, covering what.

use crate::ports::ear::Heard;
use crate::ports::engine::{EngineError, Outcome, UnitKind};
use crate::segment::{FRAME_SAMPLES, SegmentConfig};
use crate::session::channel::{Caption, Channel, ChannelConfig, Effect, Saying, Settle, Work};
use crate::testkit::{Random, engine, tone};

fn config() -> ChannelConfig {
    ChannelConfig {
        segment: SegmentConfig {
            start_probability: 0.5,
            end_probability: 0.35,
            start_frames: 3,
            pre_roll_frames: 8,
            post_roll_frames: 6,
            pause_frames: 16,
            pause_late_frames: 4,
            late_from_frames: 150,
            max_frames: 310,
            look_back_frames: 20,
        },
        interims: true,
        step_frames: 16,
        late_step_frames: 32,
        late_after_frames: 94,
        endpointing_frames: Some(1),
        utterance_end_frames: None,
        silence_report_frames: 156,
        vad_events: false,
    }
}

/// A channel whose engine answers when told.
struct Bench {
    channel: Channel,
    work: Vec<Work>,
    said: Vec<Saying>,
}

impl Bench {
    fn new(config: ChannelConfig) -> Self {
        Self { channel: Channel::new(config), work: Vec::new(), said: Vec::new() }
    }

    fn take(&mut self, effects: Vec<Effect>) {
        for effect in effects {
            match effect {
                Effect::Recognise(work) => self.work.push(work),
                Effect::DropInterims => self.work.retain(|work| work.kind != UnitKind::Interim),
                Effect::Say(saying) => self.said.push(saying),
            }
        }
    }

    /// Plays audio in pieces of `frames`; the engine is `prompt` or answers only in `answer_all`.
    fn play(&mut self, audio: &[f32], frames: usize, prompt: bool) {
        for piece in audio.chunks(frames * FRAME_SAMPLES) {
            let mut samples = piece.to_vec();
            samples.resize(samples.len().next_multiple_of(FRAME_SAMPLES), 0.0);
            let speech = samples
                .chunks(FRAME_SAMPLES)
                .map(|frame| if frame.iter().any(|sample| sample.abs() > 0.05) { 0.95 } else { 0.02 })
                .collect();
            let mut effects = Vec::new();
            self.channel.hear(&Heard { samples, speech }, 1.0, &mut effects);
            self.take(effects);
            if prompt {
                self.answer_all();
            }
        }
    }

    fn answer(&mut self, work: Work) {
        let mut effects = Vec::new();
        self.channel.on_outcome(work.id, Outcome::Heard(engine::read(&work.audio)), &mut effects);
        self.take(effects);
    }

    fn answer_all(&mut self) {
        while !self.work.is_empty() {
            let work = self.work.remove(0);
            self.answer(work);
        }
    }

    fn settle(&mut self, why: Settle) {
        let mut effects = Vec::new();
        self.channel.settle(why, &mut effects);
        self.take(effects);
    }

    fn captions(&self) -> Vec<&Caption> {
        self.said
            .iter()
            .filter_map(|saying| match saying {
                Saying::Caption(caption) => Some(caption),
                _ => None,
            })
            .collect()
    }

    fn finals(&self) -> Vec<&Caption> {
        self.captions().into_iter().filter(|caption| caption.is_final).collect()
    }

    fn text(&self) -> String {
        let texts: Vec<&str> = self.finals().iter().map(|caption| caption.text.as_str()).collect();
        texts.iter().filter(|text| !text.is_empty()).copied().collect::<Vec<_>>().join(" ")
    }
}

fn second(count: usize) -> Vec<f32> {
    tone::silence(16_000 * count)
}

/// Finals are contiguous from 0, captions stay within what they cover, and no interim speaks of what is settled.
fn check(bench: &Bench, hint: &str) {
    let mut covered_s = 0.0;
    for caption in bench.captions() {
        assert!(caption.end_s >= caption.start_s, "{hint}");
        assert!((caption.start_s - covered_s).abs() < 1e-9, "{hint}: {caption:?} after {covered_s}");
        if caption.is_final {
            covered_s = caption.end_s;
        }
        assert!(!caption.speech_final || caption.is_final, "{hint}");
        let mut last_s = caption.start_s as f32;
        for word in &caption.words {
            assert!(word.start_s >= last_s && word.end_s <= caption.end_s as f32 + 1e-3, "{hint}");
            last_s = word.start_s;
        }
    }
}

#[test]
fn captions_grow_and_settle_once() {
    let mut bench = Bench::new(config());
    let words: Vec<u32> = (0..20).collect();
    bench.play(&[second(1), tone::speak(&words), second(1)].concat(), 1, true);
    check(&bench, "two seconds of speech");
    let interims: Vec<_> = bench.captions().into_iter().filter(|caption| !caption.is_final).collect();
    assert!(interims.len() >= 3, "{} interims", interims.len());
    assert!(interims.windows(2).all(|pair| pair[1].text.starts_with(&pair[0].text[..2])));
    let finals = bench.finals();
    assert_eq!(finals.len(), 1);
    assert_eq!(finals[0].text, tone::caption(&words));
    assert!(finals[0].speech_final);
    assert!((finals[0].words[0].start_s - 1.0).abs() < 0.04, "{}", finals[0].words[0].start_s);
}

#[test]
fn silence_is_settled_by_empty_finals() {
    let mut bench = Bench::new(config());
    bench.play(&second(30), 4, true);
    bench.settle(Settle::End);
    check(&bench, "silence");
    let finals = bench.finals();
    assert!((5..8).contains(&finals.len()), "{}", finals.len());
    assert!(finals.iter().all(|caption| caption.text.is_empty() && !caption.speech_final));
    assert!((finals.last().unwrap().end_s - 30.0).abs() < 0.04);
}

#[test]
fn continuous_speech_is_cut_without_losing_words() {
    let mut bench = Bench::new(config());
    let words: Vec<u32> = (0..40).cycle().take(400).collect();
    bench.play(&[tone::speak(&words), second(1)].concat(), 3, true);
    bench.settle(Settle::End);
    check(&bench, "forty seconds without a pause");
    assert!(bench.finals().len() >= 4);
    let (heard, spoken) = (bench.text(), tone::caption(&words));
    let (heard, spoken): (Vec<_>, Vec<_>) = (heard.split(' ').collect(), spoken.split(' ').collect());
    // The scripted engine hears a word cut in two on both sides or on none: at most one word a cut differs.
    let cuts = bench.finals().len();
    assert!(heard.len().abs_diff(spoken.len()) <= cuts, "{} heard of {}", heard.len(), spoken.len());
}

#[test]
fn finals_keep_their_order_when_the_engine_answers_out_of_order() {
    let mut bench = Bench::new(ChannelConfig { interims: false, ..config() });
    for words in [&[1, 2, 3, 4, 5], &[11, 12, 13, 14, 15], &[21, 22, 23, 24, 25]] {
        bench.play(&[tone::speak(words), second(1)].concat(), 2, false);
    }
    assert_eq!((bench.work.len(), bench.finals().len()), (3, 0));
    for index in [2, 1, 0] {
        let work = bench.work.remove(index);
        bench.answer(work);
    }
    check(&bench, "out of order");
    assert_eq!(bench.text(), tone::caption(&[1, 2, 3, 4, 5, 11, 12, 13, 14, 15, 21, 22, 23, 24, 25]));
}

#[test]
fn an_interim_waits_for_the_finals_before_it() {
    let mut bench = Bench::new(config());
    bench.play(&[tone::speak(&[1, 2, 3, 4, 5]), second(1)].concat(), 1, false);
    let position = bench.work.iter().position(|work| work.kind == UnitKind::Final).unwrap();
    let first_final = bench.work.remove(position);
    bench.play(&tone::speak(&[11, 12, 13, 14, 15, 16, 17, 18]), 1, false);
    bench.answer_all();
    assert!(bench.captions().is_empty(), "{:?}", bench.captions());
    bench.answer(first_final);
    let said: Vec<bool> = bench.captions().iter().map(|caption| caption.is_final).collect();
    assert_eq!(said, [true, false]);
    check(&bench, "held interim");
}

#[test]
fn finalize_answers_with_and_without_speech() {
    let mut bench = Bench::new(config());
    bench.settle(Settle::Finalize);
    assert!(bench.said.is_empty(), "nothing was heard yet");
    bench.play(&second(1), 2, true);
    bench.settle(Settle::Finalize);
    bench.play(&tone::speak(&[1, 2, 3, 4, 5]), 2, true);
    bench.settle(Settle::Finalize);
    bench.answer_all();
    bench.play(&[tone::speak(&[7, 8, 9, 10]), second(1)].concat(), 2, true);
    check(&bench, "finalize");
    let answered: Vec<_> = bench
        .finals()
        .iter()
        .filter(|caption| caption.from_finalize)
        .map(|caption| caption.text.clone())
        .collect();
    assert_eq!(answered, ["".to_owned(), tone::caption(&[1, 2, 3, 4, 5])]);
    assert_eq!(bench.text(), tone::caption(&[1, 2, 3, 4, 5, 7, 8, 9, 10]));
}

#[test]
fn endpointing_only_says_when_the_speaker_paused() {
    let long = ChannelConfig { endpointing_frames: Some(62), ..config() };
    let off = ChannelConfig { endpointing_frames: None, ..config() };
    let speech = [tone::speak(&[1, 2, 3, 4, 5]), second(4)].concat();
    let said = |config| {
        let mut bench = Bench::new(config);
        bench.play(&speech, 2, true);
        check(&bench, "endpointing");
        let flags: Vec<_> =
            bench.finals().iter().map(|caption| (caption.text.is_empty(), caption.speech_final)).collect();
        flags
    };
    assert_eq!(said(config()), [(false, true)]);
    assert_eq!(said(long), [(false, false), (true, true)]);
    assert_eq!(said(off), [(false, false)]);
}

#[test]
fn speech_start_and_utterance_end_are_told_when_asked_for() {
    let config = ChannelConfig { vad_events: true, utterance_end_frames: Some(32), ..config() };
    let mut bench = Bench::new(config);
    bench.play(&[second(1), tone::speak(&[1, 2, 3, 4, 5]), second(3)].concat(), 2, true);
    let events: Vec<_> = bench.said.iter().filter(|saying| !matches!(saying, Saying::Caption(_))).collect();
    let [Saying::SpeechStarted(start_s), Saying::UtteranceEnd(end_s)] = events[..] else {
        panic!("{events:?}")
    };
    assert!((start_s - 1.0).abs() < 0.04 && (end_s - 1.5).abs() < 0.06, "{start_s} {end_s}");
}

#[test]
fn a_final_that_the_engine_could_not_do_holds_nobody_up() {
    let mut bench = Bench::new(ChannelConfig { interims: false, ..config() });
    bench.play(&[tone::speak(&[1, 2, 3, 4]), second(1)].concat(), 2, false);
    let work = bench.work.remove(0);
    let mut effects = Vec::new();
    bench.channel.on_outcome(work.id, Outcome::Failed(EngineError::Stopping), &mut effects);
    bench.take(effects);
    bench.play(&[tone::speak(&[5, 6, 7, 8]), second(1)].concat(), 2, true);
    check(&bench, "failed final");
    assert_eq!(bench.text(), tone::caption(&[5, 6, 7, 8]));
}

#[test]
fn hours_of_talk_leave_nothing_behind() {
    let mut bench = Bench::new(config());
    let words: Vec<u32> = (0..30).collect();
    let turn = [tone::speak(&words), second(2)].concat();
    for _ in 0..50 {
        bench.play(&turn, 8, true);
    }
    assert!(bench.channel.held_samples() < 16_000 * 2, "{} samples held", bench.channel.held_samples());
    assert_eq!(bench.channel.pending_finals(), 0);
}

#[test]
fn any_history_keeps_the_order_of_captions() {
    for seed in 0..60 {
        let mut random = Random::new(seed);
        let mut bench = Bench::new(config());
        let mut spoken = Vec::new();
        for _ in 0..30 {
            match random.below(6) {
                0..3 => {
                    let words: Vec<u32> =
                        (0..3 + random.below(25) as u32).map(|_| random.below(40) as u32).collect();
                    bench.play(&tone::speak(&words), 1 + random.below(9) as usize, random.below(2) == 0);
                    spoken.extend(words);
                }
                3 => {
                    bench.play(&tone::silence(512 * (1 + random.below(60) as usize)), 3, random.below(2) == 0)
                }
                4 if !bench.work.is_empty() => {
                    let index = random.below(bench.work.len() as u64) as usize;
                    let work = bench.work.remove(index);
                    bench.answer(work);
                }
                _ => bench.settle(Settle::Finalize),
            }
        }
        bench.settle(Settle::End);
        bench.answer_all();
        check(&bench, &format!("seed {seed}"));
        assert_eq!(bench.channel.pending_finals(), 0, "seed {seed}");
        assert!(!spoken.is_empty() && !bench.text().is_empty(), "seed {seed}");
    }
}
