//! Finds when each token was said, from where in the audio the decoder looked when it chose the token.
//!
//! The method is Whisper's (openai/whisper, `timing.py`): attention normalised per frame over the tokens, smoothed by a
//! median filter, and one monotonic path through it by dynamic time warping. Pure arithmetic; knows no words.

use crate::moonshine::{Decoded, FRAMES_PER_SECOND, Memory, Moonshine};
use rten_gemm::{GemmExecutor, GemmInputA, GemmInputB, GemmUninitOptions};
use rten_simd::SimdOp;
use rten_tensor::prelude::*;
use rten_tensor::{NdTensorView, Tensor};
use rten_vecmath::Softmax;

/// Width of the median filter, in frames.
const MEDIAN_FRAMES: usize = 7;

/// Returns when each token was said, in seconds, and when the last one ended; never falling.
///
/// `lag_s` is by how much this model looks at a sound later than it begins.
pub(crate) fn token_times(model: &Moonshine, memory: &Memory, decoded: &Decoded, lag_s: f32) -> Vec<f32> {
    let geometry = &model.geometry;
    let (rows, width) = (decoded.tokens.len() + 1, geometry.hidden());
    let mut map = AttentionMap::new(rows, memory.frames());
    let aligning = (0..geometry.decoder_layers).filter(|layer| geometry.aligns(*layer));
    for (layer, queries) in aligning.zip(&decoded.queries) {
        let queries =
            queries.get(..rows * width).map(|queries| NdTensorView::from_data([rows, width], queries));
        if let (Some(queries), Some(keys)) = (queries, memory.keys(layer)) {
            map.add_layer(queries, keys.slice(0).nd_view(), geometry.heads);
        }
    }
    #[expect(clippy::cast_precision_loss, reason = "some thousand frames")]
    map.starts().into_iter().map(|frame| (frame as f32 / FRAMES_PER_SECOND - lag_s).max(0.0)).collect()
}

/// How much each row (a token to be chosen) looked at each frame, summed over heads.
pub(crate) struct AttentionMap {
    rows: usize,
    frames: usize,
    /// Row by row.
    weights: Vec<f32>,
}

impl AttentionMap {
    /// Returns a map of nothing, to which heads are added.
    pub(crate) fn new(rows: usize, frames: usize) -> Self {
        Self { rows, frames, weights: vec![0.0; rows * frames] }
    }

    /// Adds all heads of a layer: `queries` is `rows` × `width`, `keys` is `frames` × `width`.
    pub(crate) fn add_layer(
        &mut self,
        queries: NdTensorView<f32, 2>,
        keys: NdTensorView<f32, 2>,
        heads: usize,
    ) {
        let (rows, frames) = (self.rows, self.frames);
        if rows == 0 || frames == 0 || queries.size(0) != rows || keys.size(0) != frames || heads == 0 {
            return;
        }
        let head_size = queries.size(1) / heads;
        let gemm = GemmExecutor::<f32>::new();
        #[expect(clippy::cast_precision_loss, reason = "a head is some dozen wide")]
        let scale = 1.0 / (head_size as f32).sqrt();
        for head in 0..heads {
            let part = head * head_size..(head + 1) * head_size;
            let mut scores = Tensor::<f32>::uninit(&[rows, frames]);
            let queries = queries.slice((.., part.clone()));
            let keys = keys.slice((.., part));
            let options = GemmUninitOptions { alpha: scale, ..GemmUninitOptions::default() };
            let Some(out) = scores.data_mut() else { return };
            let (a, b) = (GemmInputA::Unpacked(queries), GemmInputB::Unpacked(keys.transposed()));
            let Ok(scores) = gemm.gemm_uninit(out, a, b, options) else { return };
            for row in scores.chunks_exact_mut(frames) {
                Softmax::new_mut(row).dispatch();
            }
            self.add_normalised(scores);
        }
    }

    /// Adds one head's attention, normalised per frame to zero mean and unit deviation over the rows.
    fn add_normalised(&mut self, attention: &[f32]) {
        #[expect(clippy::cast_precision_loss, reason = "at most some hundred rows")]
        let rows = self.rows as f32;
        let mut mean = vec![0.0_f32; self.frames];
        for row in attention.chunks_exact(self.frames) {
            mean.iter_mut().zip(row).for_each(|(mean, weight)| *mean += weight / rows);
        }
        let mut deviation = vec![0.0_f32; self.frames];
        for row in attention.chunks_exact(self.frames) {
            let differences = row.iter().zip(&mean).map(|(weight, mean)| weight - mean);
            deviation
                .iter_mut()
                .zip(differences)
                .for_each(|(sum, difference)| *sum += difference * difference);
        }
        for deviation in &mut deviation {
            *deviation = 1.0 / ((*deviation / rows).sqrt() + 1e-6);
        }
        for (sum, row) in self.weights.chunks_exact_mut(self.frames).zip(attention.chunks_exact(self.frames))
        {
            for (((sum, weight), mean), factor) in sum.iter_mut().zip(row).zip(&mean).zip(&deviation) {
                *sum += (weight - mean) * factor;
            }
        }
    }

    /// Returns the frame at which each row's share of the audio begins; never falling.
    pub(crate) fn starts(&self) -> Vec<usize> {
        let mut cost = vec![0.0; self.weights.len()];
        for (cost, row) in
            cost.chunks_exact_mut(self.frames.max(1)).zip(self.weights.chunks_exact(self.frames.max(1)))
        {
            for (frame, cost) in cost.iter_mut().enumerate() {
                *cost = -median_at(row, frame);
            }
        }
        path_starts(&cost, self.rows, self.frames)
    }
}

/// Returns the median of the frames around one; frames beyond the ends count as the outermost.
fn median_at(row: &[f32], frame: usize) -> f32 {
    let half = MEDIAN_FRAMES / 2;
    let mut window = [0.0; MEDIAN_FRAMES];
    for (offset, value) in window.iter_mut().enumerate() {
        *value = row[(frame + offset).saturating_sub(half).min(row.len() - 1)];
    }
    window.sort_unstable_by(f32::total_cmp);
    window[half]
}

/// Returns the first column of each row on the cheapest monotonic path from the first cell to the last.
fn path_starts(cost: &[f32], rows: usize, columns: usize) -> Vec<usize> {
    #[derive(Clone, Copy)]
    enum Step {
        Diagonal,
        Down,
        Right,
    }
    if rows == 0 || columns == 0 {
        return vec![0; rows];
    }
    let mut above = vec![f32::INFINITY; columns + 1];
    above[0] = 0.0;
    let mut steps = vec![Step::Right; rows * columns];
    for row in 0..rows {
        let mut here = vec![f32::INFINITY; columns + 1];
        for column in 0..columns {
            let (diagonal, down, right) = (above[column], above[column + 1], here[column]);
            let (best, step) = if diagonal < down && diagonal < right {
                (diagonal, Step::Diagonal)
            } else if down < right {
                (down, Step::Down)
            } else {
                (right, Step::Right)
            };
            here[column + 1] = best + cost[row * columns + column];
            steps[row * columns + column] = step;
        }
        above = here;
    }
    let mut starts = vec![0; rows];
    let (mut row, mut column) = (rows - 1, columns - 1);
    loop {
        starts[row] = column;
        match steps[row * columns + column] {
            Step::Diagonal if row > 0 && column > 0 => (row, column) = (row - 1, column - 1),
            Step::Right if column > 0 => column -= 1,
            // At an edge the only way back is along it.
            _ if row > 0 => row -= 1,
            _ if column > 0 => column -= 1,
            _ => break,
        }
    }
    starts
}

#[cfg(test)]
mod tests {
    use super::{AttentionMap, median_at, path_starts};
    use rten_tensor::NdTensor;
    use rten_tensor::prelude::*;

    #[test]
    fn the_path_follows_the_cheap_cells() {
        #[rustfmt::skip]
        let cost = [
            -1.0, -1.0,  0.5,  0.5,  0.5,
             0.5,  0.5, -1.0,  0.5,  0.5,
             0.5,  0.5,  0.5, -1.0, -1.0,
        ];
        assert_eq!(path_starts(&cost, 3, 5), [0, 2, 3]);
    }

    #[test]
    fn the_path_may_skip_no_row_even_with_fewer_columns() {
        let starts = path_starts(&[0.0; 8], 4, 2);
        assert_eq!(starts.len(), 4);
        assert!(starts.is_sorted());
        assert_eq!(path_starts(&[], 0, 3), Vec::<usize>::new());
        assert_eq!(path_starts(&[], 2, 0), [0, 0]);
    }

    #[test]
    fn the_median_ignores_a_single_spike() {
        let row = [0.0, 0.0, 0.0, 9.0, 0.0, 0.0, 1.0, 1.0, 1.0, 1.0];
        assert!(median_at(&row, 3).abs() < f32::EPSILON);
        assert!((median_at(&row, 9) - 1.0).abs() < f32::EPSILON);
    }

    #[test]
    fn queries_find_the_frames_whose_keys_they_match() {
        // Three tokens, each looking at four frames of its own, in one head of three dimensions.
        let keys = NdTensor::from_fn([12, 3], |[frame, dim]| if frame / 4 == dim { 8.0_f32 } else { 0.0 });
        let queries = NdTensor::from_fn([3, 3], |[row, dim]| if row == dim { 8.0_f32 } else { 0.0 });
        let mut map = AttentionMap::new(3, 12);
        map.add_layer(queries.view(), keys.view(), 1);
        assert_eq!(map.starts(), [0, 4, 8]);
    }
}
