//! Models: the catalogue (data), the folder they are kept in, and how they are fetched.
//!
//! Runs package clients and writes below `models.dir/source` only; never loads a model. Everything here blocks: it is
//! called by the command line, never by an actor.

mod catalogue;
mod extract;
mod folder;
mod hub;
mod package;
mod progress;
mod pull;
#[cfg(test)]
mod tests;

use sottovoce_actors::ports::translator::LanguagePair;

pub use catalogue::{Catalogue, Client, Entry, ModelFile, Package, UnknownName};
pub use folder::{FileState, ModelsFolder};
pub use progress::{Progress, megabytes};
pub use pull::{PullError, Source, pull};

/// Returns the direction of a translation model, if the catalogue has one of this id.
pub fn translation_pair(id: &str) -> Option<LanguagePair> {
    match Catalogue::compiled_in().entry(id)? {
        Entry { translates: true, languages, .. } => match languages.as_slice() {
            [from, to] => Some(LanguagePair::new(from, to)),
            _ => None,
        },
        _ => None,
    }
}

/// Returns whether the catalogue has a speech model of this id that the server can load.
pub fn is_servable(id: &str) -> bool {
    Catalogue::compiled_in().entry(id).is_some_and(|entry| entry.servable)
}
