//! One direction's model: its files, loaded once, and sentences cut to its window. Never queues.

use fxtranslate::engine::Engine;
use sottovoce_actors::ports::translator::TranslateError;
use std::any::Any;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

const WEIGHTS: &str = "model.bin";
const VOCABULARY: &str = "vocab.spm";
const SHORTLIST: &str = "lex.bin";

/// Tokens that a model reads at once, its end mark included: what the models were trained with.
const WINDOW_TOKENS: usize = 128;

/// Why a model could not be loaded.
#[derive(Debug, thiserror::Error)]
pub enum LoadError {
    /// A file cannot be read.
    #[error("{}: {cause}; fetch it with `sottovoce models pull`", path.display())]
    File {
        /// Which.
        path: PathBuf,
        /// What the system said.
        cause: std::io::Error,
    },
    /// The files are no model of this kind.
    #[error("{} holds no translation model: {cause}", folder.display())]
    Model {
        /// Where they are.
        folder: PathBuf,
        /// What was wrong.
        cause: String,
    },
    /// The kernel was built for other processors.
    #[error("this processor lacks AVX2, which the translation kernel of this build needs")]
    Processor,
}

/// A model that is loaded when it is first needed and then stays.
pub(crate) struct Model {
    folder: PathBuf,
    engine: Mutex<Option<&'static Engine>>,
}

impl Model {
    /// Names a folder; reads nothing yet.
    pub fn new(folder: PathBuf) -> Self {
        Self { folder, engine: Mutex::new(None) }
    }

    /// Returns a file that is missing, if one is.
    pub fn missing(&self) -> Option<PathBuf> {
        [WEIGHTS, VOCABULARY, SHORTLIST]
            .map(|name| self.folder.join(name))
            .into_iter()
            .find(|path| !path.is_file())
    }

    /// Loads the model if nobody did before; others wait meanwhile.
    pub fn engine(&self) -> Result<&'static Engine, LoadError> {
        let mut engine = self.engine.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(engine) = *engine {
            return Ok(engine);
        }
        let loaded = load(&self.folder)?;
        tracing::info!(model = %self.folder.display(), kernel = fxtranslate::gemm::backend(), "translation model loaded");
        // A model lives as long as the process, and only a reference to it may be used by several threads.
        Ok(engine.insert(Box::leak(Box::new(loaded))))
    }

    /// Translates a sentence, in parts where it is longer than the model's window.
    pub fn translate(&self, sentence: &str) -> Result<String, TranslateError> {
        let engine = self.engine().map_err(|error| TranslateError::NotLoaded(error.to_string()))?;
        catch_unwind(AssertUnwindSafe(|| within_window(engine, sentence.trim())))
            .map_err(|panic| TranslateError::Failed(panic_text(&*panic)))
    }
}

fn load(folder: &Path) -> Result<Engine, LoadError> {
    if !kernel_runs_here() {
        return Err(LoadError::Processor);
    }
    let read = |name: &str| {
        let path = folder.join(name);
        std::fs::read(&path).map_err(|cause| LoadError::File { path, cause })
    };
    let (weights, vocabulary, shortlist) = (read(WEIGHTS)?, read(VOCABULARY)?, read(SHORTLIST)?);
    let wrong = |cause: String| LoadError::Model { folder: folder.to_owned(), cause };
    // The reader of the shortlist panics at a damaged file.
    let made = catch_unwind(|| {
        Engine::from_bytes(&weights, &vocabulary, &vocabulary)
            .map(|engine| engine.with_shortlist_bytes(&shortlist))
    });
    made.map_err(|panic| wrong(panic_text(&*panic)))?.map_err(wrong)
}

/// Returns whether this processor has what the kernel was compiled for.
pub(crate) fn kernel_runs_here() -> bool {
    #[cfg(target_arch = "x86_64")]
    let able = fxtranslate::gemm::backend() == "scalar" || std::is_x86_feature_detected!("avx2");
    #[cfg(not(target_arch = "x86_64"))]
    let able = true;
    able
}

fn within_window(engine: &Engine, text: &str) -> String {
    if text.is_empty() {
        return String::new();
    }
    let fits = engine.src_ids(text).len() <= WINDOW_TOKENS;
    match (fits, halves(text)) {
        (false, Some((first, second))) => {
            let (first, second) = (within_window(engine, first), within_window(engine, second));
            format!("{first} {second}").trim().to_owned()
        }
        // As a batch of one: the same words, but what is read of the original is computed once and not for every word.
        _ => engine.translate_batch(&[text]).pop().unwrap_or_default(),
    }
}

/// Cuts a text at the word border next to its middle, or in its middle where it has no border; `None` for one letter.
fn halves(text: &str) -> Option<(&str, &str)> {
    let middle = text.len() / 2;
    let borders = text.char_indices().filter(|(at, letter)| *at > 0 && letter.is_whitespace());
    let nearest = borders.min_by_key(|(at, _)| at.abs_diff(middle)).map(|(at, _)| at);
    let cut = nearest.or_else(|| (1..=middle).rev().find(|at| text.is_char_boundary(*at)))?;
    Some((text[..cut].trim_end(), text[cut..].trim_start()))
}

fn panic_text(panic: &(dyn Any + Send)) -> String {
    let text = panic.downcast_ref::<&str>().copied();
    let text = text.or_else(|| panic.downcast_ref::<String>().map(String::as_str));
    format!("panicked: {}", text.unwrap_or("no message"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_is_cut_at_a_border_next_to_its_middle() {
        assert_eq!(halves("one two three four"), Some(("one two", "three four")));
        assert_eq!(halves("ab"), Some(("a", "b")));
        assert_eq!(halves("字字字"), Some(("字", "字字")));
        assert_eq!(halves("a"), None);
        assert_eq!(halves("字"), None);
    }

    #[test]
    fn files_that_are_no_model_are_told_not_met_with_a_panic() {
        let folder = std::env::temp_dir().join(format!("sottovoce-translate-{}", std::process::id()));
        std::fs::create_dir_all(&folder).expect("a folder");
        let model = Model::new(folder.clone());
        assert_eq!(model.missing(), Some(folder.join(WEIGHTS)));
        assert!(
            matches!(model.translate("Hello."), Err(TranslateError::NotLoaded(text)) if text.contains("models pull"))
        );
        for name in [WEIGHTS, VOCABULARY, SHORTLIST] {
            std::fs::write(folder.join(name), b"no model at all").expect("written");
        }
        assert_eq!(model.missing(), None);
        assert!(
            matches!(model.translate("Hello."), Err(TranslateError::NotLoaded(text)) if text.contains("no translation model"))
        );
        std::fs::remove_dir_all(&folder).expect("removed");
    }
}
