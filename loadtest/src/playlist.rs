//! What a stream plays: recordings one after another on each channel, cut into interleaved pieces on demand.
//!
//! Nothing is copied up front: all streams share the loaded clips, so a long soak of many streams stays small.

use crate::audio::{Clip, SAMPLE_RATE_HZ};
use crate::manifest::References;
use bytes::Bytes;
use std::sync::Arc;

/// One channel: clips at their places, silence between.
#[derive(Clone, Debug)]
struct Track {
    /// Start frame of each clip, ascending.
    clips: Vec<(u64, Arc<Clip>)>,
    end_frame: u64,
}

/// The whole audio of one stream.
#[derive(Clone, Debug)]
pub struct Programme {
    tracks: Vec<Track>,
    /// Frames to send.
    pub frames: u64,
    /// Whether `frames` ends inside a clip: then there is no reference for the whole.
    cut: bool,
}

/// How recordings are put together.
#[derive(Clone, Copy, Debug)]
pub struct Arrangement {
    /// Go on with the next recordings until at least this many frames are filled, whole recordings only.
    pub fill_frames: Option<u64>,
    /// Stop after this many frames, in the middle of a recording if need be.
    pub stop_frames: Option<u64>,
    /// Silence between recordings, in frames.
    pub gap_frames: u64,
    /// Channels; channel `c` of stream `s` begins with recording `s + c`.
    pub channels: u16,
}

impl Programme {
    /// Arranges the programme of stream number `stream`. `clips` must not be empty.
    pub fn new(clips: &[Arc<Clip>], stream: usize, arrangement: Arrangement) -> Self {
        let track = |channel: usize| {
            let mut placed = Vec::new();
            let mut end_frame = 0_u64;
            for turn in 0.. {
                let clip = &clips[(stream + channel + turn) % clips.len()];
                let start = if turn == 0 { 0 } else { end_frame + arrangement.gap_frames };
                placed.push((start, Arc::clone(clip)));
                end_frame = start + clip.samples.len() as u64;
                // The guard on the frame count keeps empty clips from turning for ever.
                if end_frame >= arrangement.fill_frames.unwrap_or(0) || end_frame == 0 {
                    break;
                }
            }
            Track { clips: placed, end_frame }
        };
        let tracks: Vec<Track> = (0..usize::from(arrangement.channels.max(1))).map(track).collect();
        let whole = tracks.iter().map(|track| track.end_frame).max().unwrap_or(0);
        let frames = arrangement.stop_frames.map_or(whole, |stop| stop.min(whole));
        Self { cut: frames < whole, tracks, frames }
    }

    /// Returns the number of channels.
    pub fn channels(&self) -> u16 {
        self.tracks.len() as u16
    }

    /// Returns the length in seconds.
    pub fn seconds(&self) -> f64 {
        self.frames as f64 / f64::from(SAMPLE_RATE_HZ)
    }

    /// Returns frames `from..to` as interleaved little-endian 16-bit samples, zeros where nothing plays.
    pub fn piece(&self, from: u64, to: u64) -> Bytes {
        let channels = self.tracks.len();
        let mut samples = vec![0_i16; (to - from) as usize * channels];
        for (channel, track) in self.tracks.iter().enumerate() {
            track.mix_into(&mut samples, channel, channels, from, to);
        }
        samples.iter().flat_map(|sample| sample.to_le_bytes()).collect::<Vec<u8>>().into()
    }

    /// Returns what is said on a channel; `None` when a recording has no reference or was cut.
    pub fn reference(&self, channel: u16, references: &References) -> Option<String> {
        let track = self.tracks.get(usize::from(channel)).filter(|_| !self.cut)?;
        let texts =
            track.clips.iter().map(|(_, clip)| references.of(&clip.path)).collect::<Option<Vec<_>>>()?;
        Some(texts.join(" "))
    }

    /// Returns the names of the recordings on a channel.
    pub fn names(&self, channel: u16) -> Vec<String> {
        let track = self.tracks.get(usize::from(channel));
        let clips = track.map(|track| track.clips.as_slice()).unwrap_or_default();
        clips
            .iter()
            .filter_map(|(_, clip)| Some(clip.path.file_name()?.to_string_lossy().into_owned()))
            .collect()
    }
}

impl Track {
    fn mix_into(&self, samples: &mut [i16], channel: usize, channels: usize, from: u64, to: u64) {
        let first = self.clips.partition_point(|(start, clip)| start + clip.samples.len() as u64 <= from);
        for (start, clip) in self.clips[first..].iter().take_while(|(start, _)| *start < to) {
            let (begin, end) = (from.max(*start), to.min(start + clip.samples.len() as u64));
            for frame in begin..end {
                samples[(frame - from) as usize * channels + channel] =
                    clip.samples[(frame - start) as usize];
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn clip(name: &str, samples: &[i16]) -> Arc<Clip> {
        Arc::new(Clip { path: name.into(), samples: samples.to_vec() })
    }

    fn samples(piece: &Bytes) -> Vec<i16> {
        piece.chunks_exact(2).map(|b| i16::from_le_bytes([b[0], b[1]])).collect()
    }

    const ONCE: Arrangement =
        Arrangement { fill_frames: None, stop_frames: None, gap_frames: 2, channels: 1 };

    #[test]
    fn pieces_cross_clips_and_gaps() {
        let clips = [clip("a.wav", &[1, 2, 3]), clip("b.wav", &[4, 5])];
        let programme = Programme::new(&clips, 0, Arrangement { fill_frames: Some(8), ..ONCE });
        assert_eq!(programme.frames, 12, "a, gap, b, gap, a: whole recordings until 8 are filled");
        assert_eq!(samples(&programme.piece(0, 12)), [1, 2, 3, 0, 0, 4, 5, 0, 0, 1, 2, 3]);
        assert_eq!(samples(&programme.piece(2, 6)), [3, 0, 0, 4]);
        assert_eq!(programme.names(0), ["a.wav", "b.wav", "a.wav"]);
    }

    #[test]
    fn streams_and_channels_begin_with_different_recordings() {
        let clips = [clip("a.wav", &[1, 2, 3]), clip("b.wav", &[4, 5])];
        let programme = Programme::new(&clips, 1, Arrangement { channels: 2, ..ONCE });
        assert_eq!(samples(&programme.piece(0, 3)), [4, 1, 5, 2, 0, 3]);
    }

    #[test]
    fn a_cut_recording_has_no_reference() {
        let folder = std::env::temp_dir().join(format!("sottovoce-loadtest-{}", std::process::id()));
        std::fs::create_dir_all(&folder).unwrap();
        let manifest = folder.join("manifest.jsonl");
        std::fs::write(
            &manifest,
            "{\"file\":\"x/a.wav\",\"text\":\"one\"}\n{\"file\":\"x/b.wav\",\"text\":\"two\"}\n",
        )
        .unwrap();
        let references = References::load(&manifest).unwrap();
        std::fs::remove_dir_all(&folder).unwrap();
        let clips = [clip("a.wav", &[1, 2, 3]), clip("b.wav", &[4, 5])];
        let whole = Programme::new(&clips, 0, Arrangement { fill_frames: Some(5), ..ONCE });
        assert_eq!(whole.reference(0, &references).as_deref(), Some("one two"));
        let cut = Programme::new(&clips, 0, Arrangement { stop_frames: Some(2), ..ONCE });
        assert_eq!((cut.frames, cut.reference(0, &references)), (2, None));
    }
}
