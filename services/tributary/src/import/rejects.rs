//! Bad rows: the first ones to the terminal, all of them into a file that a person can mend and import again.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{BufWriter, Write};
use std::path::{Path, PathBuf};

use super::reader::BadRow;
use crate::error::{Error, Result};

/// How many bad rows are shown one by one.
const SHOWN: u64 = 20;
/// How much of a bad row is kept: an unclosed quote can make one of a whole file.
const RAW_LIMIT: usize = 64 * 1024;

/// Collects bad rows.
pub(crate) struct Rejects {
    path: Option<PathBuf>,
    out: Option<BufWriter<File>>,
    by_file: BTreeMap<PathBuf, u64>,
    /// All bad rows so far.
    pub(crate) count: u64,
}

impl Rejects {
    /// Writes to `path`, made when the first bad row comes; `None` only shows and counts.
    pub(crate) fn new(path: Option<PathBuf>) -> Self {
        Rejects { path, out: None, by_file: BTreeMap::new(), count: 0 }
    }

    /// Takes a bad row; the returned line is for the terminal.
    pub(crate) fn add(&mut self, file: &Path, bad: &BadRow) -> Result<Option<String>> {
        self.count += 1;
        *self.by_file.entry(file.to_owned()).or_insert(0) += 1;
        self.write(file, bad)?;
        Ok(match self.count {
            count if count <= SHOWN => Some(format!("{}:{}: {}", file.display(), bad.line, bad.reason)),
            count if count == SHOWN + 1 => Some("more bad rows follow; they are counted but not shown".to_owned()),
            _ => None,
        })
    }

    /// Where the bad rows are, if there are any.
    pub(crate) fn finish(mut self) -> Result<Option<PathBuf>> {
        let Some(mut out) = self.out.take() else {
            return Ok(None);
        };
        out.flush().map_err(|source| self.write_error(source))?;
        Ok(self.path)
    }

    fn write(&mut self, file: &Path, bad: &BadRow) -> Result<()> {
        let Some(path) = &self.path else {
            return Ok(());
        };
        if self.out.is_none() {
            let created = File::create(path).map_err(|source| self.write_error(source))?;
            self.out = Some(BufWriter::new(created));
        }
        let Some(out) = &mut self.out else {
            return Ok(());
        };
        let end = bad.raw.char_indices().map(|(at, _)| at).take_while(|at| *at <= RAW_LIMIT).last().unwrap_or(0);
        let raw = if bad.raw.len() <= RAW_LIMIT { bad.raw.as_str() } else { &bad.raw[..end] };
        let line =
            serde_json::json!({"file": file.display().to_string(), "line": bad.line, "reason": bad.reason, "row": raw});
        writeln!(out, "{line}").map_err(|source| self.write_error(source))
    }

    fn write_error(&self, source: std::io::Error) -> Error {
        Error::Write { path: self.path.clone().unwrap_or_default(), source }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shows_some_and_keeps_all() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("rejects.ndjson");
        let mut rejects = Rejects::new(Some(path.clone()));
        let mut shown = 0;
        for line in 1..=30 {
            let bad = BadRow { line, reason: "no time".to_owned(), raw: "é".repeat(RAW_LIMIT) };
            shown += u32::from(rejects.add(Path::new("a.csv"), &bad).unwrap().is_some());
        }
        assert_eq!((shown, rejects.count), (21, 30));
        assert_eq!(rejects.finish().unwrap(), Some(path.clone()));
        let text = std::fs::read_to_string(path).unwrap();
        assert_eq!(text.lines().count(), 30);
        let first: serde_json::Value = serde_json::from_str(text.lines().next().unwrap()).unwrap();
        assert_eq!((first["file"].as_str(), first["line"].as_u64()), (Some("a.csv"), Some(1)));
    }

    #[test]
    fn no_bad_row_no_file() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("rejects.ndjson");
        assert_eq!(Rejects::new(Some(path.clone())).finish().unwrap(), None);
        assert!(!path.exists());
    }
}
