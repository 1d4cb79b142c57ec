//! The command line: parses, loads the configuration, calls one function a command, and maps its end to an exit code.
//!
//! Exit codes: 0 well, 2 usage, 78 configuration refused, 1 anything else.

mod audio_file;
mod batch_client;
mod config;
mod demo;
mod failure;
mod first_key;
mod gen_secrets;
mod keys;
mod listen_client;
mod migrate;
mod models;
mod openapi;
mod operator;
mod progress_bar;
mod screen;
mod serve;
mod transcribe;
mod users;

pub use failure::Failure;
pub use first_key::{FirstKey, first_key};

use crate::config::{Config, Overrides};
use clap::{Args, Parser, Subcommand};
use std::future::Future;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::ExitCode;

/// Live captions, transcripts and translations as a service.
#[derive(Parser, Debug)]
#[command(name = "sottovoce", version, about, arg_required_else_help = true)]
struct Cli {
    #[command(flatten)]
    global: Global,
    #[command(subcommand)]
    command: Command,
}

/// Options of every command.
#[derive(Args, Clone, Debug)]
struct Global {
    /// Folder of the database, uploads and transcripts [default: $XDG_DATA_HOME/sottovoce or ~/.local/share/sottovoce]
    #[arg(long, global = true, value_name = "DIR")]
    data_dir: Option<PathBuf>,
    /// Configuration file (TOML); `default-config` prints one with every setting
    #[arg(long, global = true, value_name = "FILE")]
    config: Option<PathBuf>,
}

#[derive(Subcommand, Debug)]
enum Command {
    /// Run the server until Ctrl-C
    Serve {
        /// Address and port to listen on, instead of http.bind
        #[arg(long, value_name = "ADDR:PORT")]
        bind: Option<SocketAddr>,
    },
    /// Have files transcribed or translated by a running server, or with --live caption one as it plays
    Transcribe(transcribe::TranscribeArgs),
    /// List, fetch, check and convert models
    #[command(subcommand)]
    Models(models::ModelsCommand),
    /// Accounts: list, invite, set passwords, suspend, delete, audit
    #[command(subcommand)]
    Users(users::UsersCommand),
    /// API keys
    #[command(subcommand)]
    Keys(keys::KeysCommand),
    /// Run the server, show live captions and a batch job of a sample, and go on serving
    Demo {
        /// Address and port to listen on, instead of http.bind
        #[arg(long, value_name = "ADDR:PORT")]
        bind: Option<SocketAddr>,
    },
    /// Bring the database up to date
    Migrate,
    /// Check the configuration and say what is wrong with it
    CheckConfig,
    /// Print every setting with its default and meaning
    DefaultConfig,
    /// Print random secrets as environment lines for a production server
    GenSecrets {
        /// Put the new key before the configured one, which stays good until you remove it
        #[arg(long)]
        rotate: bool,
    },
    /// Print the OpenAPI document of the REST surface
    Openapi,
}

impl Global {
    /// Loads the configuration for a command.
    fn load(&self, bind: Option<SocketAddr>) -> Result<Config, Failure> {
        let overrides = Overrides { data_dir: self.data_dir.clone(), config_file: self.config.clone(), bind };
        Config::load(&overrides).map_err(Failure::Config)
    }
}

/// Runs the command that the process was started with.
pub fn run() -> ExitCode {
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(told) => {
            // Help and version are no failure; clap knows which stream they belong to.
            let _ = told.print();
            return if told.use_stderr() { ExitCode::from(2) } else { ExitCode::SUCCESS };
        }
    };
    match dispatch(cli) {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            failure.print();
            failure.exit_code()
        }
    }
}

fn dispatch(cli: Cli) -> Result<(), Failure> {
    let global = &cli.global;
    match cli.command {
        Command::Serve { bind } => block_on(serve::serve(global.load(bind)?)),
        Command::Demo { bind } => block_on(demo::demo(global.load(bind)?)),
        Command::Transcribe(args) => block_on(transcribe::transcribe(args)),
        Command::Models(command) => models::run(command, &global.load(None)?),
        Command::Users(command) => block_on(users::run(command, global.load(None)?)),
        Command::Keys(command) => block_on(keys::run(command, global.load(None)?)),
        Command::Migrate => block_on(migrate::migrate(global.load(None)?)),
        Command::CheckConfig => global.load(None).map(|config| config::check(&config)),
        Command::DefaultConfig => config::print_defaults(),
        Command::GenSecrets { rotate: false } => gen_secrets::print(None),
        Command::GenSecrets { rotate: true } => gen_secrets::print(Some(&global.load(None)?)),
        Command::Openapi => openapi::print(),
    }
}

/// Runs a command on the main arbiter.
fn block_on(command: impl Future<Output = Result<(), Failure>>) -> Result<(), Failure> {
    actix::System::new().block_on(command)
}
