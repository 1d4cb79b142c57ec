//! Percentiles and means. Pure arithmetic.

use serde::Serialize;

/// The spread of a set of figures; the unit is that of the figures.
#[derive(Clone, Copy, PartialEq, Debug, Default, Serialize)]
pub struct Spread {
    /// How many figures.
    pub count: usize,
    /// Arithmetic mean.
    pub mean: f64,
    /// Median.
    pub p50: f64,
    /// 95th percentile.
    pub p95: f64,
    /// 99th percentile.
    pub p99: f64,
    /// Largest.
    pub max: f64,
}

impl Spread {
    /// Returns the spread of `figures`; all zero with `count` 0 when there are none.
    pub fn of(figures: &[f64]) -> Self {
        if figures.is_empty() {
            return Self::default();
        }
        let mut sorted = figures.to_vec();
        sorted.sort_by(f64::total_cmp);
        Self {
            count: sorted.len(),
            mean: mean(&sorted),
            p50: percentile(&sorted, 50.0),
            p95: percentile(&sorted, 95.0),
            p99: percentile(&sorted, 99.0),
            max: sorted[sorted.len() - 1],
        }
    }
}

/// Returns the nearest-rank percentile of a sorted, non-empty slice: the smallest figure that at least `percent` per
/// cent of all figures do not exceed.
pub fn percentile(sorted: &[f64], percent: f64) -> f64 {
    let rank = (percent / 100.0 * sorted.len() as f64).ceil() as usize;
    sorted[rank.clamp(1, sorted.len()) - 1]
}

/// Returns the arithmetic mean, 0 for none.
pub fn mean(figures: &[f64]) -> f64 {
    if figures.is_empty() { 0.0 } else { figures.iter().sum::<f64>() / figures.len() as f64 }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nearest_rank_takes_a_figure_that_was_measured() {
        let figures: Vec<f64> = (1..=100).map(f64::from).collect();
        let spread = Spread::of(&figures);
        assert_eq!((spread.p50, spread.p95, spread.p99, spread.max), (50.0, 95.0, 99.0, 100.0));
        assert_eq!(spread.mean, 50.5);
    }

    #[test]
    fn few_figures_and_any_order() {
        assert_eq!(Spread::of(&[3.0, 1.0, 2.0]).p50, 2.0);
        assert_eq!(Spread::of(&[3.0, 1.0, 2.0]).p95, 3.0);
        assert_eq!(Spread::of(&[7.0]).p50, 7.0);
        assert_eq!(Spread::of(&[]).count, 0);
    }
}
