//! The embedded translator: one model a direction, behind the `Translator` port.

use crate::model::{LoadError, Model, kernel_runs_here};
use sottovoce_actors::ports::translator::{LanguagePair, TranslateError, Translator};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// A direction and where its model lies.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ModelFolder {
    /// From which language into which.
    pub pair: LanguagePair,
    /// The folder of its files.
    pub folder: PathBuf,
}

/// Translation models in this process, each shared by all that use it.
pub struct EmbeddedTranslator {
    models: BTreeMap<LanguagePair, Model>,
}

impl EmbeddedTranslator {
    /// Offers the directions whose files are there; what is missing is logged. Loads nothing: the first sentence of a
    /// direction does, in some 0.2 s.
    pub fn open(folders: Vec<ModelFolder>) -> Self {
        let mut models = BTreeMap::new();
        if !folders.is_empty() && !kernel_runs_here() {
            tracing::warn!("no translation, {}", LoadError::Processor);
            return Self { models };
        }
        for ModelFolder { pair, folder } in folders {
            let model = Model::new(folder);
            match model.missing() {
                None => {
                    models.insert(pair, model);
                }
                Some(path) => {
                    tracing::warn!(%pair, path = %path.display(), "translation model is missing, not offered");
                }
            }
        }
        Self { models }
    }

    /// Loads every model now.
    ///
    /// # Errors
    /// The first that could not be loaded.
    pub fn load_all(&self) -> Result<(), LoadError> {
        self.models.values().try_for_each(|model| model.engine().map(|_| ()))
    }

    /// Returns the folder below `models_dir` of a catalogue entry's files.
    pub fn folder_of(models_dir: &Path, entry: &str) -> PathBuf {
        models_dir.join("source").join(entry)
    }
}

impl Translator for EmbeddedTranslator {
    fn pairs(&self) -> Vec<LanguagePair> {
        self.models.keys().cloned().collect()
    }

    fn translate(&self, pair: &LanguagePair, sentence: &str) -> Result<String, TranslateError> {
        let model = self.models.get(pair).ok_or_else(|| TranslateError::NoModel(pair.clone()))?;
        model.translate(sentence)
    }
}
