//! The query of `/v1/listen` as Deepgram's clients write it, live or for a file: booleans are case-insensitive, of a name
//! that comes twice the last value counts, unknown names are ignored. Pure.

use std::collections::BTreeMap;

/// A parameter that cannot be honoured, and what to do about it.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
#[error("{0}")]
pub struct BadParameter(String);

const MAX_EXTRA_CHARS: usize = 2_048;

/// Refuses a parameter.
pub fn bad<T>(sentence: impl Into<String>) -> Result<T, BadParameter> {
    Err(BadParameter(sentence.into()))
}

/// The decoded name–value pairs of a query, in their order.
pub struct Pairs<'a>(pub &'a [(String, String)]);

impl<'a> Pairs<'a> {
    /// Returns the last value of a name, as a web server would; empty counts as absent.
    pub fn last(&self, name: &str) -> Option<&'a str> {
        let pair = self.0.iter().rev().find(|(key, _)| key == name)?;
        Some(pair.1.as_str()).filter(|value| !value.is_empty())
    }

    /// Returns a switch; absent is off.
    pub fn flag(&self, name: &str) -> Result<bool, BadParameter> {
        match self.last(name).map(str::to_ascii_lowercase).as_deref() {
            None | Some("false" | "0") => Ok(false),
            Some("true" | "1") => Ok(true),
            Some(_) => bad(format!("{name} must be true or false")),
        }
    }

    /// Returns a whole number within bounds.
    pub fn number(&self, name: &str, least: u32, most: u32) -> Result<Option<u32>, BadParameter> {
        let Some(text) = self.last(name) else { return Ok(None) };
        match text.parse::<u32>() {
            Ok(value) if (least..=most).contains(&value) => Ok(Some(value)),
            _ => bad(format!("{name} must be a whole number from {least} to {most}")),
        }
    }

    /// Returns every value of a name that may come more than once.
    pub fn all(&self, name: &str) -> Vec<&'a str> {
        let named = self.0.iter().filter(|(key, value)| key == name && !value.is_empty());
        named.map(|(_, value)| value.as_str()).collect()
    }

    /// Returns what is to be echoed back: `extra=KEY:VALUE`, the last of a key wins.
    pub fn extra(&self) -> Result<BTreeMap<String, String>, BadParameter> {
        let mut extra = BTreeMap::new();
        let mut chars = 0;
        for (_, value) in self.0.iter().filter(|(name, _)| name == "extra") {
            let Some((key, text)) = value.split_once(':') else { return bad("extra must be KEY:VALUE") };
            chars += value.chars().count();
            if chars > MAX_EXTRA_CHARS {
                return bad(format!("extra may hold {MAX_EXTRA_CHARS} characters in all"));
            }
            extra.insert(key.to_owned(), text.to_owned());
        }
        Ok(extra)
    }
}
