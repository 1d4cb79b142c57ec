//! `[storage]`: the index of accounts, keys, jobs and artifacts.

use super::defect::Checker;
use super::secret::SecretText;
use serde::Deserialize;

/// The index; keys as in `default.toml`.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct StorageConfig {
    /// `sqlite:PATH`; filled in when left empty.
    pub url: SecretText,
}

impl StorageConfig {
    pub(super) fn check(&self, checker: &mut Checker<'_>) {
        let url = self.url.expose();
        checker.require("storage.url", url.is_empty() || url.starts_with("sqlite:"), || {
            "its scheme is not known; use sqlite:PATH".into()
        });
    }
}
