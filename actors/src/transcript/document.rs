//! The transcript of one job, held once in memory, and its JSON form. Must never be copied per format: a ten-hour file
//! has some ten megabytes of words.

use crate::transcript::cue::Cue;
use serde::Serialize;
use serde_json::to_string;
use sottovoce_protocol::ids::JobId;
use sottovoce_protocol::transcript::{Segment, TRANSCRIPT_VERSION, TranslatedSegment};

/// How the segments stand in what they came from.
#[derive(Clone, PartialEq, Debug, Default)]
pub enum Layout {
    /// Speech: its cues follow from the times of its words.
    #[default]
    Speech,
    /// Subtitles: their cues with the segment that each is of, in order of time.
    Cues(Vec<(usize, Cue)>),
    /// Plain text: how many line feeds follow each segment.
    Paragraphs(Vec<u32>),
}

/// A sentence of a segment and what it became.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct TranslatedSentence {
    /// Letters of the original, without spaces.
    pub source_letters: usize,
    /// The translation.
    pub text: String,
}

/// The translation of a settled document.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Translation {
    /// Primary language subtag.
    pub lang: String,
    /// The sentences of each segment, in order.
    pub segments: Vec<Vec<TranslatedSentence>>,
}

impl Translation {
    /// Returns the text of a segment.
    pub fn text(&self, segment: usize) -> String {
        let sentences = self.segments.get(segment).map(Vec::as_slice).unwrap_or_default();
        let texts: Vec<&str> = sentences.iter().map(|sentence| sentence.text.trim()).collect();
        texts.join(" ").trim().to_owned()
    }
}

/// Everything that was settled of one job.
#[derive(Clone, PartialEq, Debug)]
pub struct Document {
    /// The job.
    pub job: JobId,
    /// BCP-47 language of the text.
    pub language: String,
    /// The engine, e.g. `embedded`.
    pub engine: String,
    /// The model, e.g. `moonshine`.
    pub model: String,
    /// Length of the audio.
    pub duration_ms: u64,
    /// The segments; put in order by [`Document::settle`].
    pub segments: Vec<Segment>,
    /// How they stood in the original.
    pub layout: Layout,
    /// Their translation, made after they were settled.
    pub translation: Option<Translation>,
}

impl Document {
    /// Drops segments without text, orders the rest by start and numbers them from 0.
    pub fn settle(&mut self) {
        self.segments.retain(|segment| !segment.text.trim().is_empty());
        self.segments.sort_by(|a, b| a.start.total_cmp(&b.start).then(a.channel.cmp(&b.channel)));
        for (id, segment) in self.segments.iter_mut().enumerate() {
            segment.id = id as u64;
        }
    }

    /// Writes the `json` artifact piece by piece; the pieces together are a `Transcript`.
    pub(crate) fn write_json(&self, write: &mut dyn FnMut(&str)) {
        write(&format!(
            r#"{{"version":{TRANSCRIPT_VERSION},"job":"{}","language":{},"duration_seconds":{},"engine":{},"model":{},"text":""#,
            self.job,
            quoted(&self.language),
            self.duration_ms as f64 / 1000.0,
            quoted(&self.engine),
            quoted(&self.model),
        ));
        for (index, segment) in self.segments.iter().enumerate() {
            if index > 0 {
                write(" ");
            }
            let text = quoted(&segment.text);
            write(&text[1..text.len() - 1]);
        }
        write(r#"","segments":["#);
        for (index, segment) in self.segments.iter().enumerate() {
            if index > 0 {
                write(",");
            }
            write(&json(segment));
        }
        write("]");
        if let Some(translation) = &self.translation {
            write(&format!(r#","translations":{{{}:["#, quoted(&translation.lang)));
            for (index, segment) in self.segments.iter().enumerate() {
                if index > 0 {
                    write(",");
                }
                write(&json(&TranslatedSegment { id: segment.id, text: translation.text(index) }));
            }
            write("]}");
        }
        write("}\n");
    }
}

fn quoted(text: &str) -> String {
    to_string(text).expect("a string always serialises")
}

fn json(segment: &impl Serialize) -> String {
    to_string(segment).expect("a segment has only strings and numbers, which always serialise")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::transcript::cue::tests::segment;
    use sottovoce_protocol::transcript::Transcript;

    pub(crate) fn document(segments: Vec<Segment>) -> Document {
        Document {
            job: JobId::from_uuid(uuid::Uuid::from_u128(7)),
            language: "en".into(),
            engine: "embedded".into(),
            model: "moonshine".into(),
            duration_ms: 12_345,
            segments,
            layout: Layout::Speech,
            translation: None,
        }
    }

    #[test]
    fn the_json_reads_back_as_a_transcript() {
        let mut document = document(vec![
            segment(4.0, "second \"quoted\" \\ line"),
            segment(1.0, "First, ünïcode.\n"),
            segment(2.0, "  "),
        ]);
        document.settle();
        let mut written = String::new();
        document.write_json(&mut |piece| written.push_str(piece));
        let read: Transcript = serde_json::from_str(&written).unwrap();
        assert_eq!(read.version, TRANSCRIPT_VERSION);
        assert_eq!(read.job, document.job);
        assert_eq!(read.duration_seconds, 12.345);
        assert_eq!(read.segments, document.segments);
        assert_eq!(read.text, "First, ünïcode.\n second \"quoted\" \\ line");
        assert_eq!(read.segments.iter().map(|segment| segment.id).collect::<Vec<_>>(), [0, 1]);
    }

    #[test]
    fn the_json_holds_the_translation_by_segment() {
        let mut document = document(vec![segment(1.0, "One. Two."), segment(4.0, "Three.")]);
        document.settle();
        let sentence = |text: &str| TranslatedSentence { source_letters: 4, text: text.into() };
        document.translation = Some(Translation {
            lang: "pt".into(),
            segments: vec![vec![sentence("Um."), sentence("\"Dois\".")], vec![sentence("Três.")]],
        });
        let mut written = String::new();
        document.write_json(&mut |piece| written.push_str(piece));
        let read: Transcript = serde_json::from_str(&written).unwrap();
        let texts: Vec<_> =
            read.translations["pt"].iter().map(|part| (part.id, part.text.as_str())).collect();
        assert_eq!(texts, [(0, "Um. \"Dois\"."), (1, "Três.")]);
    }

    #[test]
    fn silence_is_an_empty_transcript() {
        let mut written = String::new();
        document(Vec::new()).write_json(&mut |piece| written.push_str(piece));
        let read: Transcript = serde_json::from_str(&written).unwrap();
        assert_eq!((read.text.as_str(), read.segments.len()), ("", 0));
    }
}
