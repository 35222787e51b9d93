//! The binary: arguments, configuration, run.

use clap::Parser;
use std::process::ExitCode;
use tributary::cli::Cli;

fn main() -> ExitCode {
    match tributary::run(Cli::parse()) {
        Ok(code) => code,
        // The reader of a pipe has seen enough (`tributary sql … | head`): no error of ours.
        Err(error) if tributary::is_broken_pipe(&error) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("tributary: {error:#}");
            ExitCode::FAILURE
        }
    }
}
