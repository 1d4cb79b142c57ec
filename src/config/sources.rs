//! Gathers the layers into one table: knows which keys exist and their kinds from the compiled-in defaults, refuses the
//! rest, and remembers where each value came from. Judges no value: that is the sections' work.

use super::defect::{Defect, Origin};
use super::suggest::nearest;
use super::{DEFAULT_TOML, Mode, PRODUCTION_TOML};
use std::collections::{BTreeMap, HashMap};
use std::ffi::{OsStr, OsString};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use toml::{Table, Value};

const PREFIX: &str = "SOTTOVOCE__";
const MODE: &str = "SOTTOVOCE_MODE";

/// What the command line says.
#[derive(Clone, Debug, Default)]
pub struct Overrides {
    /// `--data-dir`.
    pub data_dir: Option<PathBuf>,
    /// `--config`.
    pub config_file: Option<PathBuf>,
    /// `serve --bind`.
    pub bind: Option<SocketAddr>,
}

/// The environment variables, taken once so that tests can give their own.
#[derive(Clone, Debug, Default)]
pub struct Surroundings(BTreeMap<OsString, OsString>);

impl Surroundings {
    /// Takes the variables of this process.
    pub fn of_process() -> Self {
        Self(std::env::vars_os().collect())
    }

    /// Takes the variables given.
    pub fn from_pairs(pairs: impl IntoIterator<Item = (OsString, OsString)>) -> Self {
        Self(pairs.into_iter().collect())
    }

    /// Returns a variable that is set and not empty.
    pub(super) fn get(&self, name: &str) -> Option<&OsStr> {
        self.0.get(OsStr::new(name)).map(OsString::as_os_str).filter(|value| !value.is_empty())
    }
}

/// The merged layers.
pub(super) struct Gathered {
    pub(super) mode: Mode,
    pub(super) table: Table,
    pub(super) origins: HashMap<String, Origin>,
    pub(super) defects: Vec<Defect>,
}

/// Merges all layers; whatever is wrong with one is noted and left out, so that the rest can still be checked.
pub(super) fn gather(overrides: &Overrides, surroundings: &Surroundings) -> Gathered {
    let mut gathered = Gathered {
        mode: Mode::Embedded,
        table: compiled_in(DEFAULT_TOML),
        origins: HashMap::new(),
        defects: Vec::new(),
    };
    gathered.mode = gathered.read_mode(surroundings);
    if gathered.mode == Mode::Production {
        gathered.lay_table(compiled_in(PRODUCTION_TOML), &Origin::Default);
    }
    if let Some(path) = &overrides.config_file {
        gathered.lay_file(path);
    }
    gathered.lay_environment(surroundings);
    if let Some(bind) = overrides.bind {
        gathered.lay("http", "bind", Value::String(bind.to_string()), &Origin::Flag("--bind"));
    }
    gathered
}

fn compiled_in(text: &str) -> Table {
    text.parse().unwrap_or_else(|error| panic!("the compiled-in configuration is valid TOML: {error}"))
}

impl Gathered {
    fn read_mode(&mut self, surroundings: &Surroundings) -> Mode {
        match surroundings.get(MODE).map(OsStr::to_string_lossy).as_deref() {
            None | Some("embedded") => Mode::Embedded,
            Some("production") => Mode::Production,
            Some(other) => {
                let problem = format!("`{other}` is no mode; use `embedded` or `production`");
                self.defects.push(Defect::new(MODE, Origin::Environment(MODE.into()), problem));
                Mode::Embedded
            }
        }
    }

    fn lay_file(&mut self, path: &Path) {
        let origin = Origin::File(path.to_owned());
        let text = match std::fs::read_to_string(path) {
            Ok(text) => text,
            Err(error) => {
                self.defects.push(Defect::new(
                    "--config",
                    origin,
                    format!("the file cannot be read: {error}"),
                ));
                return;
            }
        };
        match text.parse::<Table>() {
            Ok(table) => self.lay_table(table, &origin),
            Err(error) => {
                // The parser's own text quotes the line, which may hold a secret.
                let line = error.span().map_or(1, |span| 1 + text[..span.start].matches('\n').count());
                let problem = format!("line {line} is not valid TOML: {}", error.message());
                self.defects.push(Defect::new("--config", origin, problem));
            }
        }
    }

    fn lay_table(&mut self, table: Table, origin: &Origin) {
        for (section, value) in table {
            if !self.knows_section(&section, origin) {
                continue;
            }
            let Value::Table(keys) = value else {
                let problem = format!("it is a section; write [{section}] and its keys below");
                self.defects.push(Defect::new(section, origin.clone(), problem));
                continue;
            };
            for (key, value) in keys {
                self.lay(&section, &key, value, origin);
            }
        }
    }

    fn lay_environment(&mut self, surroundings: &Surroundings) {
        for (name, value) in &surroundings.0 {
            let Some(name) = name.to_str().filter(|name| name.starts_with(PREFIX)) else { continue };
            let origin = Origin::Environment(name.to_owned());
            let Some((section, key)) = name[PREFIX.len()..].split_once("__") else {
                let problem = "variables are named SOTTOVOCE__SECTION__KEY";
                self.defects.push(Defect::new(name, origin, problem));
                continue;
            };
            let (section, key) = (section.to_lowercase(), key.to_lowercase());
            let Some(text) = value.to_str() else {
                let problem = "the value is not valid UTF-8";
                self.defects.push(Defect::new(format!("{section}.{key}"), origin, problem));
                continue;
            };
            if !self.knows_section(&section, &origin) {
                continue;
            }
            match self.known(&section, &key).map(|default| from_text(text, default)) {
                Some(Ok(value)) => self.lay(&section, &key, value, &origin),
                Some(Err(problem)) => {
                    self.defects.push(Defect::new(format!("{section}.{key}"), origin, problem))
                }
                None => self.unknown_key(&section, &key, &origin),
            }
        }
    }

    /// Sets one key if it exists and its kind is right.
    fn lay(&mut self, section: &str, key: &str, value: Value, origin: &Origin) {
        let Some(default) = self.known(section, key) else { return self.unknown_key(section, key, origin) };
        let name = format!("{section}.{key}");
        match of_kind(value, default) {
            Ok(value) => {
                if let Some(Value::Table(keys)) = self.table.get_mut(section) {
                    keys.insert(key.to_owned(), value);
                }
                self.origins.insert(name, origin.clone());
            }
            Err(problem) => self.defects.push(Defect::new(name, origin.clone(), problem)),
        }
    }

    fn known(&self, section: &str, key: &str) -> Option<&Value> {
        self.table.get(section)?.as_table()?.get(key)
    }

    fn knows_section(&mut self, section: &str, origin: &Origin) -> bool {
        let known = self.table.contains_key(section);
        if !known {
            let hint = hint(nearest(section, self.table.keys().map(String::as_str)));
            self.defects.push(Defect::new(
                section,
                origin.clone(),
                format!("there is no such section{hint}"),
            ));
        }
        known
    }

    fn unknown_key(&mut self, section: &str, key: &str, origin: &Origin) {
        let keys = self.table.get(section).and_then(Value::as_table);
        let near = keys.and_then(|keys| nearest(key, keys.keys().map(String::as_str)));
        let hint = hint(near.map(|near| format!("{section}.{near}")).as_deref());
        let problem = format!("there is no such key{hint}");
        self.defects.push(Defect::new(format!("{section}.{key}"), origin.clone(), problem));
    }
}

fn hint(near: Option<&str>) -> String {
    near.map_or_else(
        || "; `sottovoce default-config` lists all".to_owned(),
        |near| format!("; did you mean `{near}`?"),
    )
}

/// Checks that a value is of the default's kind. The message does not quote it: it may be a secret.
fn of_kind(value: Value, default: &Value) -> Result<Value, String> {
    match (value, default) {
        (Value::Integer(number), Value::Integer(_)) if number < 0 => Err("it must not be negative".into()),
        #[expect(clippy::cast_precision_loss, reason = "a setting written as a whole number is small")]
        (Value::Integer(number), Value::Float(_)) => Ok(Value::Float(number as f64)),
        (Value::Array(items), Value::Array(_)) if items.iter().any(|item| !item.is_str()) => {
            Err("it must be a list of strings".into())
        }
        (value, default) if value.same_type(default) => Ok(value),
        (value, default) => Err(format!("it must be {}, not {}", kind(default), kind(&value))),
    }
}

fn kind(value: &Value) -> &'static str {
    match value {
        Value::String(_) => "a string",
        Value::Integer(_) => "a whole number",
        Value::Float(_) => "a number",
        Value::Boolean(_) => "true or false",
        Value::Datetime(_) => "a date",
        Value::Array(_) => "a list",
        Value::Table(_) => "a section",
    }
}

/// Reads an environment variable as the default's kind.
fn from_text(text: &str, default: &Value) -> Result<Value, String> {
    let wrong = || format!("it must be {}", kind(default));
    Ok(match default {
        Value::Integer(_) => Value::Integer(text.trim().parse().map_err(|_| wrong())?),
        Value::Float(_) => Value::Float(text.trim().parse().map_err(|_| wrong())?),
        Value::Boolean(_) => Value::Boolean(text.trim().parse().map_err(|_| wrong())?),
        Value::Array(_) => {
            let items = text.split(',').map(str::trim).filter(|item| !item.is_empty());
            Value::Array(items.map(|item| Value::String(item.to_owned())).collect())
        }
        _ => Value::String(text.to_owned()),
    })
}
