//! Which names objects may have: relative paths of safe segments, the same for every adapter.

use sottovoce_actors::ports::files::FileError;
use sottovoce_actors::ports::store::StorageRef;

const MAX_SEGMENTS: usize = 8;
const MAX_SEGMENT_BYTES: usize = 128;

/// Returns the text of a name that is well formed.
pub fn check(name: &StorageRef) -> Result<&str, FileError> {
    let is_safe = |segment: &str| {
        (1..=MAX_SEGMENT_BYTES).contains(&segment.len())
            && !segment.starts_with('.')
            && segment.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"._-".contains(&byte))
    };
    let is_well_formed = name.0.split('/').count() <= MAX_SEGMENTS && name.0.split('/').all(is_safe);
    if is_well_formed { Ok(&name.0) } else { Err(FileError::Malformed("object name")) }
}

/// Refuses log lines that do not end in a line feed.
pub fn check_lines(lines: &[u8]) -> Result<(), FileError> {
    match lines.last() {
        Some(byte) if *byte != b'\n' => Err(FileError::Malformed("log lines: the last has no line feed")),
        _ => Ok(()),
    }
}
