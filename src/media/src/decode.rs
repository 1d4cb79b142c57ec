//! Opens a file of untrusted bytes and decodes its first audio track, packet by packet.
//!
//! What a header claims is never believed: length is counted in decoded samples, memory and work per call are bounded, and a
//! panic of a decoder comes back as an error. Needs `panic = "unwind"`.

use crate::opus::{OPUS_RATE_HZ, OpusDecoder};
use crate::pcm::sane;
use crate::resample::{MAX_RATE_HZ, MIN_RATE_HZ};
use crate::sniff::{Container, SNIFF_BYTES, id3v2_length_bytes, sniff};
use crate::source::{BoundedSource, MediaSource, SourceWatch, read_up_to};
use crate::{MediaError, wav};
use std::io::{ErrorKind, SeekFrom};
use std::panic::{AssertUnwindSafe, catch_unwind};
use symphonia::core::codecs::CodecParameters;
use symphonia::core::codecs::audio::well_known as codec;
use symphonia::core::codecs::audio::{AudioCodecId, AudioCodecParameters, AudioDecoder, AudioDecoderOptions};
use symphonia::core::errors::Error;
use symphonia::core::formats::{FormatOptions, FormatReader, Track, TrackType};
use symphonia::core::io::MediaSourceStream;
use symphonia::core::packet::Packet;
use symphonia::default::{formats, get_codecs};

/// Packets in a row that may bring no sound (other tracks, damage) before the file is given up.
const MAX_SILENT_PACKETS: u32 = 100_000;
/// Damaged packets in a row before the file is given up: about a second of sound.
const MAX_DAMAGED_IN_A_ROW: u32 = 50;
/// The file is refused at its end if more than one in this many packets was damaged.
const DAMAGED_SHARE: u64 = 5;
/// Most channels of a file.
const MAX_CHANNELS: usize = 32;
/// Most frames that one packet may come to; real ones stay below 65,536 (FLAC).
const MAX_PACKET_FRAMES: usize = 1 << 18;
/// Most ID3 tags skipped before the sound.
const MAX_TAGS: usize = 4;

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
    track_id: u32,
    codec: Codec,
    duration_hint_s: Option<f64>,
    first: Option<Chunk>,
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

enum Codec {
    Library(Box<dyn AudioDecoder>),
    Opus(OpusDecoder),
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
    /// lasted, so that times stay right.
    ///
    /// # Errors
    /// `TooLong` once more than the allowed seconds were decoded; `Corrupt` after 50 damaged packets in a row, at the end if
    /// more than a fifth of all packets was damaged, or where nothing could be decoded. A file that just stops (cut off
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

    /// Returns the channels of the first sound.
    pub fn channels(&self) -> usize {
        self.channels
    }

    /// Returns the sampling rate of the first sound.
    pub fn sample_rate_hz(&self) -> u32 {
        self.sample_rate_hz
    }

    /// Returns the container that was recognised.
    pub fn container(&self) -> Container {
        self.container
    }

    /// Returns how many seconds were decoded so far, the waiting first chunk included.
    pub fn decoded_s(&self) -> f64 {
        self.decoded_s
    }

    fn open_unguarded(mut source: Box<dyn MediaSource>, limits: DecodeLimits) -> Result<Self, MediaError> {
        let end = source.seek(SeekFrom::End(0))?;
        let (container, base) = locate(source.as_mut(), end)?;
        let (header, start, end) = match container {
            Container::Wav => {
                let sound = wav::find_sound(source.as_mut(), base, end)?;
                (sound.header, sound.start, sound.end)
            }
            _ => (Vec::new(), base, end),
        };
        let (source, watch) = BoundedSource::new(source, header, start, end);
        let stream = MediaSourceStream::new(Box::new(source), Default::default());
        let reader = open_container(container, stream).map_err(|error| refusal(error, &watch))?;
        let (track_id, codec, duration_hint_s) = choose_track(reader.as_ref())?;
        let mut decoder = Self {
            reader,
            watch,
            container,
            limits,
            track_id,
            codec,
            duration_hint_s,
            first: None,
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
        let Some(first) = decoder.next_unguarded()? else {
            return Err(MediaError::Corrupt { what: "there is no sound in it" });
        };
        decoder.channels = first.channels;
        decoder.sample_rate_hz = first.sample_rate_hz;
        decoder.first = Some(first);
        Ok(decoder)
    }

    fn next_unguarded(&mut self) -> Result<Option<Chunk>, MediaError> {
        if let Some(first) = self.first.take() {
            return Ok(Some(first));
        }
        for _ in 0..MAX_SILENT_PACKETS {
            if self.ended {
                return self.end();
            }
            self.watch.refill();
            match self.reader.next_packet() {
                Ok(Some(packet)) if packet.track_id == self.track_id => {
                    if let Some(chunk) = self.decode(&packet)? {
                        return self.count(chunk).map(Some);
                    }
                }
                Ok(Some(_)) => {}
                Ok(None) => self.ended = true,
                // A chained Ogg stream begins anew, perhaps with another codec.
                Err(Error::ResetRequired) => {
                    let (track_id, codec, _) = choose_track(self.reader.as_ref())?;
                    (self.track_id, self.codec) = (track_id, codec);
                }
                Err(error) => match refusal(error, &self.watch) {
                    MediaError::Corrupt { what: CUT_OFF } => self.ended = true,
                    other => return Err(other),
                },
            }
        }
        Err(MediaError::Corrupt { what: "it holds endless packets without sound" })
    }

    /// Decodes one packet; `None` if it holds no sound of its own or came before any that does.
    fn decode(&mut self, packet: &Packet) -> Result<Option<Chunk>, MediaError> {
        let decoded = match &mut self.codec {
            Codec::Opus(decoder) => {
                // Only Ogg counts the trimmed end in samples of 48 kHz.
                let trim = if self.container == Container::Ogg { packet.trim_end.get() } else { 0 };
                let trim_frames = usize::try_from(trim).unwrap_or(usize::MAX);
                decoder.decode(&packet.data, trim_frames).ok().map(|samples| Chunk {
                    samples,
                    channels: decoder.channels(),
                    sample_rate_hz: OPUS_RATE_HZ,
                })
            }
            Codec::Library(decoder) => match decoder.decode(packet) {
                Ok(buffer) => {
                    let mut samples = Vec::new();
                    if buffer.frames() <= MAX_PACKET_FRAMES && buffer.num_planes() <= MAX_CHANNELS {
                        buffer.copy_to_vec_interleaved(&mut samples);
                    }
                    Some(Chunk {
                        samples,
                        channels: buffer.num_planes(),
                        sample_rate_hz: buffer.spec().rate(),
                    })
                }
                Err(_) => None,
            },
        };
        match decoded {
            Some(chunk) => {
                self.good_packets += 1;
                self.damaged_in_a_row = 0;
                if chunk.samples.is_empty() {
                    return Ok(None);
                }
                self.last_frames = chunk.frames();
                self.channels = chunk.channels;
                self.sample_rate_hz = chunk.sample_rate_hz;
                Ok(Some(chunk))
            }
            None => {
                self.damaged_packets += 1;
                self.damaged_in_a_row += 1;
                if self.damaged_in_a_row > MAX_DAMAGED_IN_A_ROW {
                    return Err(MediaError::Corrupt { what: "a long part of it cannot be decoded" });
                }
                Ok((self.last_frames > 0).then(|| Chunk {
                    samples: vec![0.0; self.last_frames * self.channels],
                    channels: self.channels,
                    sample_rate_hz: self.sample_rate_hz,
                }))
            }
        }
    }

    /// Counts what was decoded against the limits.
    fn count(&mut self, mut chunk: Chunk) -> Result<Chunk, MediaError> {
        if chunk.channels > MAX_CHANNELS {
            return Err(MediaError::Unsupported {
                what: format!("a recording of {} channels", chunk.channels),
            });
        }
        if !(MIN_RATE_HZ..=MAX_RATE_HZ).contains(&chunk.sample_rate_hz) {
            let what = format!("a sampling rate of {} Hz", chunk.sample_rate_hz);
            return Err(MediaError::Unsupported { what });
        }
        self.decoded_s += chunk.frames() as f64 / f64::from(chunk.sample_rate_hz);
        if self.decoded_s > self.limits.max_duration_s as f64 {
            return Err(MediaError::TooLong { max_s: self.limits.max_duration_s });
        }
        chunk.samples.iter_mut().for_each(|sample| *sample = sane(*sample));
        Ok(chunk)
    }

    /// Judges the whole at its end.
    fn end(&self) -> Result<Option<Chunk>, MediaError> {
        if self.good_packets == 0 || self.decoded_s == 0.0 {
            return Err(MediaError::Corrupt { what: "no sound in it can be decoded" });
        }
        if self.damaged_packets * DAMAGED_SHARE > self.good_packets + self.damaged_packets {
            return Err(MediaError::Corrupt { what: "much of it cannot be decoded" });
        }
        Ok(None)
    }
}

const PANICKED: MediaError = MediaError::Corrupt { what: "its structure makes no sense" };
/// Marks the one failure that ends a file without spoiling what came before.
const CUT_OFF: &str = "it is cut off";

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

/// Opens the one demuxer that the magic bytes call for; nothing is probed, so nothing else can be reached.
fn open_container(
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

/// Chooses the first audio track that can be decoded and opens its decoder.
fn choose_track(reader: &dyn FormatReader) -> Result<(u32, Codec, Option<f64>), MediaError> {
    let mut refused = None;
    for track in reader.tracks() {
        let parameters = match &track.codec_params {
            Some(CodecParameters::Audio(parameters)) => parameters,
            Some(_) => continue,
            None => {
                refused.get_or_insert(MediaError::UnsupportedCodec { name: "an unknown codec" });
                continue;
            }
        };
        match open_codec(parameters) {
            Ok(codec) => return Ok((track.id, codec, announced_s(reader, track))),
            Err(error) => {
                refused.get_or_insert(error);
            }
        }
    }
    // A film whose picture codec is unknown, and that has no sound, is a film without sound.
    let has_picture = reader.tracks().iter().any(|track| track.track_type() == Some(TrackType::Video));
    match refused {
        Some(MediaError::UnsupportedCodec { name: "an unknown codec" }) if has_picture => {
            Err(MediaError::NoAudio)
        }
        Some(error) => Err(error),
        None => Err(MediaError::NoAudio),
    }
}

fn open_codec(parameters: &AudioCodecParameters) -> Result<Codec, MediaError> {
    let channels = parameters.channels.as_ref().map(|channels| channels.count());
    if let Some(count) = channels.filter(|count| *count > MAX_CHANNELS) {
        return Err(MediaError::Unsupported { what: format!("a recording of {count} channels") });
    }
    if parameters.max_frames_per_packet.is_some_and(|frames| frames > MAX_PACKET_FRAMES as u64) {
        return Err(MediaError::Corrupt { what: "its packets claim to be endless" });
    }
    if parameters.codec == codec::CODEC_ID_OPUS {
        return OpusDecoder::open(parameters.extra_data.as_deref(), channels).map(Codec::Opus);
    }
    if get_codecs().get_audio_decoder(parameters.codec).is_none() {
        return Err(MediaError::UnsupportedCodec { name: codec_name(parameters.codec) });
    }
    get_codecs().make_audio_decoder(parameters, &AudioDecoderOptions::default()).map(Codec::Library).map_err(
        |error| match error {
            Error::Unsupported(_) => {
                MediaError::Unsupported { what: format!("this variant of {}", codec_name(parameters.codec)) }
            }
            _ => MediaError::Corrupt { what: "its codec header is invalid" },
        },
    )
}

fn announced_s(reader: &dyn FormatReader, track: &Track) -> Option<f64> {
    let seconds = |ticks: u64, base: symphonia::core::units::TimeBase| {
        ticks as f64 * f64::from(base.numer.get()) / f64::from(base.denom.get())
    };
    let of_track = track.duration.zip(track.time_base).map(|(ticks, base)| seconds(ticks.get(), base));
    let media = reader.media_info();
    let of_media = media.duration.zip(media.time_base).map(|(ticks, base)| seconds(ticks.get(), base));
    of_track.or(of_media).filter(|hint| hint.is_finite() && *hint > 0.0)
}

/// Turns a demuxer's failure into ours.
fn refusal(error: Error, watch: &SourceWatch) -> MediaError {
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

/// Returns the common name of a codec.
fn codec_name(id: AudioCodecId) -> &'static str {
    match id {
        codec::CODEC_ID_AAC => "AAC",
        codec::CODEC_ID_AC3 => "AC-3",
        codec::CODEC_ID_EAC3 => "E-AC-3",
        codec::CODEC_ID_AC4 => "AC-4",
        codec::CODEC_ID_ALAC => "ALAC",
        codec::CODEC_ID_DCA => "DTS",
        codec::CODEC_ID_FLAC => "FLAC",
        codec::CODEC_ID_MP1 => "MP1",
        codec::CODEC_ID_MP2 => "MP2",
        codec::CODEC_ID_MP3 => "MP3",
        codec::CODEC_ID_SPEEX => "Speex",
        codec::CODEC_ID_TRUEHD => "TrueHD",
        codec::CODEC_ID_TTA => "TTA",
        codec::CODEC_ID_VORBIS => "Vorbis",
        codec::CODEC_ID_WAVPACK => "WavPack",
        codec::CODEC_ID_WMA => "Windows Media Audio",
        _ => "an unknown codec",
    }
}
