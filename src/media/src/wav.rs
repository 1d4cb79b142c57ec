//! Reads just enough of a WAVE header to repair lengths that lie. The samples are decoded elsewhere.

use crate::source::{MediaSource, Patch};
use std::io::{self, SeekFrom};

/// Most chunks looked at before the sound; a real file has a handful.
const MAX_CHUNKS: usize = 256;

/// What a WAVE header needs to be read safely.
#[derive(Debug, Default)]
pub(crate) struct WavHeader {
    /// Repairs: RF64 shown as RIFF, and lengths shown as unknown where they are 0 or reach past the end of the file.
    pub patches: Vec<Patch>,
    /// Length of the sound in seconds by what the file really holds.
    pub duration_hint_s: Option<f64>,
}

/// Walks the chunks of a WAVE file of `end` bytes whose RIFF header stands at `base`.
pub(crate) fn read_header(source: &mut dyn MediaSource, base: u64, end: u64) -> io::Result<WavHeader> {
    let mut header = WavHeader::default();
    header.patches.push(Patch { offset: 0, bytes: *b"RIFF" });
    header.patches.push(Patch { offset: 4, bytes: [0xFF; 4] });
    let mut at = base + 12;
    let mut bytes_per_s = None;
    for _ in 0..MAX_CHUNKS {
        if at + 8 > end {
            break;
        }
        source.seek(SeekFrom::Start(at))?;
        let mut head = [0; 20];
        let have = read_up_to(source, &mut head)?;
        if have < 8 {
            break;
        }
        let length = u32::from_le_bytes([head[4], head[5], head[6], head[7]]);
        let body = at + 8;
        match &head[..4] {
            b"fmt " if have == head.len() => {
                bytes_per_s = Some(u32::from_le_bytes([head[16], head[17], head[18], head[19]]));
            }
            b"data" => {
                let stored = end - body;
                let lies = length == 0 || u64::from(length) > stored;
                if lies {
                    header.patches.push(Patch { offset: at + 4 - base, bytes: [0xFF; 4] });
                }
                let sound = if lies { stored } else { u64::from(length) };
                header.duration_hint_s =
                    bytes_per_s.filter(|rate| *rate > 0).map(|rate| sound as f64 / f64::from(rate));
                break;
            }
            _ => {}
        }
        at = body + u64::from(length) + u64::from(length & 1);
    }
    Ok(header)
}

fn read_up_to(source: &mut dyn MediaSource, buffer: &mut [u8]) -> io::Result<usize> {
    let mut have = 0;
    while have < buffer.len() {
        match source.read(&mut buffer[have..]) {
            Ok(0) => break,
            Ok(count) => have += count,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(have)
}
