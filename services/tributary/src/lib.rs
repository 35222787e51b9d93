//! The binary's library: arguments, configuration, and the tasks that are not services of their own.

pub mod error;
pub mod import;

mod nearest;
mod toml_error;
