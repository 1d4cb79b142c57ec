//! What is wrong with a setting and where it came from. Never holds the value of a secret.

use std::collections::HashMap;
use std::fmt;
use std::path::PathBuf;

/// Where a value came from.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Origin {
    /// Compiled in.
    Default,
    /// A configuration file.
    File(PathBuf),
    /// An environment variable, by name.
    Environment(String),
    /// A command-line option, by name.
    Flag(&'static str),
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Default => f.write_str("the defaults"),
            Self::File(path) => write!(f, "{}", path.display()),
            Self::Environment(name) => f.write_str(name),
            Self::Flag(name) => f.write_str(name),
        }
    }
}

/// One thing that is wrong with the configuration; prints as one line.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Defect {
    /// The key, `section.key`.
    pub key: String,
    /// Where its value came from.
    pub origin: Origin,
    /// What is wrong and what would be right.
    pub problem: String,
}

impl Defect {
    /// Names a defect; line breaks in `problem` are folded.
    pub fn new(key: impl Into<String>, origin: Origin, problem: impl Into<String>) -> Self {
        let problem = problem.into().split_whitespace().collect::<Vec<_>>().join(" ");
        Self { key: key.into(), origin, problem }
    }
}

impl fmt::Display for Defect {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} (from {}): {}", self.key, self.origin, self.problem)
    }
}

/// Collects the defects that validation finds, with the origin of each key.
pub(super) struct Checker<'a> {
    origins: &'a HashMap<String, Origin>,
    defects: &'a mut Vec<Defect>,
}

impl<'a> Checker<'a> {
    /// Starts with the origins of the merged keys.
    pub(super) fn new(origins: &'a HashMap<String, Origin>, defects: &'a mut Vec<Defect>) -> Self {
        Self { origins, defects }
    }

    /// Notes a defect of `key` unless `holds`.
    pub(super) fn require(&mut self, key: &str, holds: bool, problem: impl FnOnce() -> String) {
        if !holds {
            let origin = self.origins.get(key).cloned().unwrap_or(Origin::Default);
            self.defects.push(Defect::new(key, origin, problem()));
        }
    }

    /// Requires `least <= value <= most`.
    pub(super) fn within(&mut self, key: &str, value: u64, least: u64, most: u64) {
        self.require(key, (least..=most).contains(&value), || {
            format!("{value} is out of range; it must be between {least} and {most}")
        });
    }

    /// Requires `least <= value <= most`, not a NaN.
    pub(super) fn within_f64(&mut self, key: &str, value: f64, least: f64, most: f64) {
        self.require(key, (least..=most).contains(&value), || {
            format!("{value} is out of range; it must be between {least} and {most}")
        });
    }
}
