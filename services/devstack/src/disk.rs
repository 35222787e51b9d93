//! Room on disk: asked for before anything large is written, explained when it runs out half-way.

use std::ffi::CString;
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use crate::error::{Error, Result};

const MEGABYTE: u64 = 1_000_000;

/// Bytes that this user may still write on the disk of `path` (which need not exist yet).
pub(crate) fn free_bytes(path: &Path) -> Option<u64> {
    let existing = path.ancestors().find(|folder| folder.exists())?;
    let name = CString::new(existing.as_os_str().as_bytes()).ok()?;
    // SAFETY: `statvfs` is plain data, for which all zeroes is a value.
    let mut stats: libc::statvfs = unsafe { std::mem::zeroed() };
    // SAFETY: `name` ends with a zero and `stats` is a live structure of the expected type.
    let answer = unsafe { libc::statvfs(name.as_ptr(), &mut stats) };
    (answer == 0).then(|| stats.f_bavail * stats.f_frsize)
}

/// Refuses to begin when fewer than `needed` bytes are free; where the system does not say, goes ahead.
pub(crate) fn require(path: &Path, needed: u64, choose: &'static str) -> Result<()> {
    match free_bytes(path) {
        Some(free) if free < needed => Err(Error::DiskFull {
            path: path.to_path_buf(),
            needed_mb: needed.div_ceil(MEGABYTE),
            free_mb: free / MEGABYTE,
            choose,
        }),
        _ => Ok(()),
    }
}

/// Turns "no space left on device" into the sentence about full disks, anything else into [`Error::File`].
pub(crate) fn explain(action: &'static str, path: &Path, source: io::Error) -> Error {
    if matches!(source.kind(), io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded) {
        return Error::DiskRanFull { path: path.to_path_buf(), free_mb: free_bytes(path).unwrap_or(0) / MEGABYTE };
    }
    Error::File { action, path: path.to_path_buf(), source }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::FileContext;

    #[test]
    fn too_little_room_is_refused_before_anything_is_written() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("not/made/yet");
        assert!(require(&path, 1, "--state-dir").is_ok());
        let refusal = require(&path, u64::MAX, "--state-dir").unwrap_err().to_string();
        assert!(refusal.starts_with(&format!("the disk of {} is too full: ", path.display())), "{refusal}");
        assert!(refusal.ends_with("free some, or choose another folder with --state-dir"), "{refusal}");
        assert!(!path.exists());
    }

    #[test]
    fn a_disk_that_runs_full_is_named() {
        // Writing to this device always finds the disk full.
        let full = Path::new("/dev/full");
        let refusal = std::fs::write(full, "x").during("write", full).unwrap_err();
        assert!(matches!(refusal, Error::DiskRanFull { .. }), "{refusal}");
        assert!(refusal.to_string().starts_with("the disk of /dev/full is full"), "{refusal}");
    }
}
