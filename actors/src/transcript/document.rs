//! The transcript of one job, held once in memory, and its JSON form. Must never be copied per format: a ten-hour file
//! has some ten megabytes of words.

use serde_json::to_string;
use sottovoce_protocol::ids::JobId;
use sottovoce_protocol::transcript::{Segment, TRANSCRIPT_VERSION};

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
        write("]}\n");
    }
}

fn quoted(text: &str) -> String {
    to_string(text).expect("a string always serialises")
}

fn json(segment: &Segment) -> String {
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
    fn silence_is_an_empty_transcript() {
        let mut written = String::new();
        document(Vec::new()).write_json(&mut |piece| written.push_str(piece));
        let read: Transcript = serde_json::from_str(&written).unwrap();
        assert_eq!((read.text.as_str(), read.segments.len()), ("", 0));
    }
}
