//! The catalogue as types, and what follows from it: which entries an entry needs. Reads no disk and no network.

use serde::Deserialize;
use std::collections::BTreeSet;
use std::sync::LazyLock;

static COMPILED_IN: LazyLock<Catalogue> = LazyLock::new(|| {
    toml::from_str(include_str!("catalogue.toml"))
        .unwrap_or_else(|error| panic!("the compiled-in catalogue is valid: {error}"))
});

/// All that can be fetched.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Catalogue {
    /// Archives of package registries.
    #[serde(rename = "package")]
    pub packages: Vec<Package>,
    /// Folders of files.
    #[serde(rename = "entry")]
    pub entries: Vec<Entry>,
}

/// An archive of a package registry, at one version.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Package {
    /// Name inside the catalogue.
    pub id: String,
    /// The client that fetches it.
    pub client: Client,
    /// Name in the registry.
    pub name: String,
    /// Version, pinned.
    pub version: String,
    /// Size of the archive, for progress.
    pub bytes: u64,
    /// The wheel's platform tag, where it is bound to one.
    pub platform: Option<String>,
}

/// An ordinary package client.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Client {
    /// `npm pack`.
    Npm,
    /// `python3 -m pip download`.
    Pip,
}

impl Client {
    /// Returns its name.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Npm => "npm",
            Self::Pip => "pip",
        }
    }
}

/// A model, a part of models, or a sample.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Entry {
    /// Its id and folder.
    pub id: String,
    /// What it is.
    pub title: String,
    /// Whether `models.load` may name it.
    #[serde(default)]
    pub servable: bool,
    /// Whether it translates; then `languages` are the original's and the translation's.
    #[serde(default)]
    pub translates: bool,
    /// Languages it knows (BCP 47); empty where that has no meaning.
    #[serde(default)]
    pub languages: Vec<String>,
    /// Licence of the files (SPDX).
    pub licence: String,
    /// Entries fetched with it.
    #[serde(default)]
    pub needs: Vec<String>,
    /// Its own files.
    #[serde(rename = "file", default)]
    pub files: Vec<ModelFile>,
}

/// One file of an entry.
#[derive(Clone, PartialEq, Eq, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ModelFile {
    /// Name on disk.
    pub name: String,
    /// Size.
    pub bytes: u64,
    /// SHA-256, hex.
    pub sha256: String,
    /// The package it is in; none where only the hub has it.
    pub package: Option<String>,
    /// Its path inside the package.
    #[serde(default)]
    pub path: String,
    /// Its path on the model hub, or a whole address elsewhere.
    pub hub: Option<String>,
}

/// A name that the catalogue does not have.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
#[error("`{name}` is not in the catalogue; `sottovoce models list` shows what is")]
pub struct UnknownName {
    /// The name.
    pub name: String,
}

impl Catalogue {
    /// Returns the catalogue of this build.
    pub fn compiled_in() -> &'static Self {
        &COMPILED_IN
    }

    /// Returns an entry.
    pub fn entry(&self, id: &str) -> Option<&Entry> {
        self.entries.iter().find(|entry| entry.id == id)
    }

    /// Returns the package of a file.
    pub fn package(&self, id: &str) -> Option<&Package> {
        self.packages.iter().find(|package| package.id == id)
    }

    /// Returns the named entries and all that they need, in the catalogue's order.
    ///
    /// # Errors
    /// A name is unknown.
    pub fn with_needs<'a>(
        &self,
        names: impl IntoIterator<Item = &'a str>,
    ) -> Result<Vec<&Entry>, UnknownName> {
        let mut open: Vec<&str> = names.into_iter().collect();
        let mut wanted = BTreeSet::new();
        while let Some(name) = open.pop() {
            let entry = self.entry(name).ok_or_else(|| UnknownName { name: name.to_owned() })?;
            if wanted.insert(entry.id.as_str()) {
                open.extend(entry.needs.iter().map(String::as_str));
            }
        }
        Ok(self.entries.iter().filter(|entry| wanted.contains(entry.id.as_str())).collect())
    }
}
