//! The binary: everything is in the library.

use std::process::ExitCode;

/// The models allocate and free megabytes of ever new sizes on several threads; with the system's allocator a long stream's
/// memory creeps up.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    sottovoce::cli::run()
}
