//! How far the import of a file has come, kept on disk so that an interrupted import goes on instead of starting over.
//!
//! It only saves time: rows after the mark are asked of ClickHouse anyway. So it may be lost, but it must never be
//! believed of another cluster, topic, file or mapping: all of these are part of its name or content.

use serde::{Deserialize, Serialize};
use std::fs;
use std::path::{Path, PathBuf};
use std::time::UNIX_EPOCH;

use crate::error::{Error, Result};

/// The state of one file.
pub(crate) struct FileState {
    path: PathBuf,
    mark: Mark,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Mark {
    file: PathBuf,
    bytes: u64,
    modified_ms: u128,
    /// Rows from the file's beginning, good or bad, that need no second look.
    rows: u64,
}

impl FileState {
    /// The state of `file`, imported with `mapping_hash` into the place that `target` names.
    pub(crate) fn open(folder: &Path, target: &str, mapping_hash: u128, file: &Path) -> Result<Self> {
        let read = |source| Error::Read { path: file.to_owned(), source };
        let absolute = fs::canonicalize(file).map_err(read)?;
        let metadata = fs::metadata(file).map_err(read)?;
        let modified = metadata.modified().map_err(read)?;
        let modified_ms = modified.duration_since(UNIX_EPOCH).map_or(0, |since| since.as_millis());
        let name = blake3::hash(format!("{target}\n{mapping_hash:x}\n{}", absolute.display()).as_bytes()).to_hex();
        let path = folder.join(format!("{}.json", &name.as_str()[..32]));
        let fresh = Mark { file: absolute, bytes: metadata.len(), modified_ms, rows: 0 };
        let kept = fs::read(&path).ok().and_then(|bytes| serde_json::from_slice::<Mark>(&bytes).ok());
        let mark = kept.filter(|kept| Mark { rows: 0, ..kept.clone() } == fresh).unwrap_or(fresh);
        Ok(FileState { path, mark })
    }

    /// Rows that need no second look.
    pub(crate) fn rows(&self) -> u64 {
        self.mark.rows
    }

    /// Moves the mark; it is on disk, whole, when this returns.
    pub(crate) fn advance(&mut self, rows: u64) -> Result<()> {
        self.mark.rows = rows;
        let failed = |source| Error::Write { path: self.path.clone(), source };
        if let Some(folder) = self.path.parent() {
            fs::create_dir_all(folder).map_err(failed)?;
        }
        let beside = self.path.with_extension("new");
        let text = serde_json::to_vec(&self.mark).map_err(|error| failed(error.into()))?;
        fs::write(&beside, text).map_err(failed)?;
        fs::rename(&beside, &self.path).map_err(failed)
    }

    /// Forgets the file: its import is complete.
    pub(crate) fn remove(self) {
        // A mark that stays behind is harmless: the file is skipped by it at worst, and it was sent.
        let _ = fs::remove_file(self.path);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn kept_for_the_same_file_only() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("a.csv");
        fs::write(&file, "x\n").unwrap();
        let states = folder.path().join("states");
        let open = |target: &str, mapping: u128| FileState::open(&states, target, mapping, &file).unwrap();
        open("here", 1).advance(7).unwrap();
        assert_eq!(open("here", 1).rows(), 7);
        assert_eq!(open("there", 1).rows(), 0, "another cluster or topic");
        assert_eq!(open("here", 2).rows(), 0, "another mapping");
        fs::write(&file, "x\ny\n").unwrap();
        assert_eq!(open("here", 1).rows(), 0, "the file has changed");
        open("here", 1).advance(2).unwrap();
        open("here", 1).remove();
        assert_eq!(open("here", 1).rows(), 0);
    }
}
