//! What the layers of encoder and decoder have in common: the way into attention to themselves.

use super::graph::{GraphBuilder, int};
use super::int8::Int8Matrix;
use super::moonshine::{Geometry, ROTARY_DIMS};

/// Returns queries, keys and values of a state; queries and keys are turned by the angles of their positions. `projections`
/// are the three of them in this order.
pub(super) fn queries_keys_values(
    graph: &mut GraphBuilder,
    geometry: &Geometry,
    state: &str,
    norm: &[f32],
    projections: &[Int8Matrix; 3],
    (cos, sin): (&str, &str),
) -> [String; 3] {
    let (heads, hidden) = (geometry.heads_i64(), geometry.hidden_i64());
    let normal = graph.layer_norm(state, norm);
    let normal = graph.quantise(&normal);
    let projected = graph.linear(&normal, &Int8Matrix::beside(projections));
    let [both, value] = graph.split(&projected, [2 * hidden, hidden]);
    // Queries and keys turn by the same angles: one node turns both, as twice the heads.
    let turn =
        vec![int("interleaved", 1), int("num_heads", 2 * heads), int("rotary_embedding_dim", ROTARY_DIMS)];
    let turned = graph.node("RotaryEmbedding", &[&both, cos, sin], turn);
    let [query, key] = graph.split(&turned, [hidden, hidden]);
    [query, key, value]
}
