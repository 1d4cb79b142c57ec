//! Opens a file of untrusted bytes and decodes its first audio track, packet by packet.
//!
//! What a header claims is never believed: length is counted in decoded samples, memory and work per call are bounded, and a
//! panic of a decoder comes back as an error. Needs `panic = "unwind"`.

use crate::MediaError;
use crate::container::{CUT_OFF, Opened, open, refusal};
use crate::pcm::sane;
use crate::resample::{MAX_RATE_HZ, MIN_RATE_HZ};
use crate::sniff::Container;
use crate::source::{MediaSource, SourceWatch};
use crate::timeline::Timeline;
use crate::track::{AudioTrack, choose_track};
use std::panic::{AssertUnwindSafe, catch_unwind};
use symphonia::core::errors::Error;
use symphonia::core::formats::FormatReader;
use symphonia::core::packet::Packet;

/// Packets in a row that may bring no sound (other tracks, damage) before the file is given up.
const MAX_SILENT_PACKETS: u32 = 100_000;
/// Damaged packets in a row before the file is given up: about a second of sound.
const MAX_DAMAGED_IN_A_ROW: u32 = 50;
/// The file is refused at its end if more than one in this many packets was damaged,
const DAMAGED_SHARE: u64 = 5;
/// and at least this many were.
const MIN_DAMAGED: u64 = 5;
/// What a decoder may do.
#[derive(Clone, Copy, Debug)]
pub struct DecodeLimits {
    /// Most seconds of sound that are decoded before the file is refused as too long.
    pub max_duration_s: u64,
}

/// Sound as it was recorded.
#[derive(Clone, PartialEq, Debug)]
pub struct Chunk {
    /// Samples of -1..1, channels interleaved.
    pub samples: Vec<f32>,
    /// Channels in `samples`.
    pub channels: usize,
    /// Samples per second and channel; may differ from the chunk before.
    pub sample_rate_hz: u32,
}

impl Chunk {
    /// Returns the samples per channel.
    pub fn frames(&self) -> usize {
        self.samples.len() / self.channels
    }
}

/// A file being decoded.
pub struct Decoder {
    reader: Box<dyn FormatReader>,
    watch: SourceWatch,
    container: Container,
    limits: DecodeLimits,
    track: AudioTrack,
    timeline: Timeline,
    duration_hint_s: Option<f64>,
    /// Silence to return before `waiting`, in frames.
    owed_silence: usize,
    waiting: Option<Chunk>,
    channels: usize,
    sample_rate_hz: u32,
    decoded_s: f64,
    last_frames: usize,
    good_packets: u64,
    damaged_packets: u64,
    damaged_in_a_row: u32,
    ended: bool,
    broken: bool,
}

impl Decoder {
    /// Opens a file by its content and decodes up to its first sound.
    ///
    /// # Errors
    /// Every [`MediaError`]; `Io` only where the source itself failed.
    pub fn open(source: impl MediaSource + 'static, limits: DecodeLimits) -> Result<Self, MediaError> {
        let source: Box<dyn MediaSource> = Box::new(source);
        catch_unwind(AssertUnwindSafe(|| Self::open_unguarded(source, limits))).unwrap_or(Err(PANICKED))
    }

    /// Returns the next sound, `None` at the end. A damaged packet is replaced by as much silence as the packet before
    /// lasted, and a gap of up to 30 s in the container's clock by silence too, so that times stay right.
    ///
    /// # Errors
    /// `TooLong` once more than the allowed seconds were decoded; `Corrupt` after 50 damaged packets in a row, at the end if
    /// more than a fifth of all packets (and five or more) was damaged, or where nothing could be decoded. A file that just stops (cut off
    /// while sending) ends there without an error. After an error every further call fails too.
    pub fn next_chunk(&mut self) -> Result<Option<Chunk>, MediaError> {
        if self.broken {
            return Err(MediaError::Corrupt { what: "decoding failed before" });
        }
        let result = catch_unwind(AssertUnwindSafe(|| self.next_unguarded())).unwrap_or(Err(PANICKED));
        self.broken = result.is_err();
        result
    }

    /// Returns the announced length in seconds, if there is one. Good for showing progress, for nothing else.
    pub fn duration_hint_s(&self) -> Option<f64> {
        self.duration_hint_s
    }

    /// Returns the channels of the last sound returned, or of the first one before.
    pub fn channels(&self) -> usize {
        self.channels
    }

    /// Returns the sampling rate of the last sound returned, or of the first one before.
    pub fn sample_rate_hz(&self) -> u32 {
        self.sample_rate_hz
    }

    /// Returns the container that was recognised.
    pub fn container(&self) -> Container {
        self.container
    }

    /// Returns how many seconds were decoded so far, a waiting chunk included.
    pub fn decoded_s(&self) -> f64 {
        self.decoded_s
    }

    fn open_unguarded(source: Box<dyn MediaSource>, limits: DecodeLimits) -> Result<Self, MediaError> {
        let Opened { container, reader, watch } = open(source)?;
        let track = choose_track(reader.as_ref())?;
        let mut decoder = Self {
            duration_hint_s: track.announced_s,
            reader,
            watch,
            container,
            limits,
            track,
            timeline: Timeline::default(),
            owed_silence: 0,
            waiting: None,
            channels: 1,
            sample_rate_hz: 0,
            decoded_s: 0.0,
            last_frames: 0,
            good_packets: 0,
            damaged_packets: 0,
            damaged_in_a_row: 0,
            ended: false,
            broken: false,
        };
        // What the sound really is shows only in its first packet: headers of AAC and of films often differ.
        decoder.waiting = decoder.next_unguarded()?;
        Ok(decoder)
    }

    fn next_unguarded(&mut self) -> Result<Option<Chunk>, MediaError> {
        for _ in 0..MAX_SILENT_PACKETS {
            if self.owed_silence > 0 {
                let frames = self.owed_silence.min(self.sample_rate_hz as usize);
                self.owed_silence -= frames;
                return Ok(Some(self.silence(frames)));
            }
            if let Some(chunk) = self.waiting.take() {
                self.channels = chunk.channels;
                self.sample_rate_hz = chunk.sample_rate_hz;
                return Ok(Some(chunk));
            }
            if self.ended {
                return self.end();
            }
            self.watch.refill();
            match self.reader.next_packet() {
                Ok(Some(packet)) if packet.track_id == self.track.id => self.take(&packet)?,
                Ok(Some(_)) => {}
                Ok(None) => self.ended = true,
                // A chained Ogg stream begins anew, perhaps with another codec.
                Err(Error::ResetRequired) => {
                    self.track = choose_track(self.reader.as_ref())?;
                    self.timeline.restart();
                }
                Err(error) => match refusal(error, &self.watch) {
                    MediaError::Corrupt { what: CUT_OFF } => self.ended = true,
                    other => return Err(other),
                },
            }
        }
        Err(MediaError::Corrupt { what: "it holds endless packets without sound" })
    }

    /// Decodes one packet into `waiting`, behind the silence that is missing before it.
    fn take(&mut self, packet: &Packet) -> Result<(), MediaError> {
        let Some(mut chunk) = self.track.decode(packet) else { return self.take_damaged() };
        self.good_packets += 1;
        self.damaged_in_a_row = 0;
        if chunk.samples.is_empty() {
            return Ok(());
        }
        if !(MIN_RATE_HZ..=MAX_RATE_HZ).contains(&chunk.sample_rate_hz) {
            let what = format!("a sampling rate of {} Hz", chunk.sample_rate_hz);
            return Err(MediaError::Unsupported { what });
        }
        let packet_s = self.track.time_s(packet);
        let missing_s = packet_s.map_or(0.0, |packet_s| self.timeline.missing_s(packet_s, self.decoded_s));
        if self.last_frames > 0 {
            self.owed_silence = (missing_s * f64::from(self.sample_rate_hz)) as usize;
            self.count(self.owed_silence, self.sample_rate_hz)?;
        }
        self.last_frames = chunk.frames();
        self.count(chunk.frames(), chunk.sample_rate_hz)?;
        chunk.samples.iter_mut().for_each(|sample| *sample = sane(*sample));
        self.waiting = Some(chunk);
        Ok(())
    }

    /// Puts silence in the place of a damaged packet, unless nothing was heard yet.
    fn take_damaged(&mut self) -> Result<(), MediaError> {
        self.damaged_packets += 1;
        self.damaged_in_a_row += 1;
        if self.damaged_in_a_row > MAX_DAMAGED_IN_A_ROW {
            return Err(MediaError::Corrupt { what: "a long part of it cannot be decoded" });
        }
        if self.last_frames > 0 {
            self.count(self.last_frames, self.sample_rate_hz)?;
            self.waiting = Some(self.silence(self.last_frames));
        }
        Ok(())
    }

    fn silence(&self, frames: usize) -> Chunk {
        let (channels, sample_rate_hz) = (self.channels, self.sample_rate_hz);
        Chunk { samples: vec![0.0; frames * channels], channels, sample_rate_hz }
    }

    /// Counts decoded sound against the limit.
    fn count(&mut self, frames: usize, sample_rate_hz: u32) -> Result<(), MediaError> {
        self.decoded_s += frames as f64 / f64::from(sample_rate_hz);
        if self.decoded_s > self.limits.max_duration_s as f64 {
            return Err(MediaError::TooLong { max_s: self.limits.max_duration_s });
        }
        Ok(())
    }

    /// Judges the whole at its end.
    fn end(&self) -> Result<Option<Chunk>, MediaError> {
        if self.good_packets == 0 || self.decoded_s == 0.0 {
            return Err(MediaError::Corrupt { what: "no sound in it can be decoded" });
        }
        let packets = self.good_packets + self.damaged_packets;
        if self.damaged_packets >= MIN_DAMAGED && self.damaged_packets * DAMAGED_SHARE > packets {
            return Err(MediaError::Corrupt { what: "much of it cannot be decoded" });
        }
        Ok(None)
    }
}

const PANICKED: MediaError = MediaError::Corrupt { what: "its structure makes no sense" };
