//! The `hardline` command.

use std::process::ExitCode;

/// The services make and drop many small buffers on many threads, which the system's allocator is slow at.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    hardline::cli::main()
}
