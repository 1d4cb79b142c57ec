//! Settled segments to what people download: plain text, subtitles and the transcript document; and the segment log that
//! survives a crash. All but [`write_artifacts`] and [`read_log`] is pure. Nothing here knows a job's state or a socket.

mod artifacts;
mod cue;
mod document;
mod hearing;
mod log;
mod plain;
mod render;
mod spread;
mod subtitles;

pub use artifacts::{artifact_ref, artifact_refs, log_ref, read_log, write_artifacts};
pub use cue::Cue;
pub use document::{Document, Layout, TranslatedSentence, Translation};
pub use hearing::segment_of;
pub use log::{LogReader, log_line};
pub use plain::bare_word;
pub use render::{Rendition, render};
