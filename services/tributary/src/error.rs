//! What can go wrong between a command line and a running service.

use std::path::PathBuf;
use std::process::ExitStatus;

/// Result of this crate.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// An error that a person at a terminal can act on.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A file could not be read.
    #[error("cannot read {}: {source}", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// A file could not be written.
    #[error("cannot write {}: {source}", path.display())]
    Write {
        /// The file.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// A TOML file is broken or has an unknown key; the message names file and line.
    #[error("{message}")]
    Toml {
        /// The sentence.
        message: String,
    },
    /// An environment variable does not fit the configuration.
    #[error("environment variable {variable}: {message}")]
    Environment {
        /// Its name.
        variable: String,
        /// What is wrong with it.
        message: String,
    },
    /// A mapping file contradicts itself or names what does not exist.
    #[error("{}: {message}", path.display())]
    Mapping {
        /// The mapping file.
        path: PathBuf,
        /// What is wrong.
        message: String,
    },
    /// A file to import cannot be used with this mapping at all.
    #[error("{}: {message}", path.display())]
    Import {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        message: String,
    },
    /// A program could not be started.
    #[error("cannot run {program}: {source}")]
    Run {
        /// The program.
        program: String,
        /// Why.
        source: std::io::Error,
    },
    /// No free port of this machine could be found.
    #[error("cannot find a free port on 127.0.0.1: {source}")]
    Port {
        /// Why.
        source: std::io::Error,
    },
    /// A resolver of ours cannot be asked.
    #[error("cannot ask {url}: {source}")]
    Ask {
        /// What was asked.
        url: String,
        /// Why.
        source: Box<ureq::Error>,
    },
    /// A resolver of ours ended by itself.
    #[error("the resolver ended ({status}); its log {} ends with:\n{tail}", log.display())]
    ResolverEnded {
        /// How.
        status: ExitStatus,
        /// Its log.
        log: PathBuf,
        /// The last lines of it.
        tail: String,
    },
    /// A resolver of ours does not do what it was asked.
    #[error("the resolver did not answer within {seconds} s; its log is {}", log.display())]
    ResolverSilent {
        /// How long was waited.
        seconds: u64,
        /// Its log.
        log: PathBuf,
    },
    /// The pipelines stopped making progress.
    #[error("nothing changed for {seconds} s; {waiting}")]
    Stalled {
        /// How long was waited.
        seconds: u64,
        /// What was left to do.
        waiting: String,
    },
    /// A count is not what it must be.
    #[error("{what}: expected {expected}, found {found}")]
    Unequal {
        /// What was counted.
        what: String,
        /// What it should be.
        expected: String,
        /// What it is.
        found: String,
    },
    /// A folder holds none of the exports that the demo knows.
    #[error(
        "{} holds neither clickstream/*.csv nor cdnow_sample.txt; `tributary import` reads other exports",
        path.display()
    )]
    NoExports {
        /// The folder.
        path: PathBuf,
    },
    /// The local stack.
    #[error(transparent)]
    Stack(#[from] devstack::Error),
    /// ClickHouse.
    #[error(transparent)]
    Store(#[from] store::Error),
    /// Kafka.
    #[error(transparent)]
    Stream(#[from] stream::StreamError),
    /// The identity rules contradict themselves.
    #[error(transparent)]
    Identity(#[from] identity::Error),
}
