//! The one table of artifact formats. Pure; takes tens of milliseconds for hours of speech, so never call it on an
//! arbiter.

use crate::transcript::cue::cues;
use crate::transcript::document::Document;
use crate::transcript::plain::write_plain;
use crate::transcript::subtitles::{write_srt, write_vtt};
use sottovoce_protocol::jobs::ArtifactKind;

/// The kinds that every transcript is written as.
pub const WRITTEN_KINDS: [ArtifactKind; 4] =
    [ArtifactKind::Transcript, ArtifactKind::Srt, ArtifactKind::Vtt, ArtifactKind::Json];

/// Writes one artifact of a settled document in small pieces; `translation` has none.
pub fn render(kind: ArtifactKind, document: &Document, write: &mut dyn FnMut(&str)) {
    match kind {
        ArtifactKind::Transcript => write_plain(&document.segments, write),
        ArtifactKind::Srt => write_srt(&cues(&document.segments), write),
        ArtifactKind::Vtt => write_vtt(&cues(&document.segments), write),
        ArtifactKind::Json => document.write_json(write),
        ArtifactKind::Translation => {}
    }
}
