//! Where an object is in the folder: names checked, folders made, the folder walked in order of name.
//! Blocking; called on blocking threads only.
//!
//! `objects/<name>` is a whole object, `objects/<name>~` a log, `tmp/<random>` an object being written. No name may be the
//! folder of another.

use crate::files::name::check;
use crate::system::SystemIds;
use sottovoce_actors::ports::clock::Ids;
use sottovoce_actors::ports::files::FileError;
use sottovoce_actors::ports::store::StorageRef;
use std::fs::{self, DirBuilder, File};
use std::io;
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// Marks a log; no name may hold it.
const LOG_MARK: char = '~';

/// The folders of a store.
#[derive(Clone, Debug)]
pub struct Layout {
    objects: PathBuf,
    tmp: PathBuf,
}

/// Turns an error of the operating system into the port's: what is not absent is for now unavailable.
pub fn translate(error: io::Error) -> FileError {
    match error.kind() {
        io::ErrorKind::NotFound => FileError::NotFound,
        _ => FileError::Unavailable(error.to_string()),
    }
}

/// As [`translate`], where an absent file is a fault of the disk and not an absent object.
pub fn unavailable(error: io::Error) -> FileError {
    FileError::Unavailable(error.to_string())
}

/// Makes a folder's entries durable.
pub fn sync_folder(folder: &Path) -> io::Result<()> {
    File::open(folder)?.sync_all()
}

fn make_folder(folder: &Path) -> io::Result<()> {
    DirBuilder::new().recursive(true).mode(0o700).create(folder)
}

impl Layout {
    /// Makes the folders, readable by their owner alone.
    pub fn prepare(root: &Path) -> io::Result<Self> {
        let layout = Self { objects: root.join("objects"), tmp: root.join("tmp") };
        make_folder(&layout.objects)?;
        make_folder(&layout.tmp)?;
        sync_folder(root)?;
        Ok(layout)
    }

    /// Returns where a whole object is.
    pub fn object(&self, name: &StorageRef) -> Result<PathBuf, FileError> {
        Ok(self.objects.join(check(name)?))
    }

    /// Returns where a log is.
    pub fn log(&self, name: &StorageRef) -> Result<PathBuf, FileError> {
        Ok(self.objects.join(format!("{}{LOG_MARK}", check(name)?)))
    }

    /// Returns a fresh path for an object being written.
    pub fn unfinished(&self) -> PathBuf {
        self.tmp.join(SystemIds.uuid().to_string())
    }

    /// Makes the folders above a path, durable, and runs `enter`, which creates an entry there. Once more from the start if
    /// a delete took an empty folder away in between.
    pub fn enter<T>(&self, path: &Path, mut enter: impl FnMut() -> io::Result<T>) -> io::Result<T> {
        const TRIES: u32 = 10;
        let mut tries = 0;
        loop {
            let entered = self.make_parents(path).and_then(|()| enter()).and_then(|entry| {
                sync_folder(self.parent(path))?;
                Ok(entry)
            });
            tries += 1;
            match entered {
                Err(error) if error.kind() == io::ErrorKind::NotFound && tries < TRIES => {}
                other => return other,
            }
        }
    }

    fn parent<'a>(&'a self, path: &'a Path) -> &'a Path {
        path.parent().unwrap_or(&self.objects)
    }

    fn make_parents(&self, path: &Path) -> io::Result<()> {
        let folder = self.parent(path);
        if folder.is_dir() {
            return Ok(());
        }
        make_folder(folder)?;
        // Each new folder is an entry of the one above.
        let above = folder.ancestors().skip(1).take_while(|folder| folder.starts_with(&self.objects));
        above.into_iter().try_for_each(sync_folder)
    }

    /// Removes the folders above a deleted path that are empty now.
    pub fn prune(&self, path: &Path) {
        let above = path.ancestors().skip(1).take_while(|folder| *folder != self.objects);
        for folder in above {
            // Not empty, or gone already: both end the climb.
            if fs::remove_dir(folder).is_err() {
                break;
            }
        }
    }

    /// Removes unfinished objects that nobody has written to for `stale`.
    pub fn remove_stale(&self, stale: Duration) -> io::Result<()> {
        for entry in fs::read_dir(&self.tmp)? {
            let path = entry?.path();
            if is_older(&path, stale)? {
                remove_if_there(&path)?;
            }
        }
        Ok(())
    }

    /// Lists names after `after` in byte order, up to `limit`, leaving out what was written within `stale`.
    pub fn list(&self, after: Option<&str>, limit: usize, stale: Duration) -> io::Result<Vec<StorageRef>> {
        let mut found = Vec::new();
        walk(&self.objects, "", &Listing { after, limit, stale }, &mut found)?;
        Ok(found)
    }
}

struct Listing<'a> {
    after: Option<&'a str>,
    limit: usize,
    stale: Duration,
}

/// Visits a folder's entries in the byte order of the names they lead to: a folder sorts as its name with a slash.
fn walk(folder: &Path, prefix: &str, listing: &Listing<'_>, found: &mut Vec<StorageRef>) -> io::Result<()> {
    let entries = match fs::read_dir(folder) {
        Ok(entries) => entries,
        // Pruned since its parent was read.
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(error),
    };
    let mut names = Vec::new();
    for entry in entries {
        let entry = entry?;
        // What is not UTF-8 is not ours.
        if let Ok(name) = entry.file_name().into_string() {
            let is_folder = entry.file_type()?.is_dir();
            names.push((
                if is_folder { format!("{prefix}{name}/") } else { format!("{prefix}{name}") },
                entry.path(),
            ));
        }
    }
    names.sort_unstable_by(|(a, _), (b, _)| a.trim_end_matches(LOG_MARK).cmp(b.trim_end_matches(LOG_MARK)));
    for (name, path) in names {
        if found.len() >= listing.limit {
            break;
        }
        let name = name.trim_end_matches(LOG_MARK);
        if name.ends_with('/') {
            let may_hold_later = listing.after.is_none_or(|after| name > after || after.starts_with(name));
            if may_hold_later {
                walk(&path, name, listing, found)?;
            }
        } else if listing.after.is_none_or(|after| name > after) && is_older(&path, listing.stale)? {
            found.push(StorageRef(name.to_owned()));
        }
    }
    Ok(())
}

/// Returns whether a file was last written at least `age` ago; one that is gone by now was not.
fn is_older(path: &Path, age: Duration) -> io::Result<bool> {
    match fs::metadata(path) {
        // A time in the future: the clock was set back; young.
        Ok(metadata) => Ok(metadata.modified()?.elapsed().map_or(age.is_zero(), |since| since >= age)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
        Err(error) => Err(error),
    }
}

/// Deletes a file; returns whether it was there.
pub fn remove_if_there(path: &Path) -> io::Result<bool> {
    match fs::remove_file(path) {
        Ok(()) => Ok(true),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
        Err(error) => Err(error),
    }
}
