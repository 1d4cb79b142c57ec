//! Symmetric int8 weights with one scale per output column.
//!
//! rten takes its fast path (and may prepack) only for int8 weights whose zero point is 0; the published files hold
//! uint8 weights with one scale and zero point per matrix. Prepacking weights with another zero point gives wrong
//! results in rten 0.27, so nothing else is ever written.

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
    /// Recodes integers that mean `value * scale`: the largest magnitude of each column becomes `limit`.
    pub(super) fn recode(
        rows: usize,
        columns: usize,
        value: impl Fn(usize, usize) -> i16,
        scale: f32,
        limit: u8,
    ) -> Self {
        let mut largest = vec![1_i16; columns];
        for row in 0..rows {
            for (column, largest) in largest.iter_mut().enumerate() {
                *largest = (*largest).max(value(row, column).abs());
            }
        }
        let limit = f32::from(limit);
        let factors: Vec<f32> = largest.iter().map(|largest| limit / f32::from(*largest)).collect();
        let mut values = Vec::with_capacity(rows * columns);
        for row in 0..rows {
            for (column, factor) in factors.iter().enumerate() {
                #[expect(clippy::cast_possible_truncation, reason = "within ±limit by choice of the factor")]
                values.push((f32::from(value(row, column)) * factor).round_ties_even() as i8);
            }
        }
        let scales = largest.iter().map(|largest| scale * f32::from(*largest) / limit).collect();
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

#[cfg(test)]
mod tests {
    use super::Int8Matrix;

    #[test]
    fn recoding_keeps_each_weight_within_half_a_step_of_its_column() {
        let source = |row: usize, column: usize| [[-90_i16, 3], [45, -2], [7, 1]][row][column];
        let scale = 0.02;
        let matrix = Int8Matrix::recode(3, 2, source, scale, 127);
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
    fn a_column_of_zeros_stays_zero() {
        let matrix = Int8Matrix::recode(2, 1, |_, _| 0, 0.5, 63);
        assert_eq!(matrix.values, [0, 0]);
        assert!(matrix.scales[0].is_finite());
    }

    #[test]
    fn matrices_side_by_side_keep_rows_together() {
        let left = Int8Matrix::recode(2, 1, |row, _| [127, -127][row], 1.0, 127);
        let right = Int8Matrix::recode(2, 2, |row, column| [[127, 1], [2, 127]][row][column], 2.0, 127);
        let both = Int8Matrix::beside(&[left, right]);
        assert_eq!((both.rows, both.columns), (2, 3));
        assert_eq!(both.values, [127, 127, 1, -127, 2, 127]);
        assert_eq!(both.scales, [1.0, 2.0, 2.0]);
    }
}
