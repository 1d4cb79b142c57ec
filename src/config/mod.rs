//! Configuration: compiled-in defaults < production overlay < file < environment < command line.
//!
//! Owns every setting's type, default and validation. Reports all defects at once, each with the key and where its
//! value came from, and never prints the value of a secret. Reads the environment only here, once, at start.

mod auth;
mod bucket;
mod bus;
mod callbacks;
mod defect;
mod doors;
mod engine;
mod files;
mod http;
mod jobs;
mod kept;
mod limits;
mod live;
mod models;
mod oidc;
mod places;
mod secret;
mod smtp;
mod sources;
mod status;
mod storage;
mod suggest;
mod telemetry;
#[cfg(test)]
mod tests;

pub use auth::{AuthConfig, JwtKey, Registration};
pub use bucket::BucketPlace;
pub use bus::BusConfig;
pub use callbacks::CallbacksConfig;
pub use defect::{Defect, Origin};
pub use doors::DoorsConfig;
pub use engine::EngineConfig;
pub use files::{FilesConfig, FilesPlace};
pub use http::HttpConfig;
pub use jobs::JobsConfig;
pub use limits::LimitsConfig;
pub use live::LiveConfig;
pub use models::ModelsConfig;
pub use oidc::OidcConfig;
pub use secret::SecretText;
pub use smtp::SmtpConfig;
pub use sources::{Overrides, Surroundings};
pub use status::StatusConfig;
pub use storage::StorageConfig;
pub use telemetry::{LogFormat, TelemetryConfig};

use defect::Checker;
use serde::Deserialize;
use std::path::PathBuf;

/// The commented defaults, as compiled in.
pub const DEFAULT_TOML: &str = include_str!("default.toml");
/// What production mode changes, as compiled in.
pub const PRODUCTION_TOML: &str = include_str!("production.toml");

/// Exit code of a refused configuration (`EX_CONFIG` of sysexits).
pub const EXIT_CONFIG: u8 = 78;

/// What the defaults are made for.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum Mode {
    /// One binary on one machine, nothing to install.
    #[default]
    Embedded,
    /// For the public: tighter limits, only listed origins.
    Production,
}

/// Every setting, checked; paths and back-end addresses that were left empty are filled in.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// Embedded or production.
    #[serde(skip)]
    pub mode: Mode,
    /// Folder of the database, the objects and temporary files.
    #[serde(skip)]
    pub data_dir: PathBuf,
    /// The main listener.
    pub http: HttpConfig,
    /// Accounts, logins, tokens, keys.
    pub auth: AuthConfig,
    /// Login through a provider.
    pub oidc: OidcConfig,
    /// Outgoing mail.
    pub smtp: SmtpConfig,
    /// The index.
    pub storage: StorageConfig,
    /// Content.
    pub files: FilesConfig,
    /// Status fan-out.
    pub bus: BusConfig,
    /// Model files.
    pub models: ModelsConfig,
    /// Speech engine threads and admission.
    pub engine: EngineConfig,
    /// Live streams.
    pub live: LiveConfig,
    /// Batch jobs.
    pub jobs: JobsConfig,
    /// Telling owners' addresses that their jobs ended.
    pub callbacks: CallbacksConfig,
    /// Requests that wait for a transcript.
    pub doors: DoorsConfig,
    /// Quotas and sizes.
    pub limits: LimitsConfig,
    /// Status sockets.
    pub status: StatusConfig,
    /// Logs and metrics.
    pub telemetry: TelemetryConfig,
}

impl Config {
    /// Loads the configuration of this process from file, environment and command line.
    ///
    /// # Errors
    /// All defects found, each naming its key and origin; the process should print them and exit with [`EXIT_CONFIG`].
    pub fn load(overrides: &Overrides) -> Result<Self, Vec<Defect>> {
        Self::load_in(overrides, &Surroundings::of_process())
    }

    /// Loads the configuration with an environment given by the caller.
    ///
    /// # Errors
    /// As [`Config::load`].
    pub fn load_in(overrides: &Overrides, surroundings: &Surroundings) -> Result<Self, Vec<Defect>> {
        let gathered = sources::gather(overrides, surroundings);
        let mut defects = gathered.defects;
        let mut config: Self = match gathered.table.try_into() {
            Ok(config) => config,
            Err(error) => {
                defects.push(Defect::new("configuration", Origin::Default, error.message().to_owned()));
                return Err(defects);
            }
        };
        config.mode = gathered.mode;
        let mut checker = Checker::new(&gathered.origins, &mut defects);
        config.check(&mut checker);
        match places::data_dir(overrides, surroundings) {
            Ok(data_dir) => {
                config.data_dir = data_dir;
                config.fill_in(surroundings, &mut defects);
                defects.extend(kept::defect(&config));
            }
            Err(defect) => defects.push(defect),
        }
        if defects.is_empty() { Ok(config) } else { Err(defects) }
    }

    /// Returns the embedded defaults for a data folder, with models under `models_dir` and free ports on loopback: what
    /// tests start from.
    pub fn for_tests(data_dir: impl Into<PathBuf>, models_dir: impl Into<PathBuf>) -> Self {
        let overrides = Overrides { data_dir: Some(data_dir.into()), ..Overrides::default() };
        let surroundings = Surroundings::from_pairs([
            ("SOTTOVOCE__MODELS__DIR".into(), models_dir.into().into_os_string()),
            ("SOTTOVOCE__HTTP__BIND".into(), "127.0.0.1:0".into()),
        ]);
        Self::load_in(&overrides, &surroundings)
            .unwrap_or_else(|defects| panic!("the compiled-in defaults are valid: {defects:?}"))
    }

    /// Returns the file of the signing key that the embedded mode makes for itself.
    pub fn kept_key_file(&self) -> PathBuf {
        self.data_dir.join("secrets").join("jwt.key")
    }

    fn check(&self, checker: &mut Checker<'_>) {
        self.http.check(self.mode, checker);
        self.auth.check(self.mode, self.smtp.is_on(), checker);
        self.oidc.check(self.mode, &self.http.public_url, checker);
        self.smtp.check(self.mode, checker);
        self.storage.check(checker, self.mode);
        self.files.check(self.mode, checker);
        self.bus.check(checker);
        self.models.check(checker);
        self.engine.check(checker);
        self.live.check(checker);
        self.jobs.check(checker);
        self.callbacks.check(self.mode, checker);
        self.doors.check(checker);
        self.limits.check(checker);
        self.status.check(checker);
        self.telemetry.check(checker);
    }

    /// Fills in what depends on the data folder and the user's home.
    fn fill_in(&mut self, surroundings: &Surroundings, defects: &mut Vec<Defect>) {
        let data_dir = self.data_dir.display();
        if self.storage.url.is_empty() {
            self.storage.url = SecretText::new(format!("sqlite:{data_dir}/sottovoce.db"));
        }
        if self.files.url.is_empty() {
            self.files.url = SecretText::new(format!("file:{data_dir}/objects"));
        }
        if self.models.dir.as_os_str().is_empty() {
            match places::models_dir(surroundings) {
                Ok(dir) => self.models.dir = dir,
                Err(defect) => defects.push(defect),
            }
        }
    }
}
