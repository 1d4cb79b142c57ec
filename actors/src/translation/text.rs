//! An uploaded text: told from media by its bytes, read into segments, and how its translation is laid out again. Pure.

use crate::transcript::{Cue, Layout};
use crate::translation::captions;
use sottovoce_protocol::transcript::Segment;

/// How many bytes from the start of a file [`looks`] wants to see.
pub const LOOK_BYTES: usize = 4096;

/// A line this long that does not end a sentence was broken for width, not for sense.
const WRAPPED_LINE_CHARS: usize = 50;
/// Cues that one sentence may run over, and the pause that ends it, in milliseconds.
const SENTENCE_CUES: usize = 8;
const SENTENCE_PAUSE_MS: u64 = 2_000;

/// What a file's first bytes say.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Looks {
    /// Text in UTF-8, or nothing at all.
    Text,
    /// Text in another encoding.
    ForeignText,
    /// No text.
    Binary,
}

/// Tells text from what is none. `head` is the file's beginning, at least [`LOOK_BYTES`] of it if there are so many.
/// Media never passes for text: their headers hold control bytes.
pub fn looks(head: &[u8]) -> Looks {
    if head.starts_with(&[0xFF, 0xFE]) && !head.starts_with(&[0xFF, 0xFE, 0, 0]) && head.contains(&0)
        || head.starts_with(&[0xFE, 0xFF])
    {
        // The byte order marks of UTF-16.
        return Looks::ForeignText;
    }
    let is_control =
        |byte: &u8| *byte < 0x20 && !matches!(byte, b'\t' | b'\n' | b'\r' | 0x0C) || *byte == 0x7F;
    if head.iter().any(is_control) {
        return Looks::Binary;
    }
    match std::str::from_utf8(head) {
        Ok(_) => Looks::Text,
        // The last letter may be cut.
        Err(error) if error.error_len().is_none() => Looks::Text,
        Err(_) => Looks::ForeignText,
    }
}

/// Why a text cannot be taken.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub enum TextError {
    /// It is not UTF-8.
    #[error("the text is not UTF-8 from byte {at} on; save it as UTF-8")]
    NotUtf8 {
        /// Where that begins.
        at: usize,
    },
}

/// A text as segments, and how they were laid out.
#[derive(Clone, PartialEq, Debug, Default)]
pub struct TextInput {
    /// Paragraphs (without times), or sentences of subtitles.
    pub segments: Vec<Segment>,
    /// How they stood in the file.
    pub layout: Layout,
}

/// Reads a whole text.
///
/// # Errors
/// See [`TextError`].
pub fn read(bytes: &[u8]) -> Result<TextInput, TextError> {
    let text = std::str::from_utf8(bytes).map_err(|error| TextError::NotUtf8 { at: error.valid_up_to() })?;
    let text = text.strip_prefix('\u{FEFF}').unwrap_or(text);
    let cues = if captions::is_captions(text) { captions::read(text) } else { Vec::new() };
    Ok(if cues.is_empty() { paragraphs(text) } else { subtitles(cues) })
}

fn segment(id: usize, text: String, start_ms: u64, end_ms: u64) -> Segment {
    Segment {
        id: id as u64,
        start: start_ms as f64 / 1000.0,
        end: end_ms as f64 / 1000.0,
        text,
        confidence: 1.0,
        channel: 0,
        words: Vec::new(),
    }
}

/// Joins lines that were broken for width; every other line is a segment, and blank lines after it are counted.
fn paragraphs(text: &str) -> TextInput {
    let (mut segments, mut breaks): (Vec<Segment>, Vec<u32>) = (Vec::new(), Vec::new());
    // The paragraph that may go on, and the length of its last line.
    let mut open: Option<(String, usize)> = None;
    for line in text.lines().map(str::trim) {
        if line.is_empty() {
            match open.take() {
                Some((text, _)) => {
                    segments.push(segment(segments.len(), text, 0, 0));
                    breaks.push(2);
                }
                None => {
                    if let Some(last) = breaks.last_mut() {
                        *last += 1;
                    }
                }
            }
            continue;
        }
        let text = match open.take() {
            Some((mut before, last_line_chars)) if goes_on(&before, last_line_chars, line) => {
                before.push(' ');
                before.push_str(line);
                before
            }
            before => {
                if let Some((text, _)) = before {
                    segments.push(segment(segments.len(), text, 0, 0));
                    breaks.push(1);
                }
                line.to_owned()
            }
        };
        open = Some((text, line.chars().count()));
    }
    if let Some((text, _)) = open {
        segments.push(segment(segments.len(), text, 0, 0));
        breaks.push(1);
    }
    TextInput { segments, layout: Layout::Paragraphs(breaks) }
}

fn goes_on(before: &str, last_line_chars: usize, line: &str) -> bool {
    let ended = before.ends_with(['.', '!', '?', '…', ':', '。', '！', '？']);
    let first = line.split_whitespace().next().unwrap_or_default();
    let is_item = matches!(first, "-" | "*" | "•" | "–" | "—")
        || first
            .strip_suffix(['.', ')'])
            .is_some_and(|number| number.bytes().all(|digit| digit.is_ascii_digit()));
    last_line_chars >= WRAPPED_LINE_CHARS && !ended && !is_item
}

/// Joins cues to sentences, which are segments.
fn subtitles(cues: Vec<Cue>) -> TextInput {
    let mut segments: Vec<Segment> = Vec::new();
    let mut placed: Vec<(usize, Cue)> = Vec::with_capacity(cues.len());
    let mut open: Vec<Cue> = Vec::new();
    let mut cues = cues.into_iter().peekable();
    while let Some(cue) = cues.next() {
        let ended = cue
            .lines
            .last()
            .is_some_and(|line| line.ends_with(['.', '!', '?', '…', '"', '”', ']', ')', '。']));
        let (end_ms, lines) = (cue.end_ms, cue.lines.len());
        open.push(cue);
        let next = cues.peek();
        let paused = next.is_none_or(|next| next.start_ms > end_ms + SENTENCE_PAUSE_MS);
        let speaker =
            next.is_some_and(|next| next.lines.first().is_some_and(|line| line.starts_with(['-', '–', '—'])));
        if ended || paused || speaker || lines == 0 || open.len() >= SENTENCE_CUES {
            let text: Vec<&str> = open.iter().flat_map(|cue| cue.lines.iter().map(String::as_str)).collect();
            let start_ms = open.first().map_or(0, |cue| cue.start_ms);
            segments.push(segment(segments.len(), text.join(" "), start_ms, end_ms.max(start_ms)));
            placed.extend(open.drain(..).map(|cue| (segments.len() - 1, cue)));
        }
    }
    TextInput { segments, layout: Layout::Cues(placed) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_is_told_from_media_and_from_other_encodings() {
        for head in [
            &b""[..],
            b"Hello.\r\n\tBye\x0c",
            "Olá, ünïcode 🦀".as_bytes(),
            &"é".as_bytes()[..1],
            b"ID3 is a tag",
        ] {
            assert_eq!(looks(head), Looks::Text, "{head:?}");
        }
        for head in [&b"caf\xe9 noir"[..], b"\xff\xfeH\0i\0", b"\xfe\xff\0H\0i"] {
            assert_eq!(looks(head), Looks::ForeignText, "{head:?}");
        }
        for head in [
            &b"RIFF\x24\0\0\0WAVEfmt "[..],
            b"ID3\x04\0\0",
            b"\x89PNG\r\n\x1a\n",
            b"a\0b",
            &[0xFF, 0xFB, 0x90, 0],
        ] {
            assert_eq!(looks(head), Looks::Binary, "{head:?}");
        }
    }

    fn texts(input: &TextInput) -> Vec<&str> {
        input.segments.iter().map(|segment| segment.text.as_str()).collect()
    }

    #[test]
    fn paragraphs_keep_their_breaks_and_lines_broken_for_width_are_joined() {
        let text = "\u{feff}\n\nA title\n\n\nA long first line that was broken by its editor because\nit was too wide. \
                    A second sentence.\nA line of its own.\n- one\n- two\n\nThe end";
        let input = read(text.as_bytes()).unwrap();
        assert_eq!(
            texts(&input),
            [
                "A title",
                "A long first line that was broken by its editor because it was too wide. A second sentence.",
                "A line of its own.",
                "- one",
                "- two",
                "The end"
            ]
        );
        assert_eq!(input.layout, Layout::Paragraphs(vec![3, 1, 1, 1, 2, 1]));
    }

    #[test]
    fn nothing_and_blank_lines_are_an_empty_text() {
        for text in ["", "\n \r\n\t", "\u{feff}"] {
            let input = read(text.as_bytes()).unwrap();
            assert_eq!((input.segments, input.layout), (Vec::new(), Layout::Paragraphs(Vec::new())));
        }
        assert_eq!(read(b"ab\xff"), Err(TextError::NotUtf8 { at: 2 }));
    }

    #[test]
    fn cues_are_joined_to_sentences() {
        let file = "1\n00:00:00,000 --> 00:00:02,000\nEver tried,\n\n2\n00:00:02,000 --> 00:00:03,000\never failed.\n\n\
                    3\n00:00:03,500 --> 00:00:05,000\nNo matter\n\n4\n00:00:09,000 --> 00:00:10,000\nTry again\n\n\
                    5\n00:00:10,000 --> 00:00:11,000\n- Fail again.\n";
        let input = read(file.as_bytes()).unwrap();
        assert_eq!(texts(&input), ["Ever tried, ever failed.", "No matter", "Try again", "- Fail again."]);
        let Layout::Cues(cues) = input.layout else { panic!("cues") };
        assert_eq!(cues.iter().map(|(segment, _)| *segment).collect::<Vec<_>>(), [0, 0, 1, 2, 3]);
        assert_eq!((input.segments[0].start, input.segments[0].end), (0.0, 3.0));
    }
}
