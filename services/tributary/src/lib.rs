//! The binary's library: arguments, configuration, and the tasks that are not services of their own.

pub mod cli;
pub mod config;
pub mod demo;
pub mod error;
pub mod import;

mod commands;
mod lag;
mod logging;
mod nearest;
mod table;
mod toml_error;

pub use commands::run;

/// Whether standard output went away.
pub fn is_broken_pipe(error: &anyhow::Error) -> bool {
    let broken = |io: &std::io::Error| io.kind() == std::io::ErrorKind::BrokenPipe;
    error.chain().any(|cause| {
        cause.downcast_ref::<std::io::Error>().is_some_and(broken)
            || matches!(cause.downcast_ref::<error::Error>(), Some(error::Error::Write { source, .. }) if broken(source))
    })
}
