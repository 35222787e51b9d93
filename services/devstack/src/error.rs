//! Everything that can stop the local stack, each as one sentence that says what to do next.

use std::io;
use std::path::{Path, PathBuf};

/// Why the local stack could not be fetched, started or stopped.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A program that fetching or running needs is not installed, and could not be installed from here.
    #[error("{program} is missing: {remedy}")]
    Missing {
        /// The program that was looked for.
        program: String,
        /// What to install, and how.
        remedy: String,
    },
    /// The published parts do not exist for this machine.
    #[error(
        "the embedded parts exist for x86-64 Linux with glibc only, and this is {found}: \
         set KAFKA_BROKERS and CLICKHOUSE_URL to servers of your own, or use `deploy/compose.yaml`"
    )]
    Platform {
        /// Operating system and processor that were found.
        found: String,
    },
    /// A part could not be fetched.
    #[error("could not fetch {part}: {cause}; check the network (and proxy settings), then run the same command again")]
    Fetch {
        /// The part, with its version.
        part: String,
        /// The fetching program's own words.
        cause: String,
    },
    /// One of Kafka's own tools failed.
    #[error("{class} failed: {said}")]
    KafkaTool {
        /// The tool.
        class: String,
        /// Its own words.
        said: String,
    },
    /// A fetched file is not the one that was pinned.
    #[error(
        "{file} of {part} is not the pinned file (digest {found}, expected {expected}): \
         nothing of it was kept; if a mirror serves your packages, it serves a changed file"
    )]
    Digest {
        /// The part, with its version.
        part: String,
        /// The file that differs.
        file: String,
        /// The digest of what came.
        found: String,
        /// The digest it should have.
        expected: String,
    },
    /// The disk could not hold what is about to be written.
    #[error(
        "the disk of {} is too full: {needed_mb} MB are needed and {free_mb} MB are free; \
         free some, or choose another folder with {choose}",
        path.display()
    )]
    DiskFull {
        /// The folder that was to be written.
        path: PathBuf,
        /// What is needed, in megabytes.
        needed_mb: u64,
        /// What is free, in megabytes.
        free_mb: u64,
        /// The flag or variable that moves the folder.
        choose: &'static str,
    },
    /// The disk ran full while something was written.
    #[error(
        "the disk of {} is full ({free_mb} MB are free): free some space, then run the same command again, \
         or choose another folder with --state-dir (data) or TRIBUTARY_CACHE (fetched parts)",
        path.display()
    )]
    DiskRanFull {
        /// What was being written.
        path: PathBuf,
        /// What is free, in megabytes.
        free_mb: u64,
    },
    /// Another program listens where a part was to listen.
    #[error("port {port} for {part} is taken by {holder}: stop that program, or choose another port with {flag}")]
    PortTaken {
        /// The port.
        port: u16,
        /// The part that was to use it.
        part: &'static str,
        /// Who has it, as far as can be told.
        holder: String,
        /// The flag that moves the part.
        flag: &'static str,
    },
    /// Both parts were asked to listen on one port.
    #[error(
        "Kafka and ClickHouse cannot both listen on port {port}: \
         choose different ones with --kafka-port and --clickhouse-port"
    )]
    SamePort {
        /// The port.
        port: u16,
    },
    /// A part runs already, elsewhere than was asked for.
    #[error(
        "{part} of this stack already runs on port {running} and {asked} was asked for: run `tributary dev down` first"
    )]
    OtherPort {
        /// The part.
        part: &'static str,
        /// Where it runs.
        running: u16,
        /// Where it was asked to run.
        asked: u16,
    },
    /// A part was started and ended by itself.
    #[error("{part} stopped right after its start; the end of its log {} says:\n{tail}", log.display())]
    Died {
        /// The part.
        part: &'static str,
        /// Its log file.
        log: PathBuf,
        /// The last lines of it.
        tail: String,
    },
    /// A part was started and does not answer.
    #[error("{part} did not answer within {seconds} s and was stopped; its log is {}", log.display())]
    Silent {
        /// The part.
        part: &'static str,
        /// How long was waited.
        seconds: u64,
        /// Its log file.
        log: PathBuf,
    },
    /// A server that the environment names does not answer.
    #[error(
        "{variable} names {address}, which does not answer ({cause}): start that server, or unset {variable} to use a local one"
    )]
    External {
        /// The environment variable.
        variable: &'static str,
        /// Its value, without credentials.
        address: String,
        /// What went wrong.
        cause: String,
    },
    /// A process would not end.
    #[error("{part} (pid {pid}) does not stop, even when killed: look at it with `ps -o stat,wchan -p {pid}`")]
    Unstoppable {
        /// The part.
        part: &'static str,
        /// Its process.
        pid: i32,
    },
    /// A part was to be killed or used and is not running.
    #[error("{part} of this stack is not running: start it with `tributary dev up`")]
    NotRunning {
        /// The part.
        part: &'static str,
    },
    /// A file or folder could not be read or written.
    #[error("could not {action} {}: {source}", path.display())]
    File {
        /// What was tried.
        action: &'static str,
        /// On which path.
        path: PathBuf,
        /// The system's answer.
        source: io::Error,
    },
    /// A program could not be started.
    #[error("could not run {program}: {source}")]
    Run {
        /// The program.
        program: String,
        /// The system's answer.
        source: io::Error,
    },
}

/// The result of everything in this crate that touches the local stack.
pub type Result<T> = std::result::Result<T, Error>;

/// Names the action and path of a failed file operation.
pub(crate) trait FileContext<T> {
    fn during(self, action: &'static str, path: &Path) -> Result<T>;
}

impl<T> FileContext<T> for io::Result<T> {
    fn during(self, action: &'static str, path: &Path) -> Result<T> {
        self.map_err(|source| crate::disk::explain(action, path, source))
    }
}
