//! A translator whose answers follow from the text: each word with its language before it, with planned faults.

use crate::ports::translator::{LanguagePair, TranslateError, Translator};
use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, PoisonError};

/// Translates "one two." into "pt:one pt:two.". Clones share all.
#[derive(Clone, Debug)]
pub struct ScriptedTranslator {
    pairs: Vec<LanguagePair>,
    script: Arc<Mutex<Script>>,
}

#[derive(Debug, Default)]
struct Script {
    calls: Vec<(LanguagePair, String)>,
    faults: BTreeSet<usize>,
    panics: BTreeSet<usize>,
}

impl ScriptedTranslator {
    /// Knows these directions, each as `("en", "pt")`.
    pub fn new(pairs: &[(&str, &str)]) -> Self {
        let pairs = pairs.iter().map(|(from, to)| LanguagePair::new(from, to)).collect();
        Self { pairs, script: Arc::default() }
    }

    /// Plans a failure of the call of that number, from 0.
    pub fn with_fault(self, call: usize) -> Self {
        self.script.lock().unwrap_or_else(PoisonError::into_inner).faults.insert(call);
        self
    }

    /// Plans a panic of the call of that number, from 0.
    pub fn with_panic(self, call: usize) -> Self {
        self.script.lock().unwrap_or_else(PoisonError::into_inner).panics.insert(call);
        self
    }

    /// Returns the sentences asked for so far, with their directions.
    pub fn calls(&self) -> Vec<(LanguagePair, String)> {
        self.script.lock().unwrap_or_else(PoisonError::into_inner).calls.clone()
    }
}

impl Translator for ScriptedTranslator {
    fn pairs(&self) -> Vec<LanguagePair> {
        self.pairs.clone()
    }

    fn translate(&self, pair: &LanguagePair, sentence: &str) -> Result<String, TranslateError> {
        if !self.pairs.contains(pair) {
            return Err(TranslateError::NoModel(pair.clone()));
        }
        let (fails, panics) = {
            let mut script = self.script.lock().unwrap_or_else(PoisonError::into_inner);
            let call = script.calls.len();
            script.calls.push((pair.clone(), sentence.to_owned()));
            (script.faults.contains(&call), script.panics.contains(&call))
        };
        if panics {
            std::panic::panic_any("planned panic");
        }
        if fails {
            return Err(TranslateError::Failed("planned failure".into()));
        }
        let words = sentence.split_whitespace().map(|word| format!("{}:{word}", pair.to));
        Ok(words.collect::<Vec<_>>().join(" "))
    }
}
