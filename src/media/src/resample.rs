//! Streaming change of the sampling rate with a windowed sinc, one filter row per output phase.
//!
//! Written here rather than taken from `rubato`: its synchronous resampler needs blocks of a whole ratio period (seconds
//! for odd rates), its asynchronous one keeps the position as a float. Here the position is a ratio of integers, so the
//! output stays on the input's clock for ever. It must never buffer more than one filter length of input.

use crate::MediaError;
use std::collections::HashMap;
use std::f64::consts::PI;
use std::sync::{Arc, LazyLock, Mutex, PoisonError, Weak};

/// Lowest rate that can be resampled.
pub const MIN_RATE_HZ: u32 = 4_000;
/// Highest rate that can be resampled.
pub const MAX_RATE_HZ: u32 = 192_000;

/// Half the filter's length in samples of the slower side.
const HALF_WIDTH: usize = 40;
/// Kaiser window for 80 dB of stop band: beta and transition width by Kaiser's formulas
/// (Oppenheim and Schafer, Discrete-Time Signal Processing, section 7.5.3).
const KAISER_BETA: f64 = 7.857;
const TRANSITION: f64 = 5.017 / (2.0 * HALF_WIDTH as f64);
/// Most filter rows kept; ratios with more phases interpolate between rows (error below -100 dB).
const MAX_ROWS: usize = 512;
/// Independent sums of a dot product, so that it can use vector registers.
const LANES: usize = 16;

/// The filters in use, by their rates.
type Shelf = HashMap<(u32, u32), Weak<Filter>>;

/// The filter of one pair of rates.
#[derive(Debug)]
struct Filter {
    /// Taps on each side of the output's position.
    half: usize,
    /// Row length: `2 * half` rounded up to whole lanes.
    taps: usize,
    /// Rows per input sample.
    rows: usize,
    /// `rows + 1` rows of `taps`.
    weights: Vec<f32>,
}

impl Filter {
    fn design(from_hz: u32, to_hz: u32, phases: usize) -> Self {
        let slower = f64::from(from_hz.min(to_hz)) / f64::from(from_hz);
        let half = (HALF_WIDTH as f64 / slower).ceil() as usize;
        let taps = (2 * half).next_multiple_of(LANES);
        let rows = phases.min(MAX_ROWS);
        // The stop band begins at the slower side's Nyquist frequency.
        let cutoff = slower * (1.0 - TRANSITION);
        let mut weights = vec![0.0f32; (rows + 1) * taps];
        for (index, row) in weights.chunks_exact_mut(taps).enumerate() {
            let fraction = index as f64 / rows as f64;
            let exact: Vec<f64> = (0..2 * half)
                .map(|tap| {
                    let x = tap as f64 - (half - 1) as f64 - fraction;
                    sinc(cutoff * x) * kaiser(x / half as f64)
                })
                .collect();
            let sum: f64 = exact.iter().sum();
            for (weight, exact) in row.iter_mut().zip(exact) {
                *weight = (exact / sum) as f32;
            }
        }
        Self { half, taps, rows, weights }
    }

    fn row(&self, index: usize) -> &[f32] {
        &self.weights[index * self.taps..(index + 1) * self.taps]
    }

    /// Returns the shared filter of these rates: designing one takes milliseconds, and thousands of streams need the same.
    fn shared(from_hz: u32, to_hz: u32, phases: usize) -> Arc<Self> {
        static FILTERS: LazyLock<Mutex<Shelf>> = LazyLock::new(Mutex::default);
        let mut filters = FILTERS.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(filter) = filters.get(&(from_hz, to_hz)).and_then(Weak::upgrade) {
            return filter;
        }
        filters.retain(|_, filter| filter.strong_count() > 0);
        let filter = Arc::new(Self::design(from_hz, to_hz, phases));
        filters.insert((from_hz, to_hz), Arc::downgrade(&filter));
        filter
    }
}

fn sinc(x: f64) -> f64 {
    if x.abs() < 1e-9 { 1.0 } else { (PI * x).sin() / (PI * x) }
}

/// The Kaiser window over -1..1.
fn kaiser(x: f64) -> f64 {
    bessel_i0(KAISER_BETA * (1.0 - x * x).max(0.0).sqrt()) / bessel_i0(KAISER_BETA)
}

/// The modified Bessel function of order zero, by its power series.
fn bessel_i0(x: f64) -> f64 {
    let (mut sum, mut term) = (1.0, 1.0);
    for n in 1..40 {
        term *= (x / (2.0 * f64::from(n))).powi(2);
        sum += term;
    }
    sum
}

fn dot(samples: &[f32], weights: &[f32]) -> f32 {
    let mut sums = [0.0f32; LANES];
    for (samples, weights) in samples.chunks_exact(LANES).zip(weights.chunks_exact(LANES)) {
        for lane in 0..LANES {
            sums[lane] += samples[lane] * weights[lane];
        }
    }
    sums.iter().sum()
}

/// Resamples one mono stream. Output sample `n` is the input at the time `n / to_hz`: nothing is shifted, and `k` input
/// samples followed by [`flush`](Self::flush) give exactly `ceil(k * to_hz / from_hz)` output samples.
#[derive(Debug)]
pub struct StreamResampler {
    from_hz: u32,
    /// Output steps per period of the ratio, and input samples per period.
    up: u64,
    down: u64,
    /// `None` where nothing is to be done.
    filter: Option<Arc<Filter>>,
    /// Input that is still needed; starts `half - 1` samples before `position`.
    window: Vec<f32>,
    /// Where in `window` the filter of the next output starts.
    start: usize,
    /// Numerator over `up` of the next output's place between two input samples.
    phase: u64,
}

impl StreamResampler {
    /// Makes a resampler.
    ///
    /// # Errors
    /// `Unsupported` for rates outside of [`MIN_RATE_HZ`] to [`MAX_RATE_HZ`].
    pub fn new(from_hz: u32, to_hz: u32) -> Result<Self, MediaError> {
        for rate_hz in [from_hz, to_hz] {
            if !(MIN_RATE_HZ..=MAX_RATE_HZ).contains(&rate_hz) {
                return Err(MediaError::Unsupported { what: format!("a sampling rate of {rate_hz} Hz") });
            }
        }
        let divisor = gcd(from_hz, to_hz);
        let (up, down) = (u64::from(to_hz / divisor), u64::from(from_hz / divisor));
        let filter = (from_hz != to_hz).then(|| Filter::shared(from_hz, to_hz, up as usize));
        let mut resampler = Self { from_hz, up, down, filter, window: Vec::new(), start: 0, phase: 0 };
        resampler.restart();
        Ok(resampler)
    }

    /// Returns how much audio waits at most for what comes after it, in milliseconds.
    pub fn latency_ms(&self) -> f64 {
        self.filter
            .as_ref()
            .map_or(0.0, |filter| (filter.taps + 1 - filter.half) as f64 * 1000.0 / f64::from(self.from_hz))
    }

    /// Takes input of any size and appends the output that it completes.
    pub fn process(&mut self, input: &[f32], output: &mut Vec<f32>) {
        let Some(filter) = self.filter.as_ref() else {
            output.extend_from_slice(input);
            return;
        };
        self.window.extend_from_slice(input);
        while let Some(samples) = self.window.get(self.start..self.start + filter.taps) {
            let place = self.phase * filter.rows as u64;
            let row = (place / self.up) as usize;
            let between = (place % self.up) as f32 / self.up as f32;
            let mut sample = dot(samples, filter.row(row));
            if between > 0.0 {
                sample += between * (dot(samples, filter.row(row + 1)) - sample);
            }
            output.push(sample);
            self.phase += self.down;
            self.start += (self.phase / self.up) as usize;
            self.phase %= self.up;
        }
        let done = self.start.min(self.window.len());
        self.window.drain(..done);
        self.start -= done;
    }

    /// Appends what still waits, as if silence followed, and begins anew.
    pub fn flush(&mut self, output: &mut Vec<f32>) {
        let Some(filter) = self.filter.as_ref() else { return };
        // The next output stands at `start + half - 1`; outputs up to the last input sample are owed.
        let (half, taps) = (filter.half, filter.taps);
        let owed_input = (self.window.len() as u64).saturating_sub((self.start + half - 1) as u64);
        let owed = (owed_input * self.up).saturating_sub(self.phase).div_ceil(self.down);
        let before = output.len();
        self.process(&vec![0.0; taps + self.down.div_ceil(self.up) as usize], output);
        output.truncate(before + owed as usize);
        self.restart();
    }

    fn restart(&mut self) {
        self.start = 0;
        self.phase = 0;
        self.window.clear();
        if let Some(filter) = &self.filter {
            self.window.resize(filter.half - 1, 0.0);
        }
    }
}

fn gcd(a: u32, b: u32) -> u32 {
    if b == 0 { a } else { gcd(b, a % b) }
}

#[cfg(test)]
mod tests;
