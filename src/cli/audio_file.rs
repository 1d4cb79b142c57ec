//! Reads an audio file as 16-bit PCM in pieces of a tenth of a second, on a thread of its own.

use sottovoce_media::{DecodeLimits, MONO_RATE_HZ, MonoReader};
use std::fs::File;
use std::path::Path;
use tokio::sync::mpsc;

/// Samples per second of what is sent.
pub(super) const RATE_HZ: u32 = MONO_RATE_HZ;
/// Length of a piece.
pub(super) const PIECE_MS: u64 = 100;

const PIECE_SAMPLES: usize = RATE_HZ as usize / 1000 * PIECE_MS as usize;
/// Pieces decoded ahead of the sender.
const AHEAD: usize = 16;
/// No file of one's own is longer than this (the server has its own limit).
const MAX_DURATION_S: u64 = 24 * 3600;

/// Opens a file; the receiver yields little-endian 16-bit mono pieces, or why the file could not be read on.
pub(super) fn pieces(path: &Path) -> Result<mpsc::Receiver<Result<Vec<u8>, String>>, String> {
    let told = |cause: &dyn std::fmt::Display| format!("{}: {cause}", path.display());
    let file = File::open(path).map_err(|cause| told(&cause))?;
    let limits = DecodeLimits { max_duration_s: MAX_DURATION_S };
    let mut reader = MonoReader::open(file, limits).map_err(|cause| told(&cause))?;
    let (sender, receiver) = mpsc::channel(AHEAD);
    let name = path.display().to_string();
    std::thread::spawn(move || {
        let mut waiting: Vec<f32> = Vec::new();
        loop {
            match reader.next() {
                Ok(Some(samples)) => waiting.extend(samples),
                Ok(None) => break,
                Err(cause) => {
                    let _ = sender.blocking_send(Err(format!("{name}: {cause}")));
                    return;
                }
            }
            let whole = waiting.len() / PIECE_SAMPLES * PIECE_SAMPLES;
            for piece in waiting[..whole].chunks(PIECE_SAMPLES) {
                if sender.blocking_send(Ok(linear16(piece))).is_err() {
                    return;
                }
            }
            waiting.drain(..whole);
        }
        if !waiting.is_empty() {
            let _ = sender.blocking_send(Ok(linear16(&waiting)));
        }
    });
    Ok(receiver)
}

fn linear16(samples: &[f32]) -> Vec<u8> {
    #[expect(clippy::cast_possible_truncation, reason = "clamped to the range of i16 before")]
    let quantised = samples.iter().map(|sample| (sample.clamp(-1.0, 1.0) * 32_767.0).round() as i16);
    quantised.flat_map(i16::to_le_bytes).collect()
}
