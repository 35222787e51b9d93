//! An HTTP front for the embedded engine: ClickHouse's own HTTP interface, so that every client and every line of
//! this project is the same as against a server.
//!
//! For one machine and loopback. A request runs on a connection and a thread of its own: `request` reads what it
//! asks, `body` receives its body whole, `sql` finds out whether rows go in or come out, `run` hands it to the
//! `engine`, `reply` writes the answer.

mod request;

mod form;

mod body;

mod blocks;

mod spool;

mod sql;

mod run;

mod settings;

mod sessions;

mod queries;

mod engine;

mod reply;

mod encode;

mod exception;

mod server;

use std::io;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

pub use server::serve;

/// How the front runs.
#[derive(Debug, Clone)]
pub struct FrontConfig {
    /// The engine's library, `libchdb.so`.
    pub lib: PathBuf,
    /// Where the engine keeps its data. One front per directory.
    pub data_dir: PathBuf,
    /// Where to listen: a loopback address.
    pub listen: SocketAddr,
    /// More queries at once than this are refused.
    pub max_queries: usize,
    /// How long a stop waits for queries under way before it ends them.
    pub grace: Duration,
}

impl FrontConfig {
    /// A front with a server's usual limits.
    pub fn new(lib: PathBuf, data_dir: PathBuf, listen: SocketAddr) -> Self {
        Self { lib, data_dir, listen, max_queries: 100, grace: Duration::from_secs(10) }
    }
}

/// Why the front could not start or had to stop.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum FrontError {
    /// The engine's library could not be loaded.
    #[error("could not load the ClickHouse engine from {}: {source}", path.display())]
    Library {
        /// The library.
        path: PathBuf,
        /// What the loader says.
        source: libloading::Error,
    },
    /// The engine could not open its data.
    #[error("could not open the ClickHouse data in {}: {cause}", path.display())]
    DataDir {
        /// The directory.
        path: PathBuf,
        /// What the engine says.
        cause: String,
    },
    /// Another front has the data directory.
    #[error("the ClickHouse data in {} is in use by another process: stop that one first", path.display())]
    InUse {
        /// The directory.
        path: PathBuf,
    },
    /// The front knows no passwords, so that nobody else may reach it.
    #[error("the ClickHouse front listens on loopback only, and {listen} is not: it has no users or passwords")]
    NotLoopback {
        /// The address asked for.
        listen: SocketAddr,
    },
    /// The address could not be bound.
    #[error("could not listen on {listen}: {source}")]
    Listen {
        /// The address asked for.
        listen: SocketAddr,
        /// What the system says.
        source: io::Error,
    },
    /// The system refused something else.
    #[error("could not {action}: {source}")]
    Io {
        /// What was tried.
        action: &'static str,
        /// What the system says.
        source: io::Error,
    },
}
