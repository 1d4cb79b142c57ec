//! Tells the container from the first bytes. Never looks at a name, an extension or a declared type: playlists and other
//! text that lead decoders to foreign files must not get past this point.

use crate::MediaError;

/// How many bytes from the start of a file [`sniff`] wants to see.
pub const SNIFF_BYTES: usize = 4096;

/// A supported container.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Container {
    /// RIFF WAVE, and its 64-bit forms RF64 and BW64.
    Wav,
    /// Native FLAC.
    Flac,
    /// MPEG layer 3, bare or behind ID3 tags.
    Mp3,
    /// AAC in ADTS frames.
    Adts,
    /// Ogg with Opus, Vorbis or FLAC.
    Ogg,
    /// ISO base media: MP4, M4A, MOV.
    Mp4,
    /// Matroska and WebM.
    Matroska,
}

/// Returns the container whose magic bytes `head` starts with.
///
/// An ID3 tag is taken for MP3; the decoder looks again behind it.
///
/// # Errors
/// `Empty` without bytes, `Unsupported` for text, playlists and everything unknown.
pub fn sniff(head: &[u8]) -> Result<Container, MediaError> {
    if head.is_empty() {
        return Err(MediaError::Empty);
    }
    match head {
        [b'R', b'I', b'F', b'F', _, _, _, _, b'W', b'A', b'V', b'E', ..]
        | [b'R', b'F', b'6', b'4', _, _, _, _, b'W', b'A', b'V', b'E', ..]
        | [b'B', b'W', b'6', b'4', _, _, _, _, b'W', b'A', b'V', b'E', ..] => Ok(Container::Wav),
        [b'f', b'L', b'a', b'C', ..] => Ok(Container::Flac),
        [b'I', b'D', b'3', ..] => Ok(Container::Mp3),
        [b'O', b'g', b'g', b'S', ..] => Ok(Container::Ogg),
        [0x1A, 0x45, 0xDF, 0xA3, ..] => Ok(Container::Matroska),
        // `ftyp` is the rule; the others open old QuickTime files.
        [_, _, _, _, b'f', b't', b'y', b'p', ..]
        | [_, _, _, _, b'm', b'o', b'o', b'v', ..]
        | [_, _, _, _, b'm', b'd', b'a', b't', ..]
        | [_, _, _, _, b'w', b'i', b'd', b'e', ..] => Ok(Container::Mp4),
        _ if is_adts(head) => Ok(Container::Adts),
        _ if is_mp3(head) => Ok(Container::Mp3),
        _ => Err(MediaError::Unsupported { what: describe(head).to_owned() }),
    }
}

/// Returns the length in bytes of the ID3v2 tag that `head` starts with (ID3v2.4 section 3.1).
pub(crate) fn id3v2_length_bytes(head: &[u8]) -> Option<u64> {
    let [b'I', b'D', b'3', _, _, flags, a, b, c, d, ..] = *head else { return None };
    if (a | b | c | d) & 0x80 != 0 {
        return None;
    }
    let body = [a, b, c, d].iter().fold(0u64, |size, &byte| (size << 7) | u64::from(byte));
    let footer = if flags & 0x10 != 0 { 10 } else { 0 };
    Some(10 + body + footer)
}

/// Tells whether a valid header of MPEG layer 3 stands here, and a second one where the first frame ends.
fn is_mp3(head: &[u8]) -> bool {
    match mp3_frame_bytes(head) {
        None => false,
        Some(length) => head.get(length..length + 4).is_none_or(|next| mp3_frame_bytes(next).is_some()),
    }
}

/// Returns the length of the layer 3 frame whose header stands here (ISO/IEC 11172-3 section 2.4.1.3).
fn mp3_frame_bytes(head: &[u8]) -> Option<usize> {
    const V1_KBPS: [usize; 15] = [0, 32, 40, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320];
    const V2_KBPS: [usize; 15] = [0, 8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160];
    let [0xFF, second, third, _, ..] = *head else { return None };
    if second & 0xE6 != 0xE2 {
        return None;
    }
    let version = (second >> 3) & 3;
    let (kbps, divisor, factor) = match version {
        3 => (V1_KBPS, 1, 144),
        2 => (V2_KBPS, 2, 72),
        0 => (V2_KBPS, 4, 72),
        _ => return None,
    };
    let rate_hz = [44_100, 48_000, 32_000].get(usize::from((third >> 2) & 3))? / divisor;
    let kbps = *kbps.get(usize::from(third >> 4))?;
    // Free format (0 kbit/s) says nothing about where the next frame is; nobody uploads it.
    (kbps > 0).then(|| factor * kbps * 1000 / rate_hz + usize::from((third >> 1) & 1))
}

/// Tells whether two ADTS headers stand one frame apart (ISO/IEC 13818-7 section 6.2).
fn is_adts(head: &[u8]) -> bool {
    fn frame_bytes(head: &[u8]) -> Option<usize> {
        let [0xFF, second, third, fourth, fifth, sixth, ..] = *head else { return None };
        if second & 0xF6 != 0xF0 || (third >> 2) & 15 > 12 {
            return None;
        }
        let length = usize::from(fourth & 3) << 11 | usize::from(fifth) << 3 | usize::from(sixth >> 5);
        (length > 7).then_some(length)
    }
    frame_bytes(head).is_some_and(|length| match head.get(length..length + 6) {
        Some(next) => frame_bytes(next).is_some(),
        None => true,
    })
}

/// Names what was sent instead of media, for the error sentence.
fn describe(head: &[u8]) -> &'static str {
    let text = head.strip_prefix(&[0xEF, 0xBB, 0xBF]).unwrap_or(head).trim_ascii_start();
    let starts = |word: &[u8]| text.len() >= word.len() && text[..word.len()].eq_ignore_ascii_case(word);
    if starts(b"#EXTM3U") || starts(b"ffconcat") || starts(b"[playlist]") {
        "a playlist"
    } else if starts(b"<?xml") || starts(b"<mpd") || starts(b"<svg") {
        "an XML document"
    } else if starts(b"<!doctype") || starts(b"<html") {
        "a web page"
    } else if head.starts_with(b"PK\x03\x04") || head.starts_with(&[0x1F, 0x8B]) {
        "an archive"
    } else if head.starts_with(b"%PDF") {
        "a PDF document"
    } else if head.starts_with(b"FORM") {
        "AIFF"
    } else if head.starts_with(b"#!AMR") {
        "AMR"
    } else if head.starts_with(&[0x30, 0x26, 0xB2, 0x75]) {
        "Windows Media"
    } else if head.iter().all(|&byte| byte == 0) {
        "a file of zero bytes"
    } else {
        "this kind of file"
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn containers_are_known_by_their_magic() {
        for (head, container) in [
            (&b"RIFF\x24\0\0\0WAVEfmt "[..], Container::Wav),
            (b"RF64\xFF\xFF\xFF\xFFWAVEds64", Container::Wav),
            (b"fLaC\0\0\0\x22", Container::Flac),
            (b"ID3\x04\0\0\0\0\0\x0A", Container::Mp3),
            (b"\xFF\xFB\x90\x64", Container::Mp3),
            (b"\xFF\xF1\x50\x80\x02\x1F\xFC", Container::Adts),
            (b"OggS\0\x02", Container::Ogg),
            (b"\0\0\0\x20ftypM4A ", Container::Mp4),
            (b"\x1A\x45\xDF\xA3\x9F", Container::Matroska),
        ] {
            assert_eq!(sniff(head).expect("known"), container, "{head:?}");
        }
    }

    #[test]
    fn text_and_unknown_bytes_are_refused() {
        for head in [
            &b"#EXTM3U\n#EXTINF:1,\nfile:///etc/passwd"[..],
            b"\xEF\xBB\xBF#extm3u",
            b"ffconcat version 1.0",
            b"<?xml version=\"1.0\"?>",
            b"  <MPD>",
            &[0; 4096],
            b"RIFF\x24\0\0\0AVI LIST",
            b"\xFF\xFB",
            b"R",
            b"\x7FELF",
        ] {
            let error = sniff(head).expect_err("refused");
            assert_eq!(error.code(), "media_unsupported", "{head:?}");
        }
        assert!(matches!(sniff(b""), Err(MediaError::Empty)));
        let error = sniff(b"#EXTM3U").expect_err("refused").to_string();
        assert!(error.contains("playlist"), "{error}");
    }

    #[test]
    fn a_lone_sync_word_is_not_mp3() {
        let mut head = vec![0u8; 1024];
        head[..4].copy_from_slice(b"\xFF\xFB\x90\x64");
        assert!(sniff(&head).is_err());
    }

    #[test]
    fn id3_lengths_are_synchsafe() {
        assert_eq!(id3v2_length_bytes(b"ID3\x04\0\0\0\0\x02\x01rest"), Some(10 + 257));
        assert_eq!(id3v2_length_bytes(b"ID3\x04\0\x10\0\0\0\x01"), Some(21));
        assert_eq!(id3v2_length_bytes(b"ID3\x04\0\0\x80\0\0\x01"), None);
        assert_eq!(id3v2_length_bytes(b"ID3"), None);
    }
}
