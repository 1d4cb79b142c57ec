//! What a credential may do. A key carries some scopes; a logged-in account has all of them.

use serde::{Deserialize, Serialize};
use std::fmt;

/// One permission.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
pub enum Scope {
    /// Open live streams.
    #[serde(rename = "listen")]
    Listen,
    /// Read jobs and artifacts, follow their status.
    #[serde(rename = "jobs:read")]
    JobsRead,
    /// Submit and delete jobs.
    #[serde(rename = "jobs:write")]
    JobsWrite,
    /// Read usage and credits.
    #[serde(rename = "usage:read")]
    UsageRead,
}

impl Scope {
    /// Every scope, in the order they are listed.
    pub const ALL: &'static [Self] = &[Self::Listen, Self::JobsRead, Self::JobsWrite, Self::UsageRead];

    /// Returns the scope's name on the wire and in the index.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Listen => "listen",
            Self::JobsRead => "jobs:read",
            Self::JobsWrite => "jobs:write",
            Self::UsageRead => "usage:read",
        }
    }

    /// Returns the scope of this name.
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|scope| scope.as_str() == text)
    }

    const fn bit(self) -> u8 {
        1 << self as u8
    }
}

impl fmt::Display for Scope {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// A set of scopes.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Default)]
pub struct Scopes(u8);

impl Scopes {
    /// Returns the set of all scopes.
    pub fn all() -> Self {
        Scope::ALL.iter().copied().collect()
    }

    /// Returns whether the set holds this scope.
    pub const fn has(self, scope: Scope) -> bool {
        self.0 & scope.bit() != 0
    }

    /// Returns whether the set is empty.
    pub const fn is_empty(self) -> bool {
        self.0 == 0
    }

    /// Returns the scopes of the set, in listed order.
    pub fn iter(self) -> impl Iterator<Item = Scope> {
        Scope::ALL.iter().copied().filter(move |scope| self.has(*scope))
    }

    /// Reads names separated by spaces; a name that is not known gives nothing.
    pub fn parse(text: &str) -> Self {
        text.split_ascii_whitespace().filter_map(Scope::parse).collect()
    }
}

impl FromIterator<Scope> for Scopes {
    fn from_iter<I: IntoIterator<Item = Scope>>(scopes: I) -> Self {
        Self(scopes.into_iter().fold(0, |held, scope| held | scope.bit()))
    }
}

impl fmt::Display for Scopes {
    /// Writes the names, separated by spaces: the form in the index.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, scope) in self.iter().enumerate() {
            if index > 0 {
                f.write_str(" ")?;
            }
            f.write_str(scope.as_str())?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_make_a_set_and_back() {
        let text = "listen jobs:read jobs:write usage:read";
        assert_eq!(Scopes::parse(text), Scopes::all());
        assert_eq!(Scopes::all().to_string(), text);
        let some = Scopes::parse("jobs:write nonsense listen");
        assert_eq!(some.to_string(), "listen jobs:write");
        assert!(some.has(Scope::Listen) && !some.has(Scope::JobsRead));
        assert!(Scopes::parse("").is_empty());
    }
}
