//! The segment log: one JSON segment a line, appended durably before a client sees it. A crash may tear the last line.

use sottovoce_protocol::transcript::Segment;

/// A line longer than this is damage, not a segment.
const MAX_LINE_BYTES: usize = 1 << 20;

/// Returns the line of a segment, newline included.
pub fn log_line(segment: &Segment) -> Vec<u8> {
    let mut line =
        serde_json::to_vec(segment).expect("a segment has only strings and numbers, which always serialise");
    line.push(b'\n');
    line
}

/// Reads a log that arrives in chunks; lines that are not whole segments are skipped and counted.
#[derive(Default, Debug)]
pub struct LogReader {
    partial: Vec<u8>,
    overlong: bool,
    segments: Vec<Segment>,
    damaged: u64,
}

impl LogReader {
    /// Takes the next bytes of the log.
    pub fn push(&mut self, mut chunk: &[u8]) {
        while let Some(end) = chunk.iter().position(|&byte| byte == b'\n') {
            self.extend(&chunk[..end]);
            self.end_line();
            chunk = &chunk[end + 1..];
        }
        self.extend(chunk);
    }

    /// Returns the segments, and how many lines were damaged; a torn last line counts as one, unless it lacks only its
    /// newline.
    pub fn finish(mut self) -> (Vec<Segment>, u64) {
        if !self.partial.is_empty() || self.overlong {
            self.end_line();
        }
        (self.segments, self.damaged)
    }

    fn extend(&mut self, bytes: &[u8]) {
        if self.partial.len() + bytes.len() > MAX_LINE_BYTES {
            self.overlong = true;
            self.partial.clear();
        }
        if !self.overlong {
            self.partial.extend_from_slice(bytes);
        }
    }

    fn end_line(&mut self) {
        let overlong = std::mem::take(&mut self.overlong);
        match serde_json::from_slice(&self.partial) {
            Ok(segment) if !overlong => self.segments.push(segment),
            _ => self.damaged += 1,
        }
        self.partial.clear();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::transcript::cue::tests::segment;

    #[test]
    fn reads_what_was_written_however_it_is_cut() {
        let written = [segment(0.0, "One two."), segment(3.0, "Drei ünd vier.")];
        let bytes: Vec<u8> = written.iter().flat_map(log_line).collect();
        for size in [1, 7, bytes.len()] {
            let mut reader = LogReader::default();
            bytes.chunks(size).for_each(|chunk| reader.push(chunk));
            assert_eq!(reader.finish(), (written.to_vec(), 0));
        }
    }

    #[test]
    fn a_torn_last_line_is_skipped_at_every_byte() {
        let whole = segment(0.0, "kept");
        let first = log_line(&whole);
        let second = log_line(&segment(3.0, "torn"));
        for torn_at in 1..second.len() - 1 {
            let mut reader = LogReader::default();
            reader.push(&first);
            reader.push(&second[..torn_at]);
            assert_eq!(reader.finish(), (vec![whole.clone()], 1));
        }
    }

    #[test]
    fn a_line_that_only_lacks_its_newline_counts() {
        let line = log_line(&segment(0.0, "whole"));
        let mut reader = LogReader::default();
        reader.push(&line[..line.len() - 1]);
        assert_eq!(reader.finish().0.len(), 1);
    }

    #[test]
    fn an_endless_line_is_not_kept() {
        let mut reader = LogReader::default();
        for _ in 0..40 {
            reader.push(&[b'x'; 64 * 1024]);
        }
        assert!(reader.partial.capacity() <= 2 * MAX_LINE_BYTES);
        reader.push(b"\n");
        reader.push(&log_line(&segment(0.0, "after")));
        let (segments, damaged) = reader.finish();
        assert_eq!((segments.len(), damaged), (1, 1));
    }
}
