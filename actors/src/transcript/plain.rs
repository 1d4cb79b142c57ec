//! The `transcript` and `translation` artifacts: plain text, segments joined by spaces, a new paragraph at a long pause or another channel.

use crate::transcript::document::{Document, Layout, Translation};
use sottovoce_protocol::transcript::Segment;
use std::borrow::Cow;

/// A pause longer than this begins a paragraph, in seconds.
const PARAGRAPH_PAUSE_S: f64 = 2.0;

/// Returns a word without case and the punctuation around it, as Deepgram's `word`.
pub fn bare_word(word: &str) -> String {
    word.trim_matches(|c: char| !c.is_alphanumeric()).to_lowercase()
}

/// Writes the text piece by piece; nothing at all where nothing was said.
pub(crate) fn write_plain(segments: &[Segment], write: &mut dyn FnMut(&str)) {
    write_as(segments, |index| segments[index].text.trim().into(), write);
}

/// Writes a document's translation as its original stands: speech as [`write_plain`] does, text with its line breaks.
pub(crate) fn write_translation(document: &Document, translation: &Translation, write: &mut dyn FnMut(&str)) {
    let Layout::Paragraphs(breaks) = &document.layout else {
        return write_as(&document.segments, |index| translation.text(index).into(), write);
    };
    for (index, breaks) in (0..document.segments.len()).zip(breaks) {
        write(&translation.text(index));
        let is_last = index + 1 == document.segments.len();
        write(&"\n".repeat(if is_last { 1 } else { *breaks as usize }));
    }
}

fn write_as<'a>(segments: &[Segment], text: impl Fn(usize) -> Cow<'a, str>, write: &mut dyn FnMut(&str)) {
    let mut last: Option<&Segment> = None;
    for (index, segment) in segments.iter().enumerate() {
        if let Some(last) = last {
            let paragraph = segment.start - last.end > PARAGRAPH_PAUSE_S || segment.channel != last.channel;
            write(if paragraph { "\n\n" } else { " " });
        }
        write(&text(index));
        last = Some(segment);
    }
    if last.is_some() {
        write("\n");
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::transcript::cue::tests::segment;

    fn plain(segments: &[Segment]) -> String {
        let mut text = String::new();
        write_plain(segments, &mut |piece| text.push_str(piece));
        text
    }

    #[test]
    fn a_long_pause_begins_a_paragraph() {
        let mut first = segment(0.0, "One two.");
        first.end = 1.0;
        let mut second = segment(1.5, "Three.");
        second.end = 2.0;
        let third = segment(4.5, "Four.");
        assert_eq!(plain(&[first, second, third]), "One two. Three.\n\nFour.\n");
    }

    #[test]
    fn another_channel_begins_a_paragraph() {
        let mut second = segment(0.6, "Yes.");
        second.channel = 1;
        assert_eq!(plain(&[segment(0.0, "Well?"), second]), "Well?\n\nYes.\n");
    }

    #[test]
    fn silence_is_an_empty_file() {
        assert_eq!(plain(&[]), "");
    }
}
