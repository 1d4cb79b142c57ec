//! Where an object is in the bucket. No requests here.
//!
//! `PREFIX/objects/NAME` is a whole object; `PREFIX/objects/NAME!OFFSET` a part of a log, where OFFSET is the place in the
//! log of the part's first byte, in 20 digits. No name holds a `!`, and it sorts before every byte that a name may hold:
//! the bucket lists names in their own byte order, a log's parts together and in order.

use crate::files::name::check;
use sottovoce_actors::ports::files::FileError;
use sottovoce_actors::ports::store::StorageRef;

const PART_MARK: char = '!';
/// Sorts after every digit.
const AFTER_ALL_PARTS: char = '~';

/// What a key stands for.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Named {
    pub name: StorageRef,
    /// Of a log's part: the place of its first byte.
    pub offset: Option<u64>,
}

/// The keys of a store.
#[derive(Clone, Debug)]
pub struct Keys {
    root: String,
}

impl Keys {
    /// Puts the store under a prefix, a path without slashes at its ends; empty: at the bucket's top.
    pub fn under(prefix: &str) -> Self {
        let root = if prefix.is_empty() { "objects/".into() } else { format!("{prefix}/objects/") };
        Self { root }
    }

    /// Returns what all keys begin with.
    pub fn root(&self) -> &str {
        &self.root
    }

    /// Returns the key of a whole object.
    pub fn object(&self, name: &StorageRef) -> Result<String, FileError> {
        Ok(format!("{}{}", self.root, check(name)?))
    }

    /// Returns what the keys of a log's parts begin with.
    pub fn log(&self, name: &StorageRef) -> Result<String, FileError> {
        Ok(format!("{}{}{PART_MARK}", self.root, check(name)?))
    }

    /// Returns the key of a log's part.
    pub fn part(&self, name: &StorageRef, offset: u64) -> Result<String, FileError> {
        Ok(format!("{}{offset:020}", self.log(name)?))
    }

    /// Returns a key behind everything of this name and before the next name's.
    pub fn behind(&self, name: &StorageRef) -> String {
        format!("{}{}{PART_MARK}{AFTER_ALL_PARTS}", self.root, name.0)
    }

    /// Tells what a listed key stands for; `None`: it is not ours.
    pub fn parse(&self, key: &str) -> Option<Named> {
        let text = key.strip_prefix(&self.root)?;
        let (name, offset) = match text.split_once(PART_MARK) {
            Some((name, offset)) => (name, Some(offset.parse().ok()?)),
            None => (text, None),
        };
        let name = StorageRef(name.to_owned());
        check(&name).is_ok().then_some(Named { name, offset })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_read_as_they_were_written() {
        for keys in [Keys::under(""), Keys::under("captions/eu")] {
            let name = StorageRef("jobs/7/segments".into());
            let object = keys.object(&name).expect("a key");
            assert_eq!(keys.parse(&object), Some(Named { name: name.clone(), offset: None }));
            for offset in [0, 7, u64::MAX] {
                let part = keys.part(&name, offset).expect("a key");
                assert_eq!(keys.parse(&part), Some(Named { name: name.clone(), offset: Some(offset) }));
            }
        }
        let keys = Keys::under("captions");
        for foreign in ["objects/a", "captions/other/a", "captions/objects/a b", "captions/objects/a!x", ""] {
            assert_eq!(keys.parse(foreign), None, "{foreign}");
        }
    }

    #[test]
    fn keys_sort_as_names_do() {
        let keys = Keys::under("");
        let mut names =
            ["a/x", "a/x-log", "a/x.y", "a/x/b", "a/x0", "a/xy", "b"].map(|name| StorageRef(name.into()));
        names.sort_unstable();
        let sorted: Vec<String> = names
            .iter()
            .flat_map(|name| {
                let parts = [0, 9, 10, u64::MAX].map(|offset| keys.part(name, offset).expect("a key"));
                [vec![keys.object(name).expect("a key")], parts.to_vec(), vec![keys.behind(name)]].concat()
            })
            .collect();
        assert!(sorted.is_sorted(), "{sorted:?}");
    }
}
