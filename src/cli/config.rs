//! `check-config` and `default-config`.

use super::Failure;
use crate::config::{Config, DEFAULT_TOML, FilesPlace, PRODUCTION_TOML, Registration};
use std::io::Write;

/// Says that the configuration is good and what follows from it; the values of secrets are not shown.
pub(super) fn check(config: &Config) {
    let or = |is_on: bool, on: String, off: &str| if is_on { on } else { off.to_owned() };
    let keys = config.auth.jwt_keys.len();
    let public = &config.http.public_url;
    println!("the configuration is good");
    for (what, value) in [
        ("mode", format!("{:?}", config.mode)),
        ("data", config.data_dir.display().to_string()),
        ("content", content(config)),
        ("models", config.models.dir.display().to_string()),
        ("listen", config.http.bind.clone()),
        ("public", or(!public.is_empty(), public.clone(), "only where it listens")),
        (
            "origins",
            or(!config.http.allowed_origins.is_empty(), config.http.allowed_origins.join(" "), "its own"),
        ),
        ("accounts", registration(config).to_owned()),
        ("signing", or(keys > 0, format!("{keys} configured key(s)"), "a key kept in the data folder")),
        ("oidc", or(config.oidc.is_on(), config.oidc.issuer.clone(), "off")),
        (
            "mail",
            or(
                config.smtp.is_on(),
                format!("on, from {}", config.smtp.from),
                "off; links by `sottovoce users`",
            ),
        ),
    ] {
        println!("  {what:<8}  {value}");
    }
}

fn content(config: &Config) -> String {
    match config.files.place() {
        FilesPlace::Folder(folder) => folder.display().to_string(),
        FilesPlace::Bucket(place) => {
            format!("bucket {} at {}", place.bucket, place.endpoint.as_deref().unwrap_or("AWS"))
        }
    }
}

fn registration(config: &Config) -> &'static str {
    match (config.auth.registration(), config.auth.verify_email) {
        (Registration::Open, false) => "anyone may register",
        (Registration::Open, true) => "anyone may register, and confirms the address",
        (Registration::Invite, _) => "by invitation",
        (Registration::Closed, _) => "made by the operator only",
    }
}

/// Prints the compiled-in defaults, and what production mode changes as comments behind them.
pub(super) fn print_defaults() -> Result<(), Failure> {
    let mut text = String::from(DEFAULT_TOML);
    text.push('\n');
    for line in PRODUCTION_TOML.lines() {
        text.push_str(if line.is_empty() || line.starts_with('#') { line } else { "# " });
        text.push_str(if line.is_empty() || line.starts_with('#') { "" } else { line });
        text.push('\n');
    }
    std::io::stdout().write_all(text.as_bytes()).map_err(Failure::of)
}
