//! A caption as it arrived: the parts of `Results` that measuring needs.

use sottovoce_protocol::live::{ServerFrame, Word};
use std::time::Duration;

/// One `Results` frame.
#[derive(Clone, Debug)]
pub struct Caption {
    /// Arrival, from the stream's start.
    pub at: Duration,
    /// Channel, from 0.
    pub channel: u16,
    /// Seconds from the start of the stream.
    pub start_s: f64,
    /// End of the span covered, in seconds.
    pub end_s: f64,
    /// Settled.
    pub is_final: bool,
    /// The speaker paused.
    pub speech_final: bool,
    /// The text.
    pub text: String,
    /// Mean token probability, 0..1.
    pub confidence: f64,
    /// The words; kept for finals only.
    pub words: Vec<Word>,
}

impl Caption {
    /// Returns the caption in `frame`, `None` for frames that carry none.
    pub fn from_frame(at: Duration, frame: ServerFrame) -> Option<Self> {
        let ServerFrame::Results { channel_index, duration, start, is_final, speech_final, channel, .. } =
            frame
        else {
            return None;
        };
        let best = channel.alternatives.into_iter().next()?;
        Some(Self {
            at,
            channel: channel_index[0],
            start_s: start,
            end_s: start + duration,
            is_final,
            speech_final,
            text: best.transcript,
            confidence: best.confidence,
            words: if is_final { best.words } else { Vec::new() },
        })
    }

    /// Returns whether anything was heard.
    pub fn has_words(&self) -> bool {
        !self.text.trim().is_empty()
    }
}

/// Returns the settled text of a channel.
pub fn final_text(captions: &[Caption], channel: u16) -> String {
    let texts = captions.iter().filter(|c| c.is_final && c.channel == channel && c.has_words());
    texts.map(|c| c.text.trim()).collect::<Vec<_>>().join(" ")
}
