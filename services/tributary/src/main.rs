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
            eprintln!("tributary: {}", sentence(&error));
            ExitCode::FAILURE
        }
    }
}

/// An error and its causes in one line. Some errors name their cause themselves; it is not said twice.
fn sentence(error: &anyhow::Error) -> String {
    let mut text = error.to_string();
    for cause in error.chain().skip(1).map(ToString::to_string) {
        if !text.contains(&cause) {
            text = format!("{text}: {cause}");
        }
    }
    text
}
