//! Every supported format decodes to the tones that were put into it, at the right time and with the right length.

mod common;

use common::{LIMITS, decode, fixture, tone, wav16};
use sottovoce_media::{Container, Decoder, MediaError, MonoReader};
use std::io::Cursor;

/// Start of the sound: at once, or late by the silence that an AAC encoder begins with (1024 samples), which the demuxer
/// does not cut.
#[derive(Clone, Copy)]
enum Start {
    Exact,
    Primed,
}

#[test]
fn every_format_gives_the_tones_that_were_put_in() {
    use Start::{Exact, Primed};
    for (name, container, rate_hz, channels, start) in [
        ("stereo_44k.mp3", Container::Mp3, 44_100, 2, Exact),
        ("mono_16k.mp3", Container::Mp3, 16_000, 1, Exact),
        ("stereo_44k.m4a", Container::Mp4, 44_100, 2, Primed),
        ("fragmented_48k.mp4", Container::Mp4, 48_000, 1, Primed),
        ("film_44k.mov", Container::Mp4, 44_100, 1, Primed),
        ("mono_22k.aac", Container::Adts, 22_050, 1, Primed),
        ("mono_8k_alac.m4a", Container::Mp4, 8_000, 1, Exact),
        ("stereo_44k.ogg", Container::Ogg, 44_100, 2, Exact),
        ("mono_8k.flac", Container::Flac, 8_000, 1, Exact),
        ("mono_8k_adpcm.wav", Container::Wav, 8_000, 1, Exact),
        ("mono_8k_mulaw.wav", Container::Wav, 8_000, 1, Exact),
        ("mono_silk.opus", Container::Ogg, 48_000, 1, Exact),
        ("mono_hybrid.opus", Container::Ogg, 48_000, 1, Exact),
        ("mono_celt.opus", Container::Ogg, 48_000, 1, Exact),
        ("stereo_opus.webm", Container::Matroska, 48_000, 2, Exact),
        ("live_opus.webm", Container::Matroska, 48_000, 1, Exact),
        ("stereo_opus.mp4", Container::Mp4, 48_000, 2, Exact),
    ] {
        let opened =
            Decoder::open(Cursor::new(fixture(name)), LIMITS).unwrap_or_else(|e| panic!("{name}: {e}"));
        assert_eq!(opened.container(), container, "{name}");
        let decoded = decode(fixture(name), LIMITS).unwrap_or_else(|error| panic!("{name}: {error}"));
        assert_eq!((decoded.rate_hz, decoded.channels.len()), (rate_hz, channels), "{name}");
        assert!((decoded.seconds() - 2.0).abs() < 0.15, "{name}: {} s", decoded.seconds());
        for (samples, tone_hz) in decoded.channels.iter().zip([440.0, 1000.0]) {
            let found = tone(samples, rate_hz, tone_hz);
            println!("{name} {:.3} s, hint {:?}: {found:?}", decoded.seconds(), decoded.hint_s);
            assert!(found.purity > 0.97, "{name} {tone_hz} Hz: {found:?}");
            assert!((found.amplitude - 0.5).abs() < 0.05, "{name} {tone_hz} Hz: {found:?}");
            if matches!(start, Start::Exact) {
                assert!(found.phase.abs() < 0.2, "{name} {tone_hz} Hz: {found:?}");
            }
        }
        if let Some(hint_s) = decoded.hint_s {
            assert!((hint_s - 2.0).abs() < 0.15, "{name}: announces {hint_s} s");
        }
    }
}

#[test]
fn the_mono_reader_mixes_resamples_and_cuts_into_seconds() {
    for (name, exact) in [("stereo_44k.ogg", true), ("stereo_opus.webm", true), ("mono_8k.flac", true)] {
        let mut reader = MonoReader::open(Cursor::new(fixture(name)), LIMITS).expect("opens");
        let mut samples = Vec::new();
        while let Some(piece) = reader.next().expect("decodes") {
            assert!(!piece.is_empty() && piece.len() <= 16_000, "{name}");
            samples.extend(piece);
        }
        assert!(reader.next().expect("stays at the end").is_none());
        assert!((samples.len() as f64 / 16_000.0 - reader.decoded_s()).abs() < 0.001, "{name}");
        let found = tone(&samples, 16_000, 440.0);
        let share = if name.starts_with("stereo") { 0.25 } else { 0.5 };
        assert!((found.amplitude - share).abs() < 0.03, "{name}: {found:?}");
        assert!(!exact || found.phase.abs() < 0.2, "{name}: {found:?}");
    }
}

#[test]
fn a_chained_stream_with_another_rate_goes_on() {
    let decoded = decode(fixture("chained.opus"), LIMITS).expect("decodes");
    assert!((decoded.seconds() - 4.0).abs() < 0.1, "{} s", decoded.seconds());
    let second = &decoded.channels[0][96_000..];
    assert!(tone(second, 48_000, 440.0).purity > 0.97);
}

#[test]
fn wav_of_every_width_is_read() {
    let samples: Vec<f64> = (0..16_000)
        .map(|n| 0.5 * (2.0 * std::f64::consts::PI * 440.0 * f64::from(n) / 8000.0).sin())
        .collect();
    for (format, bits) in [(1u16, 8u16), (1, 16), (1, 24), (1, 32), (3, 32), (3, 64), (6, 8), (7, 8)] {
        let mut file = wav16(&[], 1, 8000, 0);
        file[20..22].copy_from_slice(&format.to_le_bytes());
        file[28..32].copy_from_slice(&(8000 * u32::from(bits) / 8).to_le_bytes());
        file[32..34].copy_from_slice(&(bits / 8).to_le_bytes());
        file[34..36].copy_from_slice(&bits.to_le_bytes());
        for sample in &samples {
            let whole = (sample * 2_147_483_647.0) as i32;
            match (format, bits) {
                (1, 8) => file.push(((whole >> 24) + 128) as u8),
                (1, _) => file.extend(&whole.to_le_bytes()[4 - usize::from(bits) / 8..]),
                (3, 32) => file.extend((*sample as f32).to_le_bytes()),
                (3, _) => file.extend(sample.to_le_bytes()),
                // Any code will do for G.711: what they mean is tested with the tables.
                _ => file.push(0xD5),
            }
        }
        let decoded = decode(file, LIMITS).unwrap_or_else(|error| panic!("{format} {bits}: {error}"));
        assert_eq!(decoded.channels[0].len(), 16_000, "{format} {bits}");
        if format < 6 {
            let found = tone(&decoded.channels[0], 8000, 440.0);
            assert!(found.purity > 0.99 && found.phase.abs() < 0.01, "{format} {bits}: {found:?}");
        }
    }
}

#[test]
fn lengths_that_lie_do_not_matter() {
    let samples = vec![1000i16; 8000];
    for (claimed, frames) in [
        (0, 8000),
        (8000, 4000),
        (15_999, 7999),
        (16_000, 8000),
        (16_001, 8000),
        (4_000_000_000, 8000),
        (u32::MAX, 8000),
    ] {
        let decoded = decode(wav16(&samples, 1, 8000, claimed), LIMITS).expect("decodes");
        assert_eq!(decoded.channels[0].len(), frames, "claims {claimed}");
        assert!((decoded.hint_s.expect("known") - frames as f64 / 8000.0).abs() < 0.001, "claims {claimed}");
    }
    // One byte is no sample.
    assert!(matches!(decode(wav16(&samples, 1, 8000, 1), LIMITS), Err(MediaError::Corrupt { .. })));
    let mut rf64 = wav16(&samples, 1, 8000, u32::MAX);
    rf64[..4].copy_from_slice(b"RF64");
    rf64[4..8].fill(0xFF);
    // The riff size, the data size, the sample count, and no table.
    let ds64 = [&b"ds64"[..], &28u32.to_le_bytes(), &[0; 8], &12_000u64.to_le_bytes(), &[0; 12]].concat();
    rf64.splice(12..12, ds64);
    assert_eq!(decode(rf64, LIMITS).expect("decodes").channels[0].len(), 6000);
}

#[test]
fn tags_before_mp3_are_skipped_however_long() {
    let plain = fixture("mono_16k.mp3");
    let expected = decode(plain.clone(), LIMITS).expect("decodes").channels;
    // A tag of 300,000 bytes (a picture, say), then zero padding.
    let mut tagged = b"ID3\x04\0\0\x00\x12\x27\x60".to_vec();
    tagged.resize(10 + 300_000, 0x55);
    tagged.extend([0; 100]);
    tagged.extend(plain);
    assert_eq!(decode(tagged, LIMITS).expect("decodes").channels, expected);
}

#[test]
fn files_without_sound_and_foreign_codecs_are_refused_by_name() {
    for name in ["video_only.mp4", "video_only.webm"] {
        let error = Decoder::open(Cursor::new(fixture(name)), LIMITS).err().expect("has no sound");
        assert!(matches!(error, MediaError::NoAudio), "{name}: {error:?}");
        assert_eq!(error.code(), "no_audio");
    }
    let error = Decoder::open(Cursor::new(fixture("ac3.mp4")), LIMITS).err().expect("unsupported");
    assert!(matches!(error, MediaError::UnsupportedCodec { name: "AC-3" }), "{error:?}");
    assert_eq!(error.code(), "media_unsupported");
}

#[test]
fn a_failing_store_is_not_the_files_fault() {
    struct Failing(Cursor<Vec<u8>>);
    impl std::io::Read for Failing {
        fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
            if self.0.position() > 8000 {
                return Err(std::io::Error::other("disk on fire"));
            }
            self.0.read(buffer)
        }
    }
    impl std::io::Seek for Failing {
        fn seek(&mut self, to: std::io::SeekFrom) -> std::io::Result<u64> {
            self.0.seek(to)
        }
    }
    let mut decoder =
        Decoder::open(Failing(Cursor::new(wav16(&[0; 80_000], 1, 8000, 160_000))), LIMITS).expect("opens");
    let error = loop {
        match decoder.next_chunk() {
            Ok(Some(_)) => {}
            Ok(None) => panic!("must fail"),
            Err(error) => break error,
        }
    };
    assert!(matches!(error, MediaError::Io(_)), "{error:?}");
}
