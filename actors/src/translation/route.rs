//! From one language to another by the models there are: directly, or through English. Pure.

use crate::ports::translator::LanguagePair;

/// The language between two others: every model has English on one side.
const PIVOT: &str = "en";
/// Longest primary subtag (BCP 47 §2.1).
const MAX_SUBTAG_LETTERS: usize = 8;

/// The models that a text passes through, in order; one or two.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Route(Vec<LanguagePair>);

impl Route {
    /// Finds the way; `None` if there is none, or nothing to translate.
    pub fn find(pairs: &[LanguagePair], from: &str, to: &str) -> Option<Self> {
        let leg =
            |from: &str, to: &str| pairs.iter().find(|pair| pair.from == from && pair.to == to).cloned();
        if from == to {
            return None;
        }
        let legs = match leg(from, to) {
            Some(direct) => vec![direct],
            None => vec![leg(from, PIVOT)?, leg(PIVOT, to)?],
        };
        Some(Self(legs))
    }

    /// Returns the models in order.
    pub fn legs(&self) -> &[LanguagePair] {
        &self.0
    }

    /// Returns the catalogue ids of the models, joined.
    pub fn model(&self) -> String {
        let names: Vec<String> = self.0.iter().map(|pair| format!("translate-{pair}")).collect();
        names.join("+")
    }
}

/// Returns the primary subtag of a language tag, lower case; `None` if that is no language (BCP 47).
pub fn primary(tag: &str) -> Option<String> {
    let subtag = tag.split(['-', '_']).next().unwrap_or_default();
    let is_language = (2..=MAX_SUBTAG_LETTERS).contains(&subtag.len())
        && subtag.bytes().all(|letter| letter.is_ascii_alphabetic());
    is_language.then(|| subtag.to_ascii_lowercase())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pairs() -> Vec<LanguagePair> {
        [("en", "pt"), ("pt", "en"), ("en", "de"), ("es", "en")]
            .map(|(from, to)| LanguagePair::new(from, to))
            .into()
    }

    fn model(from: &str, to: &str) -> Option<String> {
        Route::find(&pairs(), from, to).map(|route| route.model())
    }

    #[test]
    fn a_direct_model_is_taken_before_two() {
        assert_eq!(model("en", "pt").as_deref(), Some("translate-en-pt"));
        assert_eq!(model("pt", "de").as_deref(), Some("translate-pt-en+translate-en-de"));
        assert_eq!(model("es", "pt").as_deref(), Some("translate-es-en+translate-en-pt"));
    }

    #[test]
    fn without_both_legs_there_is_no_way() {
        for (from, to) in [("de", "pt"), ("pt", "es"), ("fr", "en"), ("en", "fr"), ("en", "en"), ("pt", "pt")]
        {
            assert_eq!(model(from, to), None, "{from} to {to}");
        }
    }

    #[test]
    fn tags_are_cut_to_their_language() {
        assert_eq!(primary("pt-BR").as_deref(), Some("pt"));
        assert_eq!(primary("EN").as_deref(), Some("en"));
        for odd in ["", "-", "p", "p1", "../x", "portuguesee", "ção"] {
            assert_eq!(primary(odd), None, "{odd}");
        }
    }
}
