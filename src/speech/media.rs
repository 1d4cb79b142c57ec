//! The media decoder: stored files to 16 kHz samples. Blocking; the caller brings a blocking thread.

use sottovoce_actors::ports::files::ReadSeek;
use sottovoce_actors::ports::media::{AudioReader, Hears, MediaDecoder, MediaError};
use sottovoce_media::{DecodeLimits, MonoReader};
use sottovoce_protocol::error_code::ErrorCode;

/// Decodes every container and codec of the media crate.
#[derive(Clone, Copy, Debug, Default)]
pub struct FileDecoder;

impl MediaDecoder for FileDecoder {
    fn open(
        &self,
        file: Box<dyn ReadSeek>,
        max_s: u64,
        hears: Hears,
    ) -> Result<Box<dyn AudioReader>, MediaError> {
        let limits = DecodeLimits { max_duration_s: max_s };
        let reader = match hears {
            Hears::Mixed => MonoReader::open(file, limits),
            Hears::Each => MonoReader::open_each(file, limits),
        };
        Ok(Box::new(Reader(reader.map_err(refusal)?)))
    }
}

struct Reader(MonoReader);

impl AudioReader for Reader {
    fn next(&mut self) -> Result<Option<Vec<f32>>, MediaError> {
        self.0.next().map_err(refusal)
    }

    fn announced_s(&self) -> Option<f64> {
        self.0.duration_hint_s()
    }

    fn channels(&self) -> u16 {
        u16::try_from(self.0.channels()).unwrap_or(u16::MAX)
    }
}

fn refusal(error: sottovoce_media::MediaError) -> MediaError {
    let code = match &error {
        sottovoce_media::MediaError::Io(cause) => {
            tracing::error!(%cause, "cannot read a stored file");
            ErrorCode::StorageUnavailable
        }
        other => ErrorCode::parse(other.code()).unwrap_or(ErrorCode::Internal),
    };
    MediaError { code, detail: error.to_string() }
}

#[cfg(test)]
mod tests {
    use super::*;
    use sottovoce_actors::testkit::tone;
    use std::io::{self, Cursor, Read, Seek, SeekFrom};

    /// A mono 16-bit WAVE file of 16 kHz.
    fn wave(audio: &[f32]) -> Vec<u8> {
        let data = tone::linear16(audio);
        let mut file = Vec::new();
        file.extend(b"RIFF");
        file.extend((36 + data.len() as u32).to_le_bytes());
        file.extend(b"WAVEfmt \x10\0\0\0\x01\0\x01\0");
        file.extend(16_000u32.to_le_bytes());
        file.extend(32_000u32.to_le_bytes());
        file.extend(b"\x02\0\x10\0data");
        file.extend((data.len() as u32).to_le_bytes());
        file.extend(data);
        file
    }

    fn read(file: Vec<u8>, max_s: u64) -> Result<(Vec<f32>, Option<f64>), MediaError> {
        let mut reader = FileDecoder.open(Box::new(Cursor::new(file)), max_s, Hears::Mixed)?;
        let mut audio = Vec::new();
        while let Some(piece) = reader.next()? {
            assert!(!piece.is_empty() && piece.len() <= 16_000);
            audio.extend(piece);
        }
        Ok((audio, reader.announced_s()))
    }

    #[test]
    fn a_file_is_read_whole() {
        let spoken: Vec<u32> = (0..25).collect();
        let (audio, announced_s) = read(wave(&tone::speak(&spoken)), 60).expect("sound");
        assert_eq!(tone::hear(&audio).iter().map(|tone| tone.word).collect::<Vec<_>>(), spoken);
        assert_eq!(announced_s, Some(2.5));
    }

    #[test]
    fn faults_of_the_file_carry_their_codes() {
        let code = |file: Vec<u8>, max_s| read(file, max_s).err().map(|error| error.code);
        assert_eq!(code(wave(&tone::silence(32_000)), 1), Some(ErrorCode::MediaTooLong));
        assert_eq!(code(Vec::new(), 60), Some(ErrorCode::MediaCorrupt));
        assert_eq!(
            code(b"just a letter to a friend, with no sound".repeat(40), 60),
            Some(ErrorCode::MediaUnsupported)
        );
        let silent_film = include_bytes!("../media/fixtures/video_only.mp4").to_vec();
        assert_eq!(code(silent_film, 60), Some(ErrorCode::NoAudio));
    }

    struct BrokenDisk;

    impl Read for BrokenDisk {
        fn read(&mut self, _: &mut [u8]) -> io::Result<usize> {
            Err(io::Error::other("broken"))
        }
    }

    impl Seek for BrokenDisk {
        fn seek(&mut self, _: SeekFrom) -> io::Result<u64> {
            Ok(0)
        }
    }

    #[test]
    fn a_broken_disk_is_not_the_file_s_fault() {
        let error =
            FileDecoder.open(Box::new(BrokenDisk), 60, Hears::Mixed).err().expect("nothing can be read");
        assert_eq!(error.code, ErrorCode::StorageUnavailable);
    }
}
