//! Finds out what a file is and opens the one demuxer that its magic bytes call for. Nothing is probed: no other demuxer
//! can be reached, whatever the bytes say.

use crate::sniff::{Container, SNIFF_BYTES, id3v2_length_bytes, sniff};
use crate::source::{BoundedSource, MediaSource, SourceWatch, read_up_to};
use crate::{MediaError, wav};
use std::io::{ErrorKind, SeekFrom};
use symphonia::core::errors::Error;
use symphonia::core::formats::{FormatOptions, FormatReader};
use symphonia::core::io::MediaSourceStream;
use symphonia::default::formats;

/// Most ID3 tags skipped before the sound.
const MAX_TAGS: usize = 4;
/// Marks the one failure that ends a file without spoiling what came before.
pub(crate) const CUT_OFF: &str = "it is cut off";

/// A file that was recognised and opened.
pub(crate) struct Opened {
    /// What it is.
    pub container: Container,
    /// Its demuxer.
    pub reader: Box<dyn FormatReader>,
    /// The hand on what the demuxer reads.
    pub watch: SourceWatch,
}

/// Recognises and opens a file.
pub(crate) fn open(mut source: Box<dyn MediaSource>) -> Result<Opened, MediaError> {
    let end = source.seek(SeekFrom::End(0))?;
    let (container, base) = locate(source.as_mut(), end)?;
    let (header, start, end) = match container {
        Container::Wav => {
            let sound = wav::find_sound(source.as_mut(), base, end)?;
            (sound.header, sound.start, sound.end)
        }
        _ => (Vec::new(), base, end),
    };
    let (mut source, watch) = BoundedSource::new(source, header, start, end);
    if container == Container::Matroska {
        // Its demuxer refuses a file that was cut off if it sees the length, and the index is of no use here.
        source = source.forward_only();
    }
    let stream = MediaSourceStream::new(Box::new(source), Default::default());
    let reader = open_demuxer(container, stream).map_err(|error| match (error, container) {
        // So these two report the loss of what a cut takes away first.
        (Error::Unsupported(_), Container::Mp4 | Container::Matroska) => {
            MediaError::Corrupt { what: "its index is missing or invalid" }
        }
        (error, _) => refusal(error, &watch),
    })?;
    Ok(Opened { container, reader, watch })
}

/// Finds the container and where it starts, behind any ID3 tags and the zero bytes some writers put after them.
fn locate(source: &mut dyn MediaSource, end: u64) -> Result<(Container, u64), MediaError> {
    let mut base = 0;
    let mut head = read_head(source, base)?;
    for _ in 0..MAX_TAGS {
        let Some(tag_bytes) = id3v2_length_bytes(&head) else { break };
        base = (base + tag_bytes).min(end);
        head = read_head(source, base)?;
        let padding = head.iter().take_while(|byte| **byte == 0).count();
        if padding > 0 {
            base += padding as u64;
            head = read_head(source, base)?;
        }
    }
    if base > 0 && head.is_empty() {
        return Err(MediaError::Corrupt { what: "it holds nothing but tags" });
    }
    Ok((sniff(&head)?, base))
}

fn read_head(source: &mut dyn MediaSource, at: u64) -> Result<Vec<u8>, MediaError> {
    source.seek(SeekFrom::Start(at))?;
    let mut head = vec![0; SNIFF_BYTES];
    let have = read_up_to(source, &mut head)?;
    head.truncate(have);
    Ok(head)
}

fn open_demuxer(
    container: Container,
    stream: MediaSourceStream<'static>,
) -> Result<Box<dyn FormatReader>, Error> {
    let options = FormatOptions::default();
    Ok(match container {
        Container::Wav => Box::new(formats::WavReader::try_new(stream, options)?),
        Container::Flac => Box::new(formats::FlacReader::try_new(stream, options)?),
        Container::Mp3 => Box::new(formats::MpaReader::try_new(stream, options)?),
        Container::Adts => Box::new(formats::AdtsReader::try_new(stream, options)?),
        Container::Ogg => Box::new(formats::OggReader::try_new(stream, options)?),
        Container::Mp4 => Box::new(formats::IsoMp4Reader::try_new(stream, options)?),
        Container::Matroska => Box::new(formats::MkvReader::try_new(stream, options)?),
    })
}

/// Turns a demuxer's failure into ours.
pub(crate) fn refusal(error: Error, watch: &SourceWatch) -> MediaError {
    if let Some(failure) = watch.take_failure() {
        return MediaError::Io(failure);
    }
    if watch.overspent() {
        return MediaError::Corrupt { what: "a part of it claims to be endless" };
    }
    match error {
        Error::IoError(error) if error.kind() == ErrorKind::UnexpectedEof => {
            MediaError::Corrupt { what: CUT_OFF }
        }
        Error::Unsupported(what) => MediaError::Unsupported { what: format!("this file ({what})") },
        _ => MediaError::Corrupt { what: "its structure is invalid" },
    }
}
