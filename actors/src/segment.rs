//! Cuts audio into utterances by voice activity. Pure: probabilities in, cuts out; knows no engine, socket or clock.
//!
//! An utterance ends at a pause. The longer it has grown, the shorter a pause ends it, so that a cut falls between words
//! long before the hard limit; at the limit the quietest recent frame is cut.

use std::collections::VecDeque;
use std::ops::Range;

/// Samples of one voice-activity frame: 32 ms at 16 kHz (Silero's window).
pub const FRAME_SAMPLES: usize = 512;

/// Length of one frame in milliseconds.
pub const FRAME_MS: u32 = 32;

/// When utterances begin and end. Lengths are in frames of 32 ms.
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct SegmentConfig {
    /// Probability from which a frame counts as the onset of speech.
    pub start_probability: f32,
    /// Probability below which a frame of an utterance counts as silence.
    pub end_probability: f32,
    /// Onset frames in a row that begin an utterance.
    pub start_frames: u32,
    /// Frames kept before the onset.
    pub pre_roll_frames: u32,
    /// Frames of silence kept after the last speech.
    pub post_roll_frames: u32,
    /// Silence that ends a young utterance.
    pub pause_frames: u32,
    /// Silence that ends an utterance just short of the limit.
    pub pause_late_frames: u32,
    /// Age from which the needed silence shrinks.
    pub late_from_frames: u32,
    /// Hard limit of an utterance.
    pub max_frames: u32,
    /// How far back a cut at the limit looks for the quietest frame.
    pub look_back_frames: u32,
}

impl SegmentConfig {
    /// Returns whole frames that cover `ms`.
    pub const fn frames(ms: u32) -> u32 {
        ms.div_ceil(FRAME_MS)
    }

    fn needed_pause(&self, age_frames: u64) -> u64 {
        let (young, late) = (u64::from(self.pause_frames), u64::from(self.pause_late_frames));
        let (from, to) = (u64::from(self.late_from_frames), u64::from(self.max_frames));
        if age_frames <= from || young <= late || to <= from {
            return young;
        }
        let grown = (age_frames - from).min(to - from);
        young - (young - late) * grown / (to - from)
    }
}

/// What a frame brought about. Frame numbers count from the start of the audio.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum SegmentEvent {
    /// Speech began; the utterance's audio begins at this frame (pre-roll included).
    Started {
        /// First frame of the utterance's audio.
        audio_from: u64,
        /// First frame of speech.
        onset: u64,
    },
    /// The utterance is over.
    Ended {
        /// The audio to recognise.
        audio: Range<u64>,
        /// Everything before this frame is settled; it lies at or after `audio.end`.
        cut: u64,
        /// Silent frames at the end, up to the cut.
        silence_frames: u64,
        /// The limit forced the cut: speech goes on, and the next utterance has begun at `cut`.
        forced: bool,
    },
}

#[derive(Clone, Copy, Debug)]
struct Utterance {
    audio_from: u64,
    /// The frame after the last one that was speech.
    speech_end: u64,
}

/// The state of one channel's voice.
#[derive(Clone, Debug)]
pub struct Segmenter {
    config: SegmentConfig,
    /// Frames seen so far.
    now: u64,
    onset_run: u32,
    utterance: Option<Utterance>,
    /// The next utterance's audio may not begin before this frame.
    floor: u64,
    /// Probabilities of the last `look_back_frames`, newest last.
    recent: VecDeque<f32>,
}

impl Segmenter {
    /// Starts in silence.
    pub fn new(config: SegmentConfig) -> Self {
        let recent = VecDeque::with_capacity(config.look_back_frames as usize + 1);
        Self { config, now: 0, onset_run: 0, utterance: None, floor: 0, recent }
    }

    /// Returns how many frames were pushed.
    pub fn now(&self) -> u64 {
        self.now
    }

    /// Returns where the audio of the running utterance begins, if one runs.
    pub fn utterance_from(&self) -> Option<u64> {
        self.utterance.map(|utterance| utterance.audio_from)
    }

    /// Returns how many frames of the running utterance, or of the silence, lie after the last speech.
    pub fn silence_frames(&self) -> u64 {
        self.utterance.map_or(0, |utterance| self.now - utterance.speech_end)
    }

    /// Returns the first frame that a later utterance may still need.
    pub fn keep_from(&self) -> u64 {
        match self.utterance {
            Some(utterance) => utterance.audio_from,
            None => self
                .now
                .saturating_sub(u64::from(self.config.pre_roll_frames + self.config.start_frames))
                .max(self.floor),
        }
    }

    /// Takes the speech probability of the next frame.
    pub fn push(&mut self, probability: f32) -> Option<SegmentEvent> {
        self.now += 1;
        self.recent.push_back(probability);
        if self.recent.len() > self.config.look_back_frames.max(1) as usize {
            self.recent.pop_front();
        }
        match self.utterance {
            None => self.listen_for_onset(probability),
            Some(utterance) => self.follow(utterance, probability),
        }
    }

    /// Ends the running utterance now, as a client's `Finalize` or the end of the audio asks.
    pub fn finish(&mut self) -> Option<SegmentEvent> {
        let utterance = self.utterance.take()?;
        Some(self.end_at_pause(utterance))
    }

    fn listen_for_onset(&mut self, probability: f32) -> Option<SegmentEvent> {
        if probability < self.config.start_probability {
            self.onset_run = 0;
            return None;
        }
        self.onset_run += 1;
        if self.onset_run < self.config.start_frames {
            return None;
        }
        let onset = self.now - u64::from(self.onset_run);
        self.onset_run = 0;
        let audio_from = onset.saturating_sub(u64::from(self.config.pre_roll_frames)).max(self.floor);
        self.utterance = Some(Utterance { audio_from, speech_end: self.now });
        Some(SegmentEvent::Started { audio_from, onset })
    }

    fn follow(&mut self, mut utterance: Utterance, probability: f32) -> Option<SegmentEvent> {
        if probability >= self.config.end_probability {
            utterance.speech_end = self.now;
        }
        self.utterance = Some(utterance);
        let age = self.now - utterance.audio_from;
        let silence = self.now - utterance.speech_end;
        if silence >= self.config.needed_pause(age) {
            self.utterance = None;
            return Some(self.end_at_pause(utterance));
        }
        (age >= u64::from(self.config.max_frames)).then(|| self.end_at_limit(utterance))
    }

    fn end_at_pause(&mut self, utterance: Utterance) -> SegmentEvent {
        let silence_frames = self.now - utterance.speech_end;
        let audio_end = self.now.min(utterance.speech_end + u64::from(self.config.post_roll_frames));
        // Half of the pause belongs to the next utterance's pre-roll, so that no onset is clipped at a short pause.
        self.floor = utterance.speech_end + silence_frames / 2;
        self.onset_run = 0;
        SegmentEvent::Ended {
            audio: utterance.audio_from..audio_end,
            cut: self.now,
            silence_frames,
            forced: false,
        }
    }

    fn end_at_limit(&mut self, utterance: Utterance) -> SegmentEvent {
        let first = self.now - self.recent.len() as u64;
        let mut cut = self.now;
        let mut lowest = f32::INFINITY;
        for (index, &probability) in self.recent.iter().enumerate() {
            // The newest of equals wins: the shorter the wait for its caption.
            if probability <= lowest {
                lowest = probability;
                cut = first + index as u64 + 1;
            }
        }
        let cut = cut.max(utterance.audio_from + 1);
        self.floor = cut;
        self.utterance = Some(Utterance { audio_from: cut, speech_end: utterance.speech_end.max(cut) });
        SegmentEvent::Ended { audio: utterance.audio_from..cut, cut, silence_frames: 0, forced: true }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn config() -> SegmentConfig {
        SegmentConfig {
            start_probability: 0.5,
            end_probability: 0.35,
            start_frames: 3,
            pre_roll_frames: 8,
            post_roll_frames: 6,
            pause_frames: 16,
            pause_late_frames: 4,
            late_from_frames: 100,
            max_frames: 300,
            look_back_frames: 20,
        }
    }

    fn run(segmenter: &mut Segmenter, probability: f32, frames: u32) -> Vec<SegmentEvent> {
        (0..frames).filter_map(|_| segmenter.push(probability)).collect()
    }

    #[test]
    fn silence_and_clicks_are_no_speech() {
        let mut segmenter = Segmenter::new(config());
        assert_eq!(run(&mut segmenter, 0.1, 1000), []);
        for _ in 0..100 {
            assert_eq!(run(&mut segmenter, 0.9, 2), []);
            assert_eq!(run(&mut segmenter, 0.1, 1), []);
        }
    }

    #[test]
    fn an_utterance_keeps_its_pre_roll_and_ends_at_the_pause() {
        let mut segmenter = Segmenter::new(config());
        run(&mut segmenter, 0.1, 100);
        assert_eq!(run(&mut segmenter, 0.9, 50), [SegmentEvent::Started { audio_from: 92, onset: 100 }]);
        assert_eq!(
            run(&mut segmenter, 0.1, 16),
            [SegmentEvent::Ended { audio: 92..156, cut: 166, silence_frames: 16, forced: false }]
        );
    }

    #[test]
    fn an_old_utterance_ends_at_a_shorter_pause() {
        let mut segmenter = Segmenter::new(config());
        run(&mut segmenter, 0.9, 280);
        let events = run(&mut segmenter, 0.1, 16);
        let [SegmentEvent::Ended { cut, forced: false, .. }] = events[..] else { panic!("{events:?}") };
        assert!(cut < 280 + 8, "cut at {cut}");
    }

    #[test]
    fn a_short_pause_is_shared_with_the_next_utterance() {
        let mut segmenter = Segmenter::new(config());
        run(&mut segmenter, 0.9, 280);
        let ended = run(&mut segmenter, 0.1, 5);
        assert_eq!(ended.len(), 1);
        let started = run(&mut segmenter, 0.9, 3);
        let [SegmentEvent::Started { audio_from, onset: 285 }] = started[..] else { panic!("{started:?}") };
        assert!((280..285).contains(&audio_from), "begins at {audio_from}");
    }

    #[test]
    fn the_limit_cuts_at_the_quietest_recent_frame_and_speech_goes_on() {
        let mut segmenter = Segmenter::new(config());
        run(&mut segmenter, 0.9, 290);
        segmenter.push(0.4);
        let events = run(&mut segmenter, 0.9, 9);
        assert_eq!(
            events,
            [SegmentEvent::Ended { audio: 0..291, cut: 291, silence_frames: 0, forced: true }]
        );
        assert_eq!(segmenter.utterance_from(), Some(291));
    }

    #[test]
    fn finish_ends_what_runs_and_nothing_else() {
        let mut segmenter = Segmenter::new(config());
        assert_eq!(segmenter.finish(), None);
        run(&mut segmenter, 0.9, 10);
        assert!(matches!(segmenter.finish(), Some(SegmentEvent::Ended { cut: 10, .. })));
        assert_eq!(segmenter.finish(), None);
    }

    #[test]
    fn cuts_never_go_back_and_audio_never_overlaps_speech() {
        // A small linear congruential generator: any history must keep the order of cuts.
        for seed in 0..200u64 {
            let mut segmenter = Segmenter::new(config());
            let (mut state, mut last_cut, mut last_speech) = (seed, 0, 0);
            for _ in 0..5000 {
                state = state.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
                let probability =
                    if (state >> 61) == 0 { 0.2 } else { (state >> 40) as f32 / (1 << 24) as f32 };
                if let Some(SegmentEvent::Ended { audio, cut, silence_frames, .. }) =
                    segmenter.push(probability)
                {
                    assert!(audio.start < audio.end && audio.end <= cut, "seed {seed}");
                    assert!(cut > last_cut, "seed {seed}");
                    assert!(audio.start >= last_speech, "seed {seed}");
                    (last_cut, last_speech) = (cut, cut - silence_frames);
                }
            }
        }
    }
}
