//! The signing key that the embedded mode keeps in the data folder: whoever else could read it could make tokens.

use super::{Config, Defect, Origin};
use std::os::unix::fs::PermissionsExt;

/// Bits of the mode that let anybody but the owner in.
const OTHERS: u32 = 0o077;

/// Returns what is wrong with the file, if it is used and there.
pub(super) fn defect(config: &Config) -> Option<Defect> {
    if !config.auth.jwt_keys.is_empty() {
        return None;
    }
    let path = config.kept_key_file();
    let mode = std::fs::metadata(&path).ok()?.permissions().mode();
    (mode & OTHERS != 0).then(|| {
        let problem = format!(
            "others can read {path} (mode {mode:03o}); run `chmod 600 {path}`, or delete it if somebody may have read \
             it: then everybody logs in again",
            path = path.display(),
            mode = mode & 0o777
        );
        Defect::new("auth.jwt_keys", Origin::File(path), problem)
    })
}
