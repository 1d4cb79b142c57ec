//! Chooses the audio track of a file and turns its packets into samples.

use crate::MediaError;
use crate::decode::Chunk;
use crate::opus::{OPUS_RATE_HZ, OpusDecoder};
use symphonia::core::codecs::CodecParameters;
use symphonia::core::codecs::audio::well_known as codec;
use symphonia::core::codecs::audio::{AudioCodecId, AudioCodecParameters, AudioDecoder, AudioDecoderOptions};
use symphonia::core::errors::Error;
use symphonia::core::formats::{FormatReader, Track, TrackType};
use symphonia::core::packet::Packet;
use symphonia::core::units::TimeBase;
use symphonia::default::get_codecs;

/// Most channels of a file.
pub(crate) const MAX_CHANNELS: usize = 32;
/// Most frames that one packet may come to; real ones stay below 65,536 (FLAC).
const MAX_PACKET_FRAMES: usize = 1 << 18;

/// The track that is decoded.
pub(crate) struct AudioTrack {
    /// Its number in the container.
    pub id: u32,
    /// Length that the container announces.
    pub announced_s: Option<f64>,
    time_base: Option<TimeBase>,
    codec: Codec,
}

enum Codec {
    Library(Box<dyn AudioDecoder>),
    Opus(Box<OpusDecoder>),
}

impl AudioTrack {
    /// Decodes one packet; `None` if it is damaged.
    pub fn decode(&mut self, packet: &Packet) -> Option<Chunk> {
        match &mut self.codec {
            Codec::Opus(decoder) => {
                let trim_s = self.time_base.map_or(0.0, |base| seconds(packet.trim_end.get() as f64, base));
                let trim_frames = (trim_s * f64::from(OPUS_RATE_HZ)).round() as usize;
                let samples = decoder.decode(&packet.data, trim_frames).ok()?;
                Some(Chunk { samples, channels: decoder.channels(), sample_rate_hz: OPUS_RATE_HZ })
            }
            Codec::Library(decoder) => {
                let buffer = decoder.decode(packet).ok()?;
                let channels = buffer.num_planes();
                if buffer.frames() > MAX_PACKET_FRAMES || !(1..=MAX_CHANNELS).contains(&channels) {
                    return None;
                }
                let mut samples = Vec::new();
                buffer.copy_to_vec_interleaved(&mut samples);
                Some(Chunk { samples, channels, sample_rate_hz: buffer.spec().rate() })
            }
        }
    }

    /// Returns where in time a packet belongs, in seconds of the container's clock.
    pub fn time_s(&self, packet: &Packet) -> Option<f64> {
        self.time_base.map(|base| seconds(packet.pts.get() as f64, base))
    }
}

fn seconds(ticks: f64, base: TimeBase) -> f64 {
    ticks * f64::from(base.numer.get()) / f64::from(base.denom.get())
}

/// Chooses the first audio track that can be decoded and opens its decoder.
pub(crate) fn choose_track(reader: &dyn FormatReader) -> Result<AudioTrack, MediaError> {
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
            Ok(codec) => {
                let (announced_s, time_base) = (announced_s(reader, track), track.time_base);
                return Ok(AudioTrack { id: track.id, announced_s, time_base, codec });
            }
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
        return OpusDecoder::open(parameters.extra_data.as_deref(), channels)
            .map(|decoder| Codec::Opus(Box::new(decoder)));
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
    let of_track = track.duration.zip(track.time_base).map(|(ticks, base)| seconds(ticks.get() as f64, base));
    let media = reader.media_info();
    let of_media = media.duration.zip(media.time_base).map(|(ticks, base)| seconds(ticks.get() as f64, base));
    of_track.or(of_media).filter(|hint| hint.is_finite() && *hint > 0.0)
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
