//! The `sottovoce-loadtest` program: reads the command line and hands over to the library.

use clap::Parser;
use sottovoce_loadtest::cli::Cli;
use std::process::ExitCode;

/// One thread: the client shares the machine with the server it measures.
#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    match Cli::parse().run().await {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::from(1),
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::from(2)
        }
    }
}
