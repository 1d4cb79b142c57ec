//! The command line: one subcommand a kind of run. Exit status: 0 all promises kept, 1 some broken, 2 could not run.

use crate::accuracy::AccuracyArgs;
use crate::error::LoadError;
use crate::hostile::HostileArgs;
use crate::jobs::JobsArgs;
use crate::live::LiveArgs;
use crate::status::StatusArgs;
use clap::{Parser, Subcommand};

/// Load, soak, accuracy and abuse client of Sottovoce, over its public API only.
#[derive(Parser, Debug)]
#[command(name = "sottovoce-loadtest", version)]
pub struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand, Debug)]
enum Command {
    /// Real-time streams: lag, loss, promises, CPU and memory of the server.
    Live(Box<LiveArgs>),
    /// Batch jobs: throughput, latency, failures.
    Jobs(Box<JobsArgs>),
    /// Sockets on /ws: fan-out latency, order, gaps.
    Status(Box<StatusArgs>),
    /// A manifest's recordings through the server: what was heard beside what was said.
    Accuracy(Box<AccuracyArgs>),
    /// Seeded hostile frames, handshakes and media files.
    Hostile(Box<HostileArgs>),
}

impl Cli {
    /// Carries out the command; returns whether the server kept its promises.
    ///
    /// # Errors
    /// When the run could not be carried out.
    pub async fn run(self) -> Result<bool, LoadError> {
        match self.command {
            Command::Live(args) => args.run().await,
            Command::Jobs(args) => args.run().await,
            Command::Status(args) => args.run().await,
            Command::Accuracy(args) => args.run().await,
            Command::Hostile(args) => args.run().await,
        }
    }
}
