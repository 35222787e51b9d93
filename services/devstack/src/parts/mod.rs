//! The parts that are not ours: fetched once, checked against pinned digests, kept in a cache that all stacks share.

mod chdb;
mod kafka;
mod kafka_tool;
mod machine;

use std::fs::{self, File};
use std::path::{Path, PathBuf};

pub use machine::Machine;

use crate::disk;
use crate::error::{Error, FileContext, Result};
use crate::progress::Progress;

pub(crate) use chdb::VERSION as CHDB_VERSION;
pub(crate) use kafka::VERSION as KAFKA_VERSION;

/// Where fetched parts live, and what fetches them.
#[derive(Debug, Clone)]
pub struct Cache {
    root: PathBuf,
    machine: Machine,
    progress: Progress,
}

impl Cache {
    /// A cache in `root`, which is made when the first part comes.
    pub fn new(root: PathBuf, machine: Machine, progress: Progress) -> Self {
        Self { root, machine, progress }
    }

    /// `TRIBUTARY_CACHE`, else `tributary` in the user's cache folder.
    pub fn default_root() -> PathBuf {
        let named = |variable| std::env::var_os(variable).filter(|value| !value.is_empty()).map(PathBuf::from);
        named("TRIBUTARY_CACHE")
            .or_else(|| named("XDG_CACHE_HOME").map(|cache| cache.join("tributary")))
            .or_else(|| named("HOME").map(|home| home.join(".cache/tributary")))
            .unwrap_or_else(|| std::env::temp_dir().join("tributary-cache"))
    }

    /// The folder with Kafka's jars, fetched if need be.
    pub fn kafka(&self) -> Result<PathBuf> {
        let part = Part { folder: kafka::FOLDER, needed_bytes: kafka::NEEDED_BYTES, is_complete: kafka::is_complete };
        self.ensure(part, |folder| kafka::fetch(&self.machine, folder, self.progress))
    }

    /// `libchdb.so`, fetched if need be.
    pub fn chdb(&self) -> Result<PathBuf> {
        let part = Part { folder: chdb::FOLDER, needed_bytes: chdb::NEEDED_BYTES, is_complete: chdb::is_complete };
        let folder = self.ensure(part, |folder| {
            self.machine.require_embedded_engine()?;
            chdb::fetch(&self.machine, folder, self.progress)
        })?;
        Ok(folder.join(chdb::LIBRARY))
    }

    /// The `java` that runs Kafka, installed if need be and possible.
    pub(crate) fn java(&self) -> Result<PathBuf> {
        self.machine.java(self.progress)
    }

    /// The machine that parts are looked for and installed on.
    pub(crate) fn machine(&self) -> &Machine {
        &self.machine
    }

    /// Fills a temporary folder and renames it only when it is whole: what lies in the cache is complete.
    fn ensure(&self, part: Part, fill: impl FnOnce(&Path) -> Result<()>) -> Result<PathBuf> {
        let folder = self.root.join(part.folder);
        if (part.is_complete)(&folder) {
            return Ok(folder);
        }
        fs::create_dir_all(&self.root).during("make", &self.root)?;
        let _lock = self.lock()?;
        if (part.is_complete)(&folder) {
            return Ok(folder);
        }
        let unfinished = self.root.join(format!(".{}.unfinished", part.folder));
        for leftover in [&folder, &unfinished] {
            if leftover.exists() {
                self.progress.say(format_args!("{} was left half-fetched: fetching it again", part.folder));
                fs::remove_dir_all(leftover).during("remove", leftover)?;
            }
        }
        disk::require(&self.root, part.needed_bytes, "TRIBUTARY_CACHE")?;
        fs::create_dir(&unfinished).during("make", &unfinished)?;
        let filled = fill(&unfinished);
        if filled.is_err() {
            // The reason for the failure is what the user must see, so a failure to tidy up is not reported.
            let _ = fs::remove_dir_all(&unfinished);
        }
        filled?;
        fs::rename(&unfinished, &folder).during("rename", &unfinished)?;
        Ok(folder)
    }

    /// One process fetches, others wait for it.
    fn lock(&self) -> Result<File> {
        let path = self.root.join(".lock");
        let file = File::create(&path).during("open", &path)?;
        if file.try_lock().is_err() {
            self.progress.say("another process is fetching parts: waiting for it");
            file.lock().during("lock", &path)?;
        }
        Ok(file)
    }
}

/// What the cache must know of a part.
struct Part {
    folder: &'static str,
    needed_bytes: u64,
    is_complete: fn(&Path) -> bool,
}

/// The end of what a failed program wrote, on one line.
fn last_words(output: &[u8]) -> String {
    const CHARACTERS: usize = 400;
    let text = String::from_utf8_lossy(output);
    let words: Vec<&str> = text
        .lines()
        .map(str::trim)
        .filter(|line| line.starts_with("[ERROR]") || line.starts_with("npm error") || line.starts_with("E:"))
        .filter(|line| !matches!(*line, "npm error" | "[ERROR]"))
        .take(3)
        .collect();
    let words = if words.is_empty() { text.trim().lines().rev().take(2).collect() } else { words };
    let line = words.join("; ");
    match line.char_indices().nth(CHARACTERS) {
        Some((end, _)) => format!("{} …", &line[..end]),
        None if line.is_empty() => "it ended without a word".to_owned(),
        None => line,
    }
}

/// The error for a program that could not fetch `part` into `folder`, from what it wrote.
fn not_fetched(part: &str, folder: &Path, output: &[u8]) -> Error {
    let text = String::from_utf8_lossy(output);
    if text.contains("ENOSPC") || text.contains("No space left on device") {
        return disk::explain("write", folder, std::io::ErrorKind::StorageFull.into());
    }
    Error::Fetch { part: part.to_owned(), cause: last_words(output) }
}

/// The error for a fetched file that differs from what was pinned.
fn differs(part: &str, file: &str, found: String, expected: &str) -> Error {
    Error::Digest { part: part.to_owned(), file: file.to_owned(), found, expected: expected.to_owned() }
}

/// Digests as they are written in lists: lower-case hexadecimal.
fn hex(digest: &[u8]) -> String {
    digest.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_words_are_the_errors() {
        let maven = "[INFO] Scanning\n[ERROR] Failed to execute goal: Unknown host\n[ERROR] \n[ERROR] Re-run";
        assert_eq!(last_words(maven.as_bytes()), "[ERROR] Failed to execute goal: Unknown host; [ERROR] Re-run");
        let npm = "npm error code E404\nnpm error 404 Not Found\nnpm error\nnpm error a log of this run";
        assert_eq!(
            last_words(npm.as_bytes()),
            "npm error code E404; npm error 404 Not Found; npm error a log of this run"
        );
        assert_eq!(last_words(b"Killed\n"), "Killed");
        assert_eq!(last_words(b""), "it ended without a word");
    }

    #[test]
    fn a_fetch_that_fills_the_disk_says_so() {
        let error = not_fetched("Kafka", Path::new("/tmp"), b"npm error code ENOSPC");
        assert!(error.to_string().contains("is full"), "{error}");
    }
}
