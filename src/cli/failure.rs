//! How a command ends badly.

use crate::config::{Defect, EXIT_CONFIG};
use std::fmt::Display;
use std::process::ExitCode;

/// Why a command did not do what was asked.
#[derive(Debug)]
pub enum Failure {
    /// The command line makes no sense.
    Usage(String),
    /// The configuration was refused.
    Config(Vec<Defect>),
    /// Anything else, told in a sentence.
    Failed(String),
}

impl Failure {
    /// Wraps an error whose text tells what to do.
    pub fn of(error: impl Display) -> Self {
        Self::Failed(error.to_string())
    }

    /// Tells the user on standard error.
    pub(super) fn print(&self) {
        match self {
            Self::Usage(text) | Self::Failed(text) => eprintln!("sottovoce: {text}"),
            Self::Config(defects) => {
                eprintln!("sottovoce: the configuration was refused:");
                for defect in defects {
                    eprintln!("  {defect}");
                }
            }
        }
    }

    /// Returns the exit code.
    pub(super) fn exit_code(&self) -> ExitCode {
        ExitCode::from(match self {
            Self::Usage(_) => 2,
            Self::Config(_) => EXIT_CONFIG,
            Self::Failed(_) => 1,
        })
    }
}
