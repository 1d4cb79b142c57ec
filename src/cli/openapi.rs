//! `openapi`: the document that the server also answers at `/openapi.json`.

use super::Failure;
use std::io::Write;

const DOCUMENT: &str = include_str!("../../static/openapi.json");

/// Prints the document.
pub(super) fn print() -> Result<(), Failure> {
    std::io::stdout().write_all(DOCUMENT.as_bytes()).map_err(Failure::of)
}
