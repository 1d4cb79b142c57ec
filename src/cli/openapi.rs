//! `openapi`: the document that the server also answers at `/openapi.json`.

use super::Failure;
use crate::http::openapi::DOCUMENT;
use std::io::Write;

/// Prints the document.
pub(super) fn print() -> Result<(), Failure> {
    std::io::stdout().write_all(DOCUMENT.as_bytes()).map_err(Failure::of)
}
