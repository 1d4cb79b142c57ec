//! The rewritten graphs compute what the published ones do.
