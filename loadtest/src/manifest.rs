//! `manifest.jsonl` (one recording a line, with its reference text and tags) and plain reference files.

use crate::error::LoadError;
use serde::{Deserialize, Serialize};
use std::collections::HashMap;
use std::path::{Path, PathBuf};

/// One line of a manifest; other fields are ignored.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Entry {
    /// Path relative to the manifest.
    pub file: String,
    /// Length in seconds.
    #[serde(default)]
    pub seconds: f64,
    /// BCP-47, `none` where nobody speaks.
    #[serde(default)]
    pub language: String,
    /// What is said.
    #[serde(default)]
    pub text: String,
    /// Kinds of recording.
    #[serde(default)]
    pub tags: Vec<String>,
}

/// A manifest and where it lies.
#[derive(Clone, Debug)]
pub struct Manifest {
    folder: PathBuf,
    /// The recordings in order.
    pub entries: Vec<Entry>,
}

impl Manifest {
    /// Reads a manifest.
    ///
    /// # Errors
    /// When the file cannot be read or a line is not such an object.
    pub fn load(path: &Path) -> Result<Self, LoadError> {
        let text = std::fs::read_to_string(path).map_err(|e| LoadError::file(path, e))?;
        let parse =
            |line: &str| serde_json::from_str(line).map_err(|e| LoadError::content(path, e.to_string()));
        let entries =
            text.lines().filter(|line| !line.trim().is_empty()).map(parse).collect::<Result<_, _>>()?;
        Ok(Self { folder: path.parent().unwrap_or(Path::new(".")).to_owned(), entries })
    }

    /// Returns where an entry's recording lies.
    pub fn path_of(&self, entry: &Entry) -> PathBuf {
        self.folder.join(&entry.file)
    }
}

/// What is said in each recording, by file name without folder.
#[derive(Clone, Debug, Default)]
pub struct References {
    by_file_name: HashMap<String, String>,
    for_all: Option<String>,
}

impl References {
    /// Reads references: `.jsonl` as a manifest, anything else as the plain text of the one recording played.
    ///
    /// # Errors
    /// As [`Manifest::load`].
    pub fn load(path: &Path) -> Result<Self, LoadError> {
        if path.extension().is_some_and(|extension| extension == "jsonl") {
            let manifest = Manifest::load(path)?;
            let named = |entry: Entry| Some((file_name(Path::new(&entry.file))?, entry.text));
            let by_file_name = manifest.entries.into_iter().filter_map(named).collect();
            Ok(Self { by_file_name, for_all: None })
        } else {
            let text = std::fs::read_to_string(path).map_err(|e| LoadError::file(path, e))?;
            Ok(Self { by_file_name: HashMap::new(), for_all: Some(text) })
        }
    }

    /// Returns what is said in a recording.
    pub fn of(&self, path: &Path) -> Option<&str> {
        let by_name = file_name(path).and_then(|name| self.by_file_name.get(&name));
        by_name.or(self.for_all.as_ref()).map(String::as_str)
    }
}

fn file_name(path: &Path) -> Option<String> {
    Some(path.file_name()?.to_string_lossy().into_owned())
}
