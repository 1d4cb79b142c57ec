//! "Files" that are scripts of what they hold, one order a line:
//! `announce SECONDS` · `say 1 2 3` · `pause MS` · `corrupt` · `unsupported` · `panic`. Heard channel by channel, a script has
//! two: the left one is as written, the right one says each word one higher.

use crate::ports::engine::SAMPLE_RATE_HZ;
use crate::ports::files::ReadSeek;
use crate::ports::media::{AudioReader, Hears, MediaDecoder, MediaError};
use crate::testkit::tone;
use sottovoce_protocol::error_code::ErrorCode;

/// Decodes scripts; endless ones are bounded by `max_s` like any file.
#[derive(Clone, Copy, Debug, Default)]
pub struct ScriptedMedia;

struct Reader {
    orders: std::vec::IntoIter<String>,
    announced_s: Option<f64>,
    pause_samples: usize,
    left_samples: u64,
    hears: Hears,
}

fn refused(code: ErrorCode) -> MediaError {
    MediaError { code, detail: format!("planned {code}") }
}

impl MediaDecoder for ScriptedMedia {
    fn open(
        &self,
        mut file: Box<dyn ReadSeek>,
        max_s: u64,
        hears: Hears,
    ) -> Result<Box<dyn AudioReader>, MediaError> {
        let mut script = String::new();
        file.read_to_string(&mut script).map_err(|_| refused(ErrorCode::MediaUnsupported))?;
        let mut announced_s = None;
        let mut orders = Vec::new();
        for line in script.lines() {
            match line.split_once(' ').unwrap_or((line, "")) {
                ("announce", seconds) => announced_s = seconds.parse().ok(),
                ("say" | "pause" | "corrupt" | "panic", _) => orders.push(line.to_owned()),
                _ => return Err(refused(ErrorCode::MediaUnsupported)),
            }
        }
        let left_samples = max_s * u64::from(SAMPLE_RATE_HZ);
        Ok(Box::new(Reader {
            orders: orders.into_iter(),
            announced_s,
            pause_samples: 0,
            left_samples,
            hears,
        }))
    }
}

impl AudioReader for Reader {
    fn next(&mut self) -> Result<Option<Vec<f32>>, MediaError> {
        let second = SAMPLE_RATE_HZ as usize;
        let (left, right) = if self.pause_samples > 0 {
            let samples = self.pause_samples.min(second);
            self.pause_samples -= samples;
            (tone::silence(samples), tone::silence(samples))
        } else {
            let Some(order) = self.orders.next() else { return Ok(None) };
            match order.split_once(' ').unwrap_or((&order, "")) {
                ("say", words) => {
                    let words: Vec<u32> = words.split(' ').filter_map(|word| word.parse().ok()).collect();
                    (tone::speak(&words), tone::speak(&words.iter().map(|word| word + 1).collect::<Vec<_>>()))
                }
                ("pause", ms) => {
                    self.pause_samples = ms.parse::<usize>().unwrap_or(0) * second / 1000;
                    return self.next();
                }
                ("corrupt", _) => return Err(refused(ErrorCode::MediaCorrupt)),
                _ => std::panic::panic_any("planned panic"),
            }
        };
        self.left_samples = self
            .left_samples
            .checked_sub(left.len() as u64)
            .ok_or_else(|| refused(ErrorCode::MediaTooLong))?;
        Ok(Some(match self.hears {
            Hears::Mixed => left,
            Hears::Each => left.into_iter().zip(right).flat_map(|(left, right)| [left, right]).collect(),
        }))
    }

    fn announced_s(&self) -> Option<f64> {
        self.announced_s
    }

    fn channels(&self) -> u16 {
        match self.hears {
            Hears::Mixed => 1,
            Hears::Each => 2,
        }
    }
}
