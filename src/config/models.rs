//! `[models]`: model files and which of them are loaded.

use super::defect::Checker;
use reqwest::Url;
use serde::Deserialize;
use std::path::PathBuf;

/// Model files; keys as in `default.toml`.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ModelsConfig {
    /// The folder; filled in when left empty.
    pub dir: PathBuf,
    /// Ids of the models loaded at start.
    pub load: Vec<String>,
    /// Id of the model used when a request names none.
    pub default: String,
    /// Ids of the translation models.
    pub translate: Vec<String>,
    /// Base address of the hub.
    pub hub_url: String,
}

impl ModelsConfig {
    pub(super) fn check(&self, checker: &mut Checker<'_>) {
        checker.require("models.load", !self.load.is_empty(), || "name at least one model".into());
        for id in &self.load {
            checker.require("models.load", crate::models::is_servable(id), || {
                format!("`{id}` is no speech model; `sottovoce models list` shows which there are")
            });
        }
        checker.require("models.default", self.load.contains(&self.default), || {
            format!("`{}` is not among models.load", self.default)
        });
        for id in &self.translate {
            checker.require("models.translate", crate::models::translation_pair(id).is_some(), || {
                format!("`{id}` is no translation model; `sottovoce models list` shows which there are")
            });
        }
        let hub = Url::parse(&self.hub_url);
        let usable = hub.is_ok_and(|url| matches!(url.scheme(), "http" | "https"));
        checker.require("models.hub_url", usable, || "it must be an http or https address".into());
    }
}
