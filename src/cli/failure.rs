//! How a command ends badly.

use crate::app::ServeError;
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
    /// What the configuration names cannot be used, told in a sentence.
    Refused(String),
    /// Anything else, told in a sentence.
    Failed(String),
}

impl Failure {
    /// Wraps an error whose text tells what to do.
    pub fn of(error: impl Display) -> Self {
        Self::Failed(error.to_string())
    }

    /// Wraps the end of a server.
    pub fn of_serving(error: &ServeError) -> Self {
        if error.is_refusal() { Self::Refused(error.to_string()) } else { Self::of(error) }
    }

    /// Tells the user on standard error.
    pub(super) fn print(&self) {
        match self {
            Self::Usage(text) | Self::Refused(text) | Self::Failed(text) => eprintln!("sottovoce: {text}"),
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
            Self::Config(_) | Self::Refused(_) => EXIT_CONFIG,
            Self::Failed(_) => 1,
        })
    }
}
