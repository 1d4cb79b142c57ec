//! Finds the sound in a WAVE file and writes a plain header for it, so that the demuxer sees neither lengths that lie nor
//! chunks that do not matter. The samples are decoded elsewhere.

use crate::MediaError;
use crate::source::{MediaSource, read_up_to};
use std::io::SeekFrom;

/// Most chunks looked at before the sound; a real file has a handful.
const MAX_CHUNKS: usize = 256;
/// Longest format chunk kept; the longest in use has 50 bytes (MS ADPCM).
const MAX_FORMAT_BYTES: u32 = 64;
/// Length fields of writers that did not know it yet.
const UNKNOWN_LENGTH: u32 = u32::MAX;

/// The sound of a WAVE file.
#[derive(Debug)]
pub(crate) struct WavSound {
    /// A header of a format and a data chunk, to be read in place of everything before `start`.
    pub header: Vec<u8>,
    /// Position of the first sample's first byte.
    pub start: u64,
    /// Position behind the last.
    pub end: u64,
}

/// Walks the chunks of a RIFF, RF64 or BW64 file of `end` bytes whose header stands at `base`.
///
/// A data length of 0 or of all ones (a recording that was never closed), or one past the end of the file, means all that
/// is there. RF64 lengths come from its `ds64` chunk (EBU Tech 3306).
pub(crate) fn find_sound(source: &mut dyn MediaSource, base: u64, end: u64) -> Result<WavSound, MediaError> {
    let mut at = base + 12;
    let mut format = None;
    let mut long_data_bytes = None;
    for _ in 0..MAX_CHUNKS {
        source.seek(SeekFrom::Start(at))?;
        let mut head = [0; 8];
        if read_up_to(source, &mut head)? < head.len() {
            break;
        }
        let length = u32::from_le_bytes([head[4], head[5], head[6], head[7]]);
        let body = at + 8;
        match &head[..4] {
            b"fmt " => {
                let mut bytes = vec![0; length.min(MAX_FORMAT_BYTES) as usize];
                let have = read_up_to(source, &mut bytes)?;
                bytes.truncate(have);
                format = Some(bytes);
            }
            b"ds64" => {
                let mut sizes = [0; 16];
                if read_up_to(source, &mut sizes)? == sizes.len() {
                    let [_, _, _, _, _, _, _, _, data @ ..] = sizes;
                    long_data_bytes = Some(u64::from_le_bytes(data));
                }
            }
            b"data" => {
                let claimed = match length {
                    UNKNOWN_LENGTH => long_data_bytes.unwrap_or(0),
                    length => u64::from(length),
                };
                let stored = end.saturating_sub(body);
                let sound = if claimed == 0 { stored } else { claimed.min(stored) };
                let format = format.ok_or(MediaError::Corrupt { what: "its format comes too late" })?;
                return Ok(WavSound { header: plain_header(format, sound)?, start: body, end: body + sound });
            }
            _ => {}
        }
        at = body + u64::from(length) + u64::from(length & 1);
    }
    Err(MediaError::Corrupt { what: "there is no sound in it" })
}

fn plain_header(mut format: Vec<u8>, sound_bytes: u64) -> Result<Vec<u8>, MediaError> {
    const ALAW: u8 = 6;
    const MULAW: u8 = 7;
    if format.len() < 16 {
        return Err(MediaError::Corrupt { what: "its format is cut off" });
    }
    if matches!(format[..2], [ALAW | MULAW, 0]) {
        // Telephone systems often leave out the size of the extension, which is always 0, or the width of a sample.
        format.truncate(14);
        format.extend([8, 0, 0, 0]);
    }
    let mut header = b"RIFF\xFF\xFF\xFF\xFFWAVEfmt ".to_vec();
    header.extend((format.len() as u32).to_le_bytes());
    header.extend(&format);
    if format.len() % 2 == 1 {
        header.push(0);
    }
    header.extend(b"data");
    header.extend(u32::try_from(sound_bytes).unwrap_or(UNKNOWN_LENGTH).to_le_bytes());
    Ok(header)
}
