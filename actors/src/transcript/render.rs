//! The one table of artifact formats. Pure; takes tens of milliseconds for hours of speech, so never call it on an
//! arbiter.

use crate::transcript::cue::cues;
use crate::transcript::document::{Document, Layout};
use crate::transcript::plain::{write_plain, write_translation};
use crate::transcript::spread::translated_cues;
use crate::transcript::subtitles::{write_srt, write_vtt};
use sottovoce_protocol::jobs::ArtifactKind;

/// An artifact of a document: its format, and whether it is of the translation.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Rendition {
    /// The format.
    pub kind: ArtifactKind,
    /// Whether it holds the translation alone.
    pub translated: bool,
}

impl Rendition {
    /// Every rendition that a document may have.
    pub const ALL: [Self; 7] = [
        Self::original(ArtifactKind::Transcript),
        Self::original(ArtifactKind::Srt),
        Self::original(ArtifactKind::Vtt),
        Self::original(ArtifactKind::Json),
        Self::translated(ArtifactKind::Translation),
        Self::translated(ArtifactKind::Srt),
        Self::translated(ArtifactKind::Vtt),
    ];

    const fn original(kind: ArtifactKind) -> Self {
        Self { kind, translated: false }
    }

    const fn translated(kind: ArtifactKind) -> Self {
        Self { kind, translated: true }
    }

    /// Returns whether a document is written so. Of a text only what is new is written: it was the client's own.
    pub fn is_of(self, document: &Document) -> bool {
        let has_times = !matches!(document.layout, Layout::Paragraphs(_));
        match (self.translated, self.kind) {
            (true, ArtifactKind::Translation) => document.translation.is_some(),
            (true, _) => document.translation.is_some() && has_times,
            (false, ArtifactKind::Json) => true,
            (false, _) => document.layout == Layout::Speech,
        }
    }
}

/// Writes one artifact of a settled document in small pieces; nothing for a rendition that the document does not have.
pub fn render(rendition: Rendition, document: &Document, write: &mut dyn FnMut(&str)) {
    match (rendition.kind, document.translation.as_ref().filter(|_| rendition.translated)) {
        (ArtifactKind::Translation, Some(translation)) => write_translation(document, translation, write),
        (ArtifactKind::Srt, Some(translation)) => write_srt(&translated_cues(document, translation), write),
        (ArtifactKind::Vtt, Some(translation)) => write_vtt(&translated_cues(document, translation), write),
        (ArtifactKind::Transcript, _) => write_plain(&document.segments, write),
        (ArtifactKind::Srt, None) => write_srt(&cues(&document.segments), write),
        (ArtifactKind::Vtt, None) => write_vtt(&cues(&document.segments), write),
        (ArtifactKind::Json, _) => document.write_json(write),
        (ArtifactKind::Translation, None) => {}
    }
}
