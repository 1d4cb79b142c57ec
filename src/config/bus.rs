//! `[bus]`: status fan-out between processes.

use super::defect::Checker;
use super::secret::SecretText;
use serde::Deserialize;

/// Status fan-out; keys as in `default.toml`.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct BusConfig {
    /// `local:`.
    pub url: SecretText,
}

impl BusConfig {
    pub(super) fn check(&self, checker: &mut Checker<'_>) {
        checker.require("bus.url", self.url.expose() == "local:", || {
            "its scheme is not known; use local:".into()
        });
    }
}
