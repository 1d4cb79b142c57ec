//! The adapters that a configuration asks for.

use crate::bus::LocalBus;
use crate::config::{Config, FilesPlace};
use crate::files::{BucketError, Checksums, LocalFiles, S3Files, S3Settings};
use crate::mail::{SetupError, SmtpMailer};
use crate::models;
use crate::speech::{EngineEars, FileDecoder};
use crate::storage::{self, OpenError, OpenedIndex};
use crate::system::{SystemClock, SystemIds};
use sottovoce_actors::ports::bus::StatusBus;
use sottovoce_actors::ports::clock::{Clock, Ids};
use sottovoce_actors::ports::ear::Ears;
use sottovoce_actors::ports::engine::Engine;
use sottovoce_actors::ports::files::{FileError, FileStore};
use sottovoce_actors::ports::mail::Mailer;
use sottovoce_actors::ports::media::MediaDecoder;
use sottovoce_actors::ports::translator::Translator;
use sottovoce_translate::{EmbeddedTranslator, ModelFolder};
use std::sync::Arc;
use std::time::Duration;

/// Why an adapter could not be made.
#[derive(Debug, thiserror::Error)]
pub enum PortsError {
    /// The index.
    #[error(transparent)]
    Index(#[from] OpenError),
    /// The objects.
    #[error("the folder of files.url cannot be used: {0}")]
    Files(#[from] FileError),
    /// The bucket.
    #[error(transparent)]
    Bucket(#[from] BucketError),
    /// Mail.
    #[error(transparent)]
    Mail(#[from] SetupError),
    /// A form that this version does not have.
    #[error("{key} asks for `{scheme}:`, which this version does not have; use `{known}`")]
    Unsupported {
        /// The setting.
        key: &'static str,
        /// What it names.
        scheme: String,
        /// What it may name.
        known: &'static str,
    },
}

/// Every port of the server.
#[derive(Clone)]
pub struct Ports {
    /// The index, opened.
    pub index: OpenedIndex,
    /// Content.
    pub files: Arc<dyn FileStore>,
    /// Status fan-out.
    pub bus: Arc<dyn StatusBus>,
    /// Stored files to samples.
    pub media: Arc<dyn MediaDecoder>,
    /// Raw audio to samples.
    pub ears: Arc<dyn Ears>,
    /// Speech.
    pub engine: Arc<dyn Engine>,
    /// Translation.
    pub translator: Arc<dyn Translator>,
    /// Outgoing mail, where it is set up.
    pub mail: Option<Arc<dyn Mailer>>,
    /// Wall time.
    pub clock: Arc<dyn Clock>,
    /// New identifiers.
    pub ids: Arc<dyn Ids>,
}

impl Ports {
    /// Opens what the configuration names.
    ///
    /// # Errors
    /// See [`PortsError`].
    pub async fn open(config: &Config, engine: Arc<dyn Engine>) -> Result<Self, PortsError> {
        Self::open_around(config, engine, open_files(config).await?).await
    }

    /// As [`Ports::open`], with the content opened before.
    ///
    /// # Errors
    /// See [`PortsError`].
    pub async fn open_around(
        config: &Config,
        engine: Arc<dyn Engine>,
        files: Arc<dyn FileStore>,
    ) -> Result<Self, PortsError> {
        let index = storage::connect(&config.storage).await?;
        if config.bus.url.expose() != "local:" {
            let scheme = scheme_of(config.bus.url.expose());
            return Err(PortsError::Unsupported { key: "bus.url", scheme, known: "local:" });
        }
        Ok(Self {
            index,
            files,
            bus: Arc::new(LocalBus::default()),
            media: Arc::new(FileDecoder),
            ears: Arc::new(EngineEars::new(engine.clone())),
            engine,
            translator: Arc::new(translator(config)),
            mail: mailer(config)?,
            clock: Arc::new(SystemClock),
            ids: Arc::new(SystemIds),
        })
    }
}

fn translator(config: &Config) -> EmbeddedTranslator {
    let folders = config.models.translate.iter().filter_map(|id| {
        let pair = models::translation_pair(id)?;
        Some(ModelFolder { pair, folder: EmbeddedTranslator::folder_of(&config.models.dir, id) })
    });
    EmbeddedTranslator::open(folders.collect())
}

fn mailer(config: &Config) -> Result<Option<Arc<dyn Mailer>>, PortsError> {
    let smtp = &config.smtp;
    if !smtp.is_on() {
        return Ok(None);
    }
    let mailer = SmtpMailer::new(smtp.url.expose(), &smtp.from, Duration::from_millis(smtp.timeout_ms))?;
    Ok(Some(Arc::new(mailer)))
}

/// Opens the content that the configuration names; a bucket is tried first.
///
/// # Errors
/// See [`PortsError`].
pub async fn open_files(config: &Config) -> Result<Arc<dyn FileStore>, PortsError> {
    let files = &config.files;
    let place = match files.place() {
        FilesPlace::Folder(root) => return Ok(Arc::new(LocalFiles::open(root).await?)),
        FilesPlace::Bucket(place) => place,
    };
    let checksums =
        if place.checksums_everywhere { Checksums::WhenSupported } else { Checksums::WhenRequired };
    let settings = S3Settings {
        bucket: place.bucket,
        prefix: place.prefix,
        endpoint: place.endpoint,
        region: place.region,
        path_style: place.path_style,
        checksums,
        access_key_id: files.access_key_id.expose().to_owned(),
        secret_access_key: files.secret_access_key.expose().to_owned(),
        connect_timeout: Duration::from_millis(files.connect_timeout_ms),
        request_timeout: Duration::from_millis(files.request_timeout_ms),
        attempts: files.attempts,
    };
    Ok(Arc::new(S3Files::open(&settings).await?))
}

fn scheme_of(url: &str) -> String {
    // Only the scheme is shown: the rest may hold a password.
    url.split(':').next().unwrap_or_default().to_owned()
}
