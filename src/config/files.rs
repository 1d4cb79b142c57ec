//! `[files]`: where content (uploads, transcripts) is kept.

use super::defect::Checker;
use super::secret::SecretText;
use serde::Deserialize;

/// Content; keys as in `default.toml`.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FilesConfig {
    /// `file:PATH`; filled in when left empty.
    pub url: SecretText,
}

impl FilesConfig {
    pub(super) fn check(&self, checker: &mut Checker<'_>) {
        let url = self.url.expose();
        checker.require("files.url", url.is_empty() || url.starts_with("file:"), || {
            "its scheme is not known; use file:PATH".into()
        });
    }
}
