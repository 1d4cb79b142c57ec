//! Symmetric int8 weights with one scale per output column.
//!
//! rten takes its fast path (and may prepack) only for int8 weights whose zero point is 0; the published files hold
//! uint8 weights with one scale and zero point per matrix. Prepacking weights with another zero point gives wrong
//! results in rten 0.27, so nothing else is ever written.

use super::WeightRange;

/// The largest magnitude of an int8 weight.
const LIMIT: f32 = 127.0;

/// A `rows` × `columns` matrix: `weight = value * scale[column]`.
pub(super) struct Int8Matrix {
    pub(super) rows: usize,
    pub(super) columns: usize,
    /// Row by row.
    pub(super) values: Vec<i8>,
    /// One per column.
    pub(super) scales: Vec<f32>,
}

impl Int8Matrix {
    /// Recodes integers that mean `value * scale`: each column uses as much of int8 as `range` allows it.
    pub(super) fn recode(
        rows: usize,
        columns: usize,
        value: impl Fn(usize, usize) -> i16,
        scale: f32,
        range: WeightRange,
    ) -> Self {
        let largest: Vec<f32> =
            (0..columns).map(|column| largest(rows, |row| value(row, column), range).into()).collect();
        let mut values = Vec::with_capacity(rows * columns);
        for row in 0..rows {
            for (column, largest) in largest.iter().enumerate() {
                #[expect(clippy::cast_possible_truncation, reason = "within ±127 by choice of the divisor")]
                values.push((f32::from(value(row, column)) * LIMIT / largest).round_ties_even() as i8);
            }
        }
        let scales = largest.iter().map(|largest| scale * largest / LIMIT).collect();
        Self { rows, columns, values, scales }
    }

    /// Puts matrices of the same height side by side, so that one product serves them all.
    pub(super) fn beside(parts: &[Self]) -> Self {
        let rows = parts.first().map_or(0, |part| part.rows);
        let columns = parts.iter().map(|part| part.columns).sum();
        let mut values = Vec::with_capacity(rows * columns);
        for row in 0..rows {
            for part in parts {
                values.extend_from_slice(&part.values[row * part.columns..(row + 1) * part.columns]);
            }
        }
        let scales = parts.iter().flat_map(|part| part.scales.iter().copied()).collect();
        Self { rows, columns, values, scales }
    }
}

/// What of a column may become 127: its largest magnitude or, where pairs must fit, the largest magnitude of a pair's
/// sum, which rounding can make 128.
fn largest(rows: usize, value: impl Fn(usize) -> i16, range: WeightRange) -> i16 {
    let single = (0..rows).map(|row| value(row).abs()).max().unwrap_or(0);
    let pair = match range {
        WeightRange::Full => 0,
        WeightRange::Paired => (1..rows)
            .step_by(2)
            .map(|row| {
                let pair = [value(row - 1), value(row)];
                let sum_of = |sign: i16| -> i16 { pair.iter().map(|value| (value * sign).max(0)).sum() };
                sum_of(1).max(sum_of(-1))
            })
            .max()
            .unwrap_or(0),
    };
    single.max(pair).max(1)
}

#[cfg(test)]
mod tests {
    use super::Int8Matrix;
    use crate::convert::WeightRange::{Full, Paired};

    #[test]
    fn recoding_keeps_each_weight_within_half_a_step_of_its_column() {
        let source = |row: usize, column: usize| [[-90_i16, 3], [45, -2], [7, 1]][row][column];
        let scale = 0.02;
        let matrix = Int8Matrix::recode(3, 2, source, scale, Full);
        for row in 0..3 {
            for column in 0..2 {
                let exact = f32::from(source(row, column)) * scale;
                let recoded = f32::from(matrix.values[row * 2 + column]) * matrix.scales[column];
                assert!(
                    (exact - recoded).abs() <= matrix.scales[column] * 0.5 + 1e-6,
                    "{exact} became {recoded}"
                );
            }
        }
        assert_eq!(matrix.values[0], -127, "the largest of a column uses the whole range");
        assert_eq!(matrix.values[1], 127);
    }

    #[test]
    fn no_pair_of_rows_can_saturate_and_no_column_is_coarser_than_that_needs() {
        // Pairs: 100 and 27 of one sign; 100 and -100, whose products cannot add up; the last row has no partner.
        let source = |row: usize, column: usize| [[100_i16, 100], [27, -100], [3, 90]][row][column];
        let matrix = Int8Matrix::recode(3, 2, source, 1.0, Paired);
        assert_eq!(matrix.values, [100, 127, 27, -127, 3, 114]);
        let mut number = 0x2545_f491_u32;
        let mut next = || {
            number = number.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            i16::try_from(number >> 24).expect("a byte") - 128
        };
        let source: Vec<i16> = (0..64 * 8).map(|_| next()).collect();
        let matrix = Int8Matrix::recode(64, 8, |row, column| source[row * 8 + column], 1.0, Paired);
        for (pair, column) in (0..32).flat_map(|pair| (0..8).map(move |column| (pair, column))) {
            let weight = |row: usize| i32::from(matrix.values[row * 8 + column]);
            for (first, second) in [(0, 0), (0, 255), (255, 0), (255, 255)] {
                let sum = first * weight(2 * pair) + second * weight(2 * pair + 1);
                assert!(i16::try_from(sum).is_ok(), "{sum}");
            }
        }
    }

    #[test]
    fn a_column_of_zeros_stays_zero() {
        let matrix = Int8Matrix::recode(2, 1, |_, _| 0, 0.5, Paired);
        assert_eq!(matrix.values, [0, 0]);
        assert!(matrix.scales[0].is_finite());
    }

    #[test]
    fn matrices_side_by_side_keep_rows_together() {
        let left = Int8Matrix::recode(2, 1, |row, _| [127, -127][row], 1.0, Full);
        let right = Int8Matrix::recode(2, 2, |row, column| [[127, 1], [2, 127]][row][column], 2.0, Full);
        let both = Int8Matrix::beside(&[left, right]);
        assert_eq!((both.rows, both.columns), (2, 3));
        assert_eq!(both.values, [127, 127, 1, -127, 2, 127]);
        assert_eq!(both.scales, [1.0, 2.0, 2.0]);
    }
}
