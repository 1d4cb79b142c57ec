//! Finds the pauses of an utterance by loudness, for trimming word times.
//!
//! Not a voice detector: in steady noise it finds nothing, and then nothing is trimmed.

/// Samples of one loudness frame: 10 ms.
const FRAME: usize = 160;
const FRAMES_PER_SECOND: f32 = 100.0;

/// The shortest pause, in frames; shorter gaps are within words (a stop consonant closes the mouth up to 0.1 s).
const SHORTEST_FRAMES: usize = 12;

/// A pause counts from this much above the background, in dB …
const ABOVE_BACKGROUND_DB: f32 = 10.0;
/// … but is always this much below the loud parts, so that noise as loud as speech makes no pauses, …
const BELOW_SPEECH_DB: f32 = 15.0;
/// … and the background counts as no quieter than this below the loud parts (recordings with digital silence).
const DEEPEST_BACKGROUND_DB: f32 = 50.0;

/// A stretch of silence, in seconds.
#[derive(Clone, Copy, PartialEq, Debug)]
pub(crate) struct Pause {
    pub(crate) start_s: f32,
    pub(crate) end_s: f32,
}

/// Returns the pauses in order.
pub(crate) fn find(audio: &[f32]) -> Vec<Pause> {
    let levels: Vec<f32> = audio.chunks(FRAME).map(level_db).collect();
    let mut sorted = levels.clone();
    sorted.sort_unstable_by(f32::total_cmp);
    let percentile = |percent: usize| sorted.get(sorted.len().saturating_sub(1) * percent / 100).copied();
    let (Some(background), Some(loud)) = (percentile(10), percentile(95)) else {
        return vec![];
    };
    let background = background.max(loud - DEEPEST_BACKGROUND_DB);
    let threshold = (background + ABOVE_BACKGROUND_DB).min(loud - BELOW_SPEECH_DB);
    let mut pauses = Vec::new();
    let mut start = 0;
    for run in levels.chunk_by(|a, b| (*a < threshold) == (*b < threshold)) {
        let end = start + run.len();
        if run[0] < threshold && run.len() >= SHORTEST_FRAMES {
            #[expect(clippy::cast_precision_loss, reason = "at most 3000 frames")]
            let seconds = |frame: usize| frame as f32 / FRAMES_PER_SECOND;
            pauses.push(Pause { start_s: seconds(start), end_s: seconds(end) });
        }
        start = end;
    }
    pauses
}

/// Returns the mean power of some samples in dB against full scale; −100 of silence.
fn level_db(samples: &[f32]) -> f32 {
    let sum: f32 = samples.iter().filter(|sample| sample.is_finite()).map(|sample| sample * sample).sum();
    #[expect(clippy::cast_precision_loss, reason = "at most one frame of samples")]
    let power = sum / samples.len().max(1) as f32;
    10.0 * (power + 1e-10).log10()
}

#[cfg(test)]
mod tests {
    use super::find;

    /// `loud` and quiet stretches by turns, each of the given length in seconds.
    fn audio(stretches: &[(f32, f32)]) -> Vec<f32> {
        let tone = |index: usize| if index.is_multiple_of(2) { 1.0 } else { -1.0 };
        let mut audio = Vec::new();
        for (seconds, loudness) in stretches {
            let count = (seconds * 16_000.0) as usize;
            audio.extend((0..count).map(|index| tone(index) * loudness));
        }
        audio
    }

    #[test]
    fn a_pause_in_speech_is_found_where_it_is() {
        let pauses = find(&audio(&[(1.0, 0.1), (0.5, 0.0001), (1.0, 0.1), (0.05, 0.0001), (0.5, 0.1)]));
        assert_eq!(pauses.len(), 1, "the short gap is none: {pauses:?}");
        assert!((pauses[0].start_s - 1.0).abs() < 0.02 && (pauses[0].end_s - 1.5).abs() < 0.02, "{pauses:?}");
    }

    #[test]
    fn noise_as_loud_as_speech_has_no_pauses() {
        assert_eq!(find(&audio(&[(1.0, 0.1), (1.0, 0.05), (1.0, 0.1)])), []);
    }

    #[test]
    fn digital_silence_does_not_hide_a_real_pause() {
        let pauses = find(&audio(&[(0.5, 0.0), (1.0, 0.1), (0.5, 0.0003), (1.0, 0.1)]));
        assert_eq!(pauses.len(), 2, "{pauses:?}");
    }

    #[test]
    fn silence_and_nothing_do_not_panic() {
        assert_eq!(find(&[]), []);
        assert_eq!(find(&[0.0; 5000]), []);
        assert_eq!(find(&[f32::NAN; 5000]), []);
    }
}
