//! The house rules that no compiler checks: headers, who may import what, one of each heavy dependency, log texts.
//!
//! Reads the sources of the working tree; changes nothing.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::process::Command;

/// One source file of ours.
struct Source {
    /// Path from the root of the project, with `/`.
    path: String,
    text: String,
}

impl Source {
    /// Returns the lines that are neither comments nor below the unit tests, with their numbers.
    fn code(&self) -> impl Iterator<Item = (usize, &str)> {
        let tested = self.text.find("\n#[cfg(test)]\nmod tests {").unwrap_or(self.text.len());
        let lines = self.text[..tested].lines().enumerate();
        lines.map(|(index, line)| (index + 1, line)).filter(|(_, line)| !line.trim_start().starts_with("//"))
    }

    fn is_under(&self, folders: &[&str]) -> bool {
        folders.iter().any(|folder| self.path.starts_with(folder))
    }
}

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// Returns all Rust sources of the workspace.
fn sources() -> Vec<Source> {
    let mut found = Vec::new();
    for folder in ["src", "actors", "loadtest"] {
        collect(&root().join(folder), &mut found);
    }
    assert!(found.len() > 100, "only {} sources found: the test looks in the wrong place", found.len());
    found
}

fn collect(folder: &Path, found: &mut Vec<Source>) {
    let items = std::fs::read_dir(folder).unwrap_or_else(|error| panic!("{}: {error}", folder.display()));
    for item in items {
        let path: PathBuf = item.expect("a folder's item").path();
        if path.is_dir() {
            collect(&path, found);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            let text =
                std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
            let path =
                path.strip_prefix(root()).expect("under the root").to_string_lossy().replace('\\', "/");
            found.push(Source { path, text });
        }
    }
}

/// Fails with every place where a rule is broken.
fn assert_none(rule: &str, broken: &[String]) {
    let list = broken.iter().fold(String::new(), |mut list, place| {
        let _ = writeln!(list, "  {place}");
        list
    });
    assert!(broken.is_empty(), "{rule}:\n{list}");
}

/// Returns where code (comments and unit tests aside) outside of `home` holds one of these texts.
fn places(needles: &[&str], home: &[&str]) -> Vec<String> {
    let mut broken = Vec::new();
    for source in
        sources().iter().filter(|source| !source.is_under(home) && source.path != "src/tests/tidy.rs")
    {
        for (number, line) in source.code() {
            if let Some(needle) = needles.iter().find(|needle| line.contains(**needle)) {
                broken.push(format!("{}:{number}: {needle}", source.path));
            }
        }
    }
    broken
}

#[test]
fn every_file_says_what_it_owns() {
    let silent = sources().into_iter().filter(|source| !source.text.starts_with("//! "));
    let broken: Vec<String> = silent.map(|source| source.path).collect();
    assert_none("a file begins with `//!` and what it owns", &broken);
}

#[test]
fn inner_crates_know_nothing_of_the_edge() {
    let edge = ["actix_web", "sqlx", "reqwest", "redis", "aws_sdk", "stripe", "tokio_tungstenite"];
    assert_none("actors know no adapter", &only_under(&["actors/"], &edge));
    let heavier = [&edge[..], &["actix", "tokio", "tracing"][..]].concat();
    assert_none("the protocol is serde only", &only_under(&["actors/protocol/"], &heavier));
    let ours = ["sottovoce_actors", "sottovoce_engine", "sqlx", "actix"];
    assert_none(
        "the load generator knows the protocol only",
        &only_under(&["loadtest/src/", "loadtest/tests/"], &ours),
    );
}

/// Returns where files under `folders` name one of these crates.
fn only_under(folders: &[&str], crates: &[&str]) -> Vec<String> {
    let mut broken = Vec::new();
    for source in sources().iter().filter(|source| source.is_under(folders)) {
        for (number, line) in source.code() {
            for name in crates {
                if line.contains(&format!("{name}::")) || line.trim_end() == format!("use {name};") {
                    broken.push(format!("{}:{number}: {name}", source.path));
                }
            }
        }
    }
    broken
}

#[test]
fn adapters_know_ports_and_not_each_other() {
    let adapters = ["storage", "bus", "callbacks", "files", "mail", "speech"];
    let mut broken = Vec::new();
    for source in sources() {
        let Some(own) = adapters.iter().find(|name| source.path.starts_with(&format!("src/{name}/"))) else {
            continue;
        };
        let others = adapters.iter().filter(|name| *name != own).chain(&["http", "ws", "app"]);
        for other in others {
            for (number, line) in
                source.code().filter(|(_, line)| line.contains(&format!("crate::{other}::")))
            {
                broken.push(format!("{}:{number}: {}", source.path, line.trim()));
            }
        }
    }
    assert_none("an adapter knows ports, neither the edge nor another adapter", &broken);
}

#[test]
fn only_the_composition_root_names_adapters() {
    let names = [
        "SqliteStore",
        "PostgresStore",
        "LocalBus",
        "RedisBus",
        "S3Files",
        "SmtpMailer",
        "HttpCallbackSender",
    ];
    let home = ["src/app", "src/storage/", "src/bus/", "src/files/", "src/mail/", "src/callbacks/"];
    assert_none("concrete adapters are named in src/app.rs only", &places(&names, &home));
}

#[test]
fn sql_is_under_storage() {
    let sql = ["sqlx::", "SELECT ", "INSERT INTO ", "UPDATE jobs", "DELETE FROM ", "CREATE TABLE"];
    assert_none("SQL is under src/storage only", &places(&sql, &["src/storage/", "loadtest/benches/"]));
}

#[test]
fn websockets_of_actix_are_under_ws() {
    assert_none(
        "actix_web_actors is used in src/ws only",
        &places(&["actix_web_actors"], &["src/ws/", "src/ws.rs"]),
    );
}

#[test]
fn the_sdk_of_s3_is_under_files() {
    let names = ["aws_sdk_s3", "aws_smithy", "aws_types"];
    assert_none(
        "the AWS SDK is used in src/files/s3 only",
        &places(&names, &["src/files/s3/", "src/telemetry/"]),
    );
}

#[test]
fn status_codes_are_decided_at_the_edge() {
    let home = ["src/http/", "src/ws/", "src/cli/", "src/tests/", "loadtest/"];
    assert_none("HTTP status codes are for src/http and src/ws", &places(&["StatusCode"], &home));
}

#[test]
fn nothing_reads_the_makers_papers() {
    assert_none(
        "nothing outside of the project is referred to",
        &places(&[concat!("/work/", "shared"), concat!("/work/", "scratch")], &[]),
    );
}

#[test]
fn log_messages_are_lower_case_without_full_stop() {
    let mut broken = Vec::new();
    let mut seen = 0;
    for source in sources() {
        let mut rest = source.text.as_str();
        while let Some(at) = ["trace", "debug", "info", "warn", "error"]
            .iter()
            .filter_map(|level| rest.find(&format!("tracing::{level}!(")))
            .min()
        {
            rest = &rest[at..];
            let call = &rest[..rest.find(");").unwrap_or(rest.len())];
            // The message is the last literal: fields come before it.
            let message = call.split('"').collect::<Vec<_>>();
            if message.len() >= 3 {
                let message = message[message.len() - 2];
                seen += 1;
                let acronym = message.chars().take(2).all(char::is_uppercase);
                if message.ends_with('.') || (message.starts_with(char::is_uppercase) && !acronym) {
                    broken.push(format!("{}: {message:?}", source.path));
                }
            }
            rest = &rest[1..];
        }
    }
    assert!(seen > 0, "no log message found: the test looks for the wrong thing");
    assert_none("log messages are lower case, without a full stop", &broken);
}

#[test]
fn one_of_each_heavy_dependency() {
    let tree = Command::new(env!("CARGO"))
        .args([
            "tree",
            "--workspace",
            "--offline",
            "--locked",
            "--edges",
            "normal,build",
            "--prefix",
            "none",
            "--format",
            "{p}",
        ])
        .current_dir(root())
        .output()
        .expect("cargo tree");
    assert!(tree.status.success(), "{}", String::from_utf8_lossy(&tree.stderr));
    let tree = String::from_utf8(tree.stdout).expect("text");
    let versions = |name: &str| {
        let mut found: Vec<&str> = tree
            .lines()
            .filter_map(|line| line.strip_prefix(name)?.strip_prefix(" v")?.split(' ').next())
            .collect();
        found.sort_unstable();
        found.dedup();
        found
    };
    for (name, least) in
        [("rustls", "0.23."), ("hyper", "1."), ("tokio", "1."), ("aws-lc-rs", "1."), ("actix-http", "3.")]
    {
        let found = versions(name);
        assert!(
            found.len() == 1 && found[0].starts_with(least),
            "one {name} {least}x is wanted, found {found:?}"
        );
    }
    for name in ["ring", "openssl-sys", "native-tls", "async-std", "bindgen"] {
        assert!(versions(name).is_empty(), "{name} {:?} must not be built", versions(name));
    }
}

#[test]
fn migrations_come_in_pairs_with_the_same_numbers() {
    let numbers = |database: &str| -> Vec<String> {
        let Ok(items) = std::fs::read_dir(root().join("migrations").join(database)) else {
            return Vec::new();
        };
        let mut numbers: Vec<String> = items
            .map(|item| item.expect("a migration").file_name().to_string_lossy().into_owned())
            .filter(|name| name.ends_with(".sql"))
            .map(|name| name.split('_').next().unwrap_or_default().to_owned())
            .collect();
        numbers.sort();
        numbers
    };
    let sqlite = numbers("sqlite");
    assert!(!sqlite.is_empty());
    let unique: std::collections::BTreeSet<&String> = sqlite.iter().collect();
    assert_eq!(unique.len(), sqlite.len(), "two migrations have one number: {sqlite:?}");
    assert_eq!(sqlite, numbers("postgres"));
}
