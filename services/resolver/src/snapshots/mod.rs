//! Snapshots of the identity graph: so that a start reads little of the log, and the log's old part may go.
//!
//! [`Directory`] keeps files on this machine, [`Archive`] publishes them in Kafka and fetches them, [`begin`] decides
//! with which a process begins, and `Keeper` writes one now and then.

mod config;
mod directory;
mod archive;
mod begin;
mod keeper;

pub use archive::{Archive, Published, Truncated};
pub use begin::{Beginning, Origin, begin};
pub use config::SnapshotConfig;
pub use directory::{Directory, SnapshotFile};

pub(crate) use keeper::Keeper;

use identity::SnapshotError;
use std::io;
use std::path::PathBuf;

/// What can go wrong with snapshots.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A file is damaged, or the graph changed too much while one was written.
    #[error("{}: {source}", path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        source: SnapshotError,
    },
    /// The directory cannot be used.
    #[error("cannot {doing} {}: {source}", path.display())]
    Directory {
        /// What was being done.
        doing: &'static str,
        /// With what.
        path: PathBuf,
        /// Why not.
        source: io::Error,
    },
    /// The log's beginning is gone and no snapshot replaces it.
    #[error(
        "the identity log begins at offset {low}, and no snapshot reaches so far: neither in {} nor in Kafka; publish one \
         with `tributary identity snapshot publish` where a resolver has it", dir.display()
    )]
    NoSnapshot {
        /// The log's first offset.
        low: i64,
        /// Where was looked.
        dir: PathBuf,
    },
    /// The log must not be cut yet.
    #[error("the log is left as it is: {0}")]
    CannotTruncate(String),
    /// What was published is not what was written.
    #[error("the published snapshot cannot be used: {0}")]
    Published(String),
    /// Kafka.
    #[error(transparent)]
    Stream(#[from] stream::StreamError),
}

/// The result of this module.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// Runs what waits for a disk where it may.
async fn blocking<T: Send + 'static>(work: impl FnOnce() -> Result<T> + Send + 'static) -> Result<T> {
    match tokio::task::spawn_blocking(work).await {
        Ok(result) => result,
        Err(error) if error.is_panic() => std::panic::resume_unwind(error.into_panic()),
        Err(_) => Err(stream::StreamError::Closed.into()),
    }
}
