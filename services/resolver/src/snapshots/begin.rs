//! With what a process begins: the newest snapshot that can be used, or the whole log.

use identity::{Graph, Hasher};
use std::fmt;
use std::sync::Arc;
use std::time::{Duration, Instant};
use stream::LogProducer;

use super::{Archive, Directory, Error, Result, SnapshotFile, blocking};
use crate::backoff::until_answered;
use crate::metrics::name;

/// The graph that a process begins with.
#[derive(Debug)]
pub struct Beginning {
    /// Empty, or as a snapshot has it.
    pub graph: Arc<Graph>,
    /// The log is followed from here on.
    pub from_offset: i64,
    /// Where it came from.
    pub origin: Origin,
    /// How long loading it took.
    pub took: Duration,
}

/// Where a graph came from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Origin {
    /// A file of this machine.
    File(SnapshotFile),
    /// A snapshot that was published: the offset of its manifest.
    Published(i64),
    /// The log's beginning.
    Log,
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Origin::File(file) => write!(f, "{}", file.path.display()),
            Origin::Published(position) => write!(f, "the snapshot published at offset {position}"),
            Origin::Log => f.write_str("the beginning of the log"),
        }
    }
}

impl Beginning {
    /// Says it in the process's log.
    pub fn report(&self) {
        let (offset, identifiers) = (self.graph.applied(), self.graph.stats().identifiers);
        let ms = u64::try_from(self.took.as_millis()).unwrap_or(u64::MAX);
        tracing::info!(offset, identifiers, ms, "the identity graph begins with {}", self.origin);
    }
}

/// What a snapshot must fit.
#[derive(Debug, Clone, Copy)]
struct Log {
    low: i64,
    end: i64,
}

impl Log {
    /// Why a snapshot of this offset cannot be followed by the log, if it cannot.
    fn objection(self, log_offset: i64) -> Option<String> {
        let Log { low, end } = self;
        if log_offset >= end {
            Some(format!("it holds log offset {log_offset}, but the log ends at {end}"))
        } else if log_offset + 1 < low {
            Some(format!("it ends with log offset {log_offset}, but the log begins at {low}"))
        } else {
            None
        }
    }
}

/// Tries the files of this machine, the newest first, then what is published, then the log's beginning. What cannot be
/// used is reported and passed over. A snapshot brings its own rules, which the rest of the log may change, as the log's
/// beginning does; whether they are the configured ones at the end is for the caller to compare.
///
/// # Errors
/// [`Error::NoSnapshot`] when the log's beginning is gone and nothing replaces it.
pub async fn begin(
    hasher: &Arc<Hasher>,
    directory: &Directory,
    archive: &Archive,
    log: &LogProducer,
) -> Result<Beginning> {
    let (low, end) = until_answered("reading the identity log's ends", || log.ends()).await?;
    let log = Log { low, end };
    let files = directory.list().unwrap_or_else(|error| {
        tracing::warn!(%error, "snapshots of this machine cannot be looked for");
        Vec::new()
    });
    for file in files {
        let start = Instant::now();
        match load(hasher, directory, &file, log).await {
            Ok(graph) => {
                let (from_offset, origin) = (file.log_offset + 1, Origin::File(file));
                return Ok(Beginning { graph, from_offset, origin, took: start.elapsed() });
            }
            Err(reason) => skipped(&file.path.display().to_string(), &reason, "file"),
        }
    }
    let published = match until_answered("looking for published snapshots", || archive.list()).await {
        Err(error) if low == 0 => {
            tracing::warn!(%error, "published snapshots cannot be looked for");
            Vec::new()
        }
        published => published?,
    };
    for snapshot in published {
        let (start, offset) = (Instant::now(), snapshot.manifest.log_offset);
        let fetched = match log.objection(offset) {
            Some(objection) => Err(objection),
            None => archive.fetch(&snapshot, directory, hasher).await.map_err(|error| error.to_string()),
        };
        let what = Origin::Published(snapshot.position).to_string();
        match fetched.map(Arc::new) {
            Ok(graph) => {
                let (from_offset, origin) = (offset + 1, Origin::Published(snapshot.position));
                return Ok(Beginning { graph, from_offset, origin, took: start.elapsed() });
            }
            Err(reason) => skipped(&what, &reason, "published"),
        }
    }
    if low > 0 {
        return Err(Error::NoSnapshot { low, dir: directory.path().to_owned() });
    }
    let graph = Arc::new(Graph::new(Arc::clone(hasher)));
    Ok(Beginning { graph, from_offset: 0, origin: Origin::Log, took: Duration::ZERO })
}

async fn load(
    hasher: &Arc<Hasher>,
    directory: &Directory,
    file: &SnapshotFile,
    log: Log,
) -> Result<Arc<Graph>, String> {
    let (directory, file, id) = (directory.clone(), file.clone(), directory.log_topic_id());
    let own = Arc::clone(hasher);
    let loaded = blocking(move || {
        // What the header says is cheap to know, and a wrong one need not be loaded.
        let header = directory.header(&file)?;
        if let Some(other) = header.log_topic_id.filter(|other| *other != id.to_string()) {
            return Ok(Err(format!("it is of the log with the topic id {other}, expected {id}")));
        }
        if let Some(objection) = log.objection(header.log_offset) {
            return Ok(Err(objection));
        }
        directory.load(&file, &own).map(|(graph, _)| Ok(Arc::new(graph)))
    });
    loaded.await.map_err(|error| error.to_string())?
}

fn skipped(what: &str, reason: &str, kind: &'static str) {
    metrics::counter!(name::SNAPSHOTS_SKIPPED, "kind" => kind).increment(1);
    tracing::warn!("{what} is passed over: {reason}");
}
