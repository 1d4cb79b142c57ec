//! Damaged, cut, lying and malicious files: every one ends, within bounds, in sound or in a documented error.

mod common;

use common::flac::flac_silence;
use common::{LIMITS, Rng, decode, fixture, tone, wav16};
use sottovoce_media::{DecodeLimits, Decoder, MediaError, MonoReader};
use std::io::Cursor;

const FIXTURES: [&str; 20] = [
    "ac3.mp4",
    "chained.opus",
    "film_44k.mov",
    "fragmented_48k.mp4",
    "live_opus.webm",
    "mono_16k.mp3",
    "mono_22k.aac",
    "mono_8k.flac",
    "mono_8k_adpcm.wav",
    "mono_8k_alac.m4a",
    "mono_8k_mulaw.wav",
    "mono_celt.opus",
    "mono_hybrid.opus",
    "mono_silk.opus",
    "stereo_44k.m4a",
    "stereo_44k.mp3",
    "stereo_44k.ogg",
    "stereo_opus.mp4",
    "stereo_opus.webm",
    "video_only.webm",
];

/// Reads a file to its end as 16 kHz mono and returns its seconds.
fn read(bytes: Vec<u8>, limits: DecodeLimits) -> Result<f64, MediaError> {
    let mut reader = MonoReader::open(Cursor::new(bytes), limits)?;
    let mut samples = 0;
    while let Some(piece) = reader.next()? {
        assert!(!piece.is_empty() && piece.iter().all(|sample| sample.is_finite()));
        samples += piece.len();
        assert!(samples as u64 <= (limits.max_duration_s + 1) * 16_000, "decoded more than was allowed");
    }
    Ok(samples as f64 / 16_000.0)
}

fn damage(bytes: &mut Vec<u8>, rng: &mut Rng) {
    let length = bytes.len();
    let at = rng.below(length);
    let span = (1 + rng.below(200)).min(length - at);
    match rng.below(8) {
        0 | 1 => {
            for _ in 0..1 + rng.below(16) {
                let place = rng.below(length);
                bytes[place] ^= 1 << rng.below(8);
            }
        }
        // Lengths, counts and offsets that lie, mostly in the header.
        2 | 3 => {
            let header = rng.below(length.min(1500));
            let lie = [0u32, 1, 0x7FFF_FFFF, 0x8000_0000, 0xFFFF_FFFF, 0xFFFF_FFFE][rng.below(6)];
            for (byte, lie) in bytes[header..].iter_mut().zip(lie.to_be_bytes()) {
                *byte = lie;
            }
        }
        4 => bytes.truncate(at.max(1)),
        5 => drop(bytes.drain(at..at + span)),
        6 => {
            let copy = bytes[at..at + span].to_vec();
            bytes.splice(at..at, copy.iter().copied().cycle().take(span * (1 + rng.below(20))));
        }
        _ => bytes[at..at + span].iter_mut().for_each(|byte| *byte = rng.next() as u8),
    }
    if bytes.is_empty() {
        bytes.push(0);
    }
}

/// Set `MEDIA_MUTATIONS` and `MEDIA_SEED` for long or other runs.
#[test]
fn mutated_files_end_in_sound_or_a_documented_error() {
    let setting = |name: &str, default| std::env::var(name).map_or(default, |v| v.parse().expect("a number"));
    let (rounds, seed) = (setting("MEDIA_MUTATIONS", 300), setting("MEDIA_SEED", 20_240_517));
    println!("seed {seed}, {rounds} rounds");
    let mut rng = Rng(seed);
    let (mut sound, mut refused) = (0, 0);
    for round in 0..rounds {
        let name = FIXTURES[round as usize % FIXTURES.len()];
        let mut bytes = fixture(name);
        for _ in 0..1 + rng.below(3) {
            damage(&mut bytes, &mut rng);
        }
        match read(bytes, LIMITS) {
            Ok(_) => sound += 1,
            Err(MediaError::Io(error)) => {
                panic!("round {round}, {name}: the file was blamed on the store: {error}")
            }
            Err(error) => {
                println!("round {round}, {name}: {error}");
                refused += 1;
            }
        }
    }
    println!("{sound} gave sound, {refused} were refused");
    // Both ways out were taken, or the damage tests nothing.
    assert!(sound > 0 && refused > 0);
}

#[test]
fn cut_files_give_what_they_hold() {
    for name in FIXTURES {
        let whole = fixture(name);
        let mut longest = 0.0f64;
        for tenth in 0..10 {
            match read(whole[..whole.len() * tenth / 10].to_vec(), LIMITS) {
                Ok(seconds) => longest = longest.max(seconds),
                Err(MediaError::Empty) => assert_eq!(tenth, 0),
                Err(error) => {
                    assert_ne!(error.code(), "internal", "{name} at {tenth}0 %: {error}");
                }
            }
        }
        // Formats that can be read from the front do not lose what came before the cut; MP4 has its index at the end.
        let streams = ["opus", "ogg", "webm", "mp3", "aac", "flac", "wav"];
        if streams.iter().any(|end| name.ends_with(end)) && !name.starts_with("video") {
            assert!(longest > 0.9, "{name}: only {longest} s");
        }
    }
}

#[test]
fn single_damaged_packets_are_bridged_by_silence() {
    // 2 s of 5 ms packets: spoil the first byte of a few by making them claim an impossible frame count (code 3, none).
    let mut bytes = fixture("mono_celt.opus");
    let pages: Vec<usize> =
        bytes.windows(5).enumerate().filter(|(_, w)| *w == b"OggS\0").map(|(at, _)| at).collect();
    let body = pages[2] + 27 + usize::from(bytes[pages[2] + 26]);
    let sizes = bytes[pages[2] + 27..body].to_vec();
    let mut at = body;
    for (index, size) in sizes.iter().enumerate() {
        if [20, 40, 60].contains(&index) && *size > 1 && *size < 255 {
            bytes[at] |= 3;
            bytes[at + 1] = 0;
        }
        at += usize::from(*size);
    }
    let next = pages.get(3).copied().unwrap_or(bytes.len());
    let sum = ogg_checksum(&bytes[pages[2]..next]);
    bytes[pages[2] + 22..pages[2] + 26].copy_from_slice(&sum.to_le_bytes());
    let decoded = decode(bytes, LIMITS).expect("decodes");
    assert!((decoded.seconds() - 2.0).abs() < 0.01, "{} s", decoded.seconds());
    let silent = decoded.channels[0].windows(200).filter(|w| w.iter().all(|sample| *sample == 0.0)).count();
    assert!(silent >= 3, "{silent}");
    // What follows is still in its place.
    let found = tone(&decoded.channels[0], 48_000, 440.0);
    assert!(found.phase.abs() < 0.1 && found.purity > 0.9, "{found:?}");
}

#[test]
fn a_lost_frame_leaves_a_gap_of_silence() {
    let mut bytes = fixture("mono_8k.flac");
    let frame =
        bytes.windows(2).enumerate().filter(|(_, w)| *w == b"\xFF\xF8").nth(10).expect("has frames").0;
    bytes[frame] = 0;
    let decoded = decode(bytes, LIMITS).expect("decodes");
    assert!((decoded.seconds() - 2.0).abs() < 0.01, "{} s", decoded.seconds());
    let silent = decoded.channels[0].windows(200).filter(|w| w.iter().all(|sample| *sample == 0.0)).count();
    assert!(silent > 900, "{silent} of 16,000");
    let found = tone(&decoded.channels[0], 8000, 440.0);
    assert!(found.phase.abs() < 0.1, "what follows is out of its place: {found:?}");
}

/// The page checksum of RFC 3533 section 6, computed over the page with the field set to zero.
fn ogg_checksum(page: &[u8]) -> u32 {
    let mut sum = 0u32;
    for (index, byte) in page.iter().enumerate() {
        let byte = if (22..26).contains(&index) { 0 } else { *byte };
        sum ^= u32::from(byte) << 24;
        for _ in 0..8 {
            sum = if sum & 0x8000_0000 != 0 { (sum << 1) ^ 0x04C1_1DB7 } else { sum << 1 };
        }
    }
    sum
}

#[test]
fn a_file_that_is_mostly_damage_is_refused() {
    let mut bytes = fixture("mono_celt.opus");
    let first = bytes.windows(4).enumerate().filter(|(_, w)| *w == b"OggS").nth(2).expect("has sound").0;
    // Every page keeps its frame, every packet becomes noise; checksums are repaired.
    let mut rng = Rng(7);
    let mut at = first;
    while at < bytes.len() {
        let body = at + 27 + usize::from(bytes[at + 26]);
        let size: usize = bytes[at + 27..body].iter().map(|size| usize::from(*size)).sum();
        bytes[body..body + size].iter_mut().for_each(|byte| *byte = rng.next() as u8 | 3);
        let sum = ogg_checksum(&bytes[at..body + size]);
        bytes[at + 22..at + 26].copy_from_slice(&sum.to_le_bytes());
        at = body + size;
    }
    let error = read(bytes, LIMITS).expect_err("is damaged");
    assert_eq!(error.code(), "media_corrupt", "{error}");
}

#[test]
fn a_decode_bomb_is_stopped_by_decoded_seconds() {
    let honest = read(flac_silence(3, 8000), LIMITS).expect("decodes");
    assert!((honest - 3.0 * 65_535.0 / 8000.0).abs() < 0.01, "{honest} s");
    let bomb = flac_silence(44_000, 8000);
    assert!(bomb.len() < 1_000_000, "100 hours in {} bytes", bomb.len());
    let limits = DecodeLimits { max_duration_s: 600 };
    let mut decoder = Decoder::open(Cursor::new(bomb), limits).expect("opens");
    let error = loop {
        match decoder.next_chunk() {
            Ok(Some(chunk)) => assert!(chunk.samples.len() <= 65_535),
            Ok(None) => panic!("must be stopped"),
            Err(error) => break error,
        }
    };
    assert!(matches!(error, MediaError::TooLong { max_s: 600 }), "{error:?}");
    assert_eq!(error.code(), "media_too_long");
    assert!(decoder.decoded_s() < 610.0, "{} s", decoder.decoded_s());
    assert!(decoder.next_chunk().is_err(), "an error is final");
}

#[test]
fn the_limit_itself_is_allowed() {
    let file = wav16(&[0; 16_000], 1, 8000, 32_000);
    assert!(read(file.clone(), DecodeLimits { max_duration_s: 2 }).is_ok());
    let error = read(file, DecodeLimits { max_duration_s: 1 }).expect_err("is too long");
    assert_eq!(error.code(), "media_too_long");
}

#[test]
fn absurd_headers_are_refused() {
    for (channels, rate_hz) in [(0, 8000), (65_535, 8000), (40, 8000), (1, 0), (1, 3000), (1, u32::MAX / 4)] {
        let error = read(wav16(&[0; 80_000], channels, rate_hz, 160_000), LIMITS).expect_err("is absurd");
        assert!(
            matches!(error.code(), "media_unsupported" | "media_corrupt"),
            "{channels} {rate_hz}: {error:?}"
        );
    }
}

#[test]
fn playlists_do_not_lead_anywhere() {
    for text in
        ["#EXTM3U\n#EXTINF:10,\nfile:///etc/passwd\n", "ffconcat version 1.0\nfile /etc/passwd\n", "<?xml?>"]
    {
        let error = Decoder::open(Cursor::new(text), LIMITS).err().expect("is refused");
        assert_eq!(error.code(), "media_unsupported");
    }
    assert!(matches!(Decoder::open(Cursor::new(""), LIMITS).err(), Some(MediaError::Empty)));
    assert_eq!(
        read(b"ID3\x04\0\0\0\0\0\x05hello".to_vec(), LIMITS).expect_err("only tags").code(),
        "media_corrupt"
    );
    assert!(read(b"ID3\x04\0\0\0\0\0\x05hello#EXTM3U".to_vec(), LIMITS).is_err());
}
