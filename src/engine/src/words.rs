//! Makes timed words of tokens.

use crate::align::AttentionMap;
use crate::moonshine::{Decoded, FRAMES_PER_SECOND, Memory, Moonshine};
use crate::tokenizer::Tokenizer;
use rten_tensor::NdTensorView;
use rten_tensor::prelude::*;
use sottovoce_actors::ports::engine::HeardWord;

/// Returns when each token was said, in seconds, and when the last one ended; never falling.
pub(crate) fn token_times(model: &Moonshine, memory: &Memory, decoded: &Decoded) -> Vec<f32> {
    let geometry = &model.geometry;
    let (rows, width) = (decoded.tokens.len() + 1, geometry.hidden());
    let mut map = AttentionMap::new(rows, memory.frames());
    let aligning = (0..geometry.decoder_layers).filter(|layer| geometry.aligns(*layer));
    for (layer, queries) in aligning.zip(&decoded.queries) {
        let queries = NdTensorView::from_data([rows, width], &queries[..rows * width]);
        let mask: usize = std::env::var("LM").map_or(usize::MAX, |m| m.parse().unwrap());
        if mask >> layer & 1 == 0 { continue }
        if let Some(keys) = memory.keys(layer) {
            map.add_layer(queries, keys.slice(0).nd_view(), geometry.heads);
        }
    }
    #[expect(clippy::cast_precision_loss, reason = "some thousand frames")]
    map.starts().into_iter().map(|frame| frame as f32 / FRAMES_PER_SECOND).collect()
}

/// Groups tokens into words. `times` has a start for each token and the end of the last.
pub(crate) fn words(
    tokenizer: &Tokenizer,
    decoded: &Decoded,
    times: &[f32],
    audio: &[f32],
) -> Vec<HeardWord> {
    #[expect(clippy::cast_precision_loss, reason = "at most 30 s of samples")]
    let length_s = audio.len() as f32 / 16_000.0;
    let ranges = tokenizer.words(&decoded.tokens);
    ranges
        .into_iter()
        .map(|range| HeardWord {
            text: tokenizer.text(&decoded.tokens[range.clone()]),
            start_s: times[range.start].min(length_s),
            end_s: times[range.end].min(length_s),
            confidence: mean(&decoded.probabilities[range]),
        })
        .collect()
}

/// Returns the mean; 0 of nothing.
pub(crate) fn mean(values: &[f32]) -> f32 {
    #[expect(clippy::cast_precision_loss, reason = "at most some hundred tokens")]
    let count = values.len().max(1) as f32;
    values.iter().sum::<f32>() / count
}
