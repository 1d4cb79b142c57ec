//! Where data and models live when nothing was said: the XDG folders.

use super::defect::{Defect, Origin};
use super::sources::{Overrides, Surroundings};
use std::path::{Path, PathBuf};

/// Returns the data folder: `--data-dir`, `$XDG_DATA_HOME/sottovoce` or `~/.local/share/sottovoce`.
pub(super) fn data_dir(overrides: &Overrides, surroundings: &Surroundings) -> Result<PathBuf, Defect> {
    if let Some(dir) = &overrides.data_dir {
        return absolute(dir)
            .map_err(|problem| Defect::new("--data-dir", Origin::Flag("--data-dir"), problem));
    }
    xdg(surroundings, "XDG_DATA_HOME", ".local/share").map(|home| home.join("sottovoce")).ok_or_else(|| {
        Defect::new(
            "--data-dir",
            Origin::Default,
            "neither XDG_DATA_HOME nor HOME is set; give --data-dir DIR",
        )
    })
}

/// Returns the models folder: `$XDG_CACHE_HOME/sottovoce/models` or `~/.cache/sottovoce/models`.
pub(super) fn models_dir(surroundings: &Surroundings) -> Result<PathBuf, Defect> {
    xdg(surroundings, "XDG_CACHE_HOME", ".cache").map(|home| home.join("sottovoce/models")).ok_or_else(|| {
        Defect::new("models.dir", Origin::Default, "neither XDG_CACHE_HOME nor HOME is set; set models.dir")
    })
}

/// Returns an XDG base folder; as the specification says, a relative one is ignored.
fn xdg(surroundings: &Surroundings, variable: &str, under_home: &str) -> Option<PathBuf> {
    let named = surroundings.get(variable).map(PathBuf::from).filter(|path| path.is_absolute());
    named.or_else(|| {
        let home = PathBuf::from(surroundings.get("HOME")?);
        home.is_absolute().then(|| home.join(under_home))
    })
}

fn absolute(path: &Path) -> Result<PathBuf, String> {
    std::path::absolute(path).map_err(|error| format!("{} is not usable: {error}", path.display()))
}
