//! The catalogue of models and how they are fetched.

/// Returns whether the catalogue has a speech model of this id that the server can load.
pub fn is_servable(id: &str) -> bool {
    matches!(id, "moonshine" | "moonshine-tiny" | "moonshine-base")
}
