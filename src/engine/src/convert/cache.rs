//! Keeps converted models on disk: `<cache>/<source hash>-v<version>/{encoder,decoder}.onnx` and `manifest.json`.
//!
//! Every file is written under another name, synced and renamed, the manifest last; conversion is deterministic, so
//! processes that convert at once write the same bytes and need no lock. A cache that does not match its manifest is
//! converted again.

use super::{CONVERTER_VERSION, ConvertError, Geometry, WeightRange, convert};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use sottovoce_actors::hex::hex;
use std::fs::{self, File};
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};

const ENCODER_FILE: &str = "encoder.onnx";
const DECODER_FILE: &str = "decoder.onnx";
const MANIFEST_FILE: &str = "manifest.json";

/// Hexadecimal digits of the source hash in the name of the folder.
const PREFIX_DIGITS: usize = 16;

/// The published files of one Moonshine model.
#[derive(Clone, Debug)]
pub struct MoonshineSources {
    /// `encoder_model.onnx`.
    pub encoder: PathBuf,
    /// `decoder_model_merged.onnx`.
    pub decoder: PathBuf,
}

/// A converted model on disk, checked against its manifest.
#[derive(Clone, Debug)]
pub struct Prepared {
    /// The encoder graph.
    pub encoder: PathBuf,
    /// The decoder graph.
    pub decoder: PathBuf,
    /// The sizes of the model.
    pub geometry: Geometry,
    /// Hexadecimal SHA-256 of the sources, shortened: tells versions of a model apart.
    pub source_hash: String,
}

/// Why a model could not be prepared.
#[derive(Debug, thiserror::Error)]
pub enum PrepareError {
    /// A published file is missing or unreadable.
    #[error("cannot read the model file {}: {cause}; run `sottovoce models pull`", path.display())]
    Source {
        /// Which file.
        path: PathBuf,
        /// What the system said.
        cause: io::Error,
    },
    /// A published file is not what it should be.
    #[error(transparent)]
    Convert(#[from] ConvertError),
    /// The folder of converted models cannot be written.
    #[error("cannot keep the converted model in {}: {cause}; make the models folder writable", path.display())]
    Cache {
        /// Which file or folder.
        path: PathBuf,
        /// What the system said.
        cause: io::Error,
    },
}

#[derive(Serialize, Deserialize)]
struct Manifest {
    converter_version: u32,
    encoder_sha256: String,
    decoder_sha256: String,
    geometry: Geometry,
}

/// Returns the converted model, converting it first where the cache lacks it or is damaged.
///
/// Blocks for some 100 ms (hashing), on the first call for seconds.
pub fn prepare(
    sources: &MoonshineSources,
    cache_dir: &Path,
    range: WeightRange,
) -> Result<Prepared, PrepareError> {
    let source_hash = hash_sources(sources)?;
    let folder = cache_dir.join(format!("{source_hash}-v{CONVERTER_VERSION}{}", range.suffix()));
    match check(&folder) {
        Ok(geometry) => return Ok(prepared(&folder, geometry, source_hash)),
        Err(Unusable::Absent) => tracing::info!(folder = %folder.display(), "converting a model, once"),
        Err(Unusable::Damaged(why)) => {
            tracing::warn!(folder = %folder.display(), why, "converted model is damaged, converting again");
        }
    }
    let read =
        |path: &Path| fs::read(path).map_err(|cause| PrepareError::Source { path: path.into(), cause });
    let converted = convert(&read(&sources.encoder)?, &read(&sources.decoder)?, range)?;
    let manifest = Manifest {
        converter_version: CONVERTER_VERSION,
        encoder_sha256: hex(Sha256::digest(&converted.encoder)),
        decoder_sha256: hex(Sha256::digest(&converted.decoder)),
        geometry: converted.geometry,
    };
    let manifest = serde_json::to_vec_pretty(&manifest)
        .map_err(|cause| PrepareError::Cache { path: folder.join(MANIFEST_FILE), cause: cause.into() })?;
    let unwritable = |cause| PrepareError::Cache { path: folder.clone(), cause };
    fs::create_dir_all(&folder).map_err(unwritable)?;
    for (file, bytes) in
        [(ENCODER_FILE, &converted.encoder), (DECODER_FILE, &converted.decoder), (MANIFEST_FILE, &manifest)]
    {
        write_whole(&folder, file, bytes).map_err(unwritable)?;
    }
    tracing::info!(folder = %folder.display(), "model converted");
    Ok(prepared(&folder, converted.geometry, source_hash))
}

fn prepared(folder: &Path, geometry: Geometry, source_hash: String) -> Prepared {
    Prepared { encoder: folder.join(ENCODER_FILE), decoder: folder.join(DECODER_FILE), geometry, source_hash }
}

enum Unusable {
    Absent,
    Damaged(&'static str),
}

fn check(folder: &Path) -> Result<Geometry, Unusable> {
    let manifest = fs::read(folder.join(MANIFEST_FILE)).map_err(|_| Unusable::Absent)?;
    let manifest: Manifest =
        serde_json::from_slice(&manifest).map_err(|_| Unusable::Damaged("its manifest is unreadable"))?;
    if manifest.converter_version != CONVERTER_VERSION {
        return Err(Unusable::Damaged("its manifest names another version"));
    }
    for (file, expected) in
        [(ENCODER_FILE, &manifest.encoder_sha256), (DECODER_FILE, &manifest.decoder_sha256)]
    {
        let mut hash = Sha256::new();
        hash_file(&folder.join(file), &mut hash).map_err(|_| Unusable::Damaged("a file is missing"))?;
        if hex(hash.finalize()) != *expected {
            return Err(Unusable::Damaged("a file differs from the manifest"));
        }
    }
    Ok(manifest.geometry)
}

fn hash_sources(sources: &MoonshineSources) -> Result<String, PrepareError> {
    let mut hash = Sha256::new();
    for path in [&sources.encoder, &sources.decoder] {
        hash_file(path, &mut hash).map_err(|cause| PrepareError::Source { path: path.clone(), cause })?;
    }
    let mut digits = hex(hash.finalize());
    digits.truncate(PREFIX_DIGITS);
    Ok(digits)
}

fn hash_file(path: &Path, hash: &mut Sha256) -> io::Result<()> {
    let mut file = File::open(path)?;
    let mut piece = vec![0; 1 << 18];
    loop {
        match file.read(&mut piece)? {
            0 => return Ok(()),
            read => hash.update(&piece[..read]),
        }
    }
}

/// Writes a file that is either absent or whole, also after a crash.
fn write_whole(folder: &Path, name: &str, bytes: &[u8]) -> io::Result<()> {
    static WRITES: AtomicU64 = AtomicU64::new(0);
    let unique = WRITES.fetch_add(1, Ordering::Relaxed);
    let unfinished = folder.join(format!(".{name}.{}.{unique}", std::process::id()));
    let written = File::create(&unfinished)
        .and_then(|mut file| file.write_all(bytes).and_then(|()| file.sync_all()))
        .and_then(|()| fs::rename(&unfinished, folder.join(name)))
        .and_then(|()| File::open(folder)?.sync_all());
    if written.is_err() {
        // The unfinished file is only in the way; the first error is the one to report.
        let _ = fs::remove_file(&unfinished);
    }
    written
}
