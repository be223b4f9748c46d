//! The program itself, so that the tests of this crate can run it as the operator does.
#![forbid(unsafe_code)]

use std::process::ExitCode;

fn main() -> ExitCode {
    hardline::cli::main()
}
