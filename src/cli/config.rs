//! `check-config` and `default-config`.

use super::Failure;
use crate::config::{Config, DEFAULT_TOML, PRODUCTION_TOML};
use std::io::Write;

/// Says that the configuration is good and what follows from it; the values of secrets are not shown.
pub(super) fn check(config: &Config) {
    println!("the configuration is good");
    println!("  mode    {:?}", config.mode);
    println!("  data    {}", config.data_dir.display());
    println!("  models  {}", config.models.dir.display());
    println!("  listen  {}", config.http.bind);
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
