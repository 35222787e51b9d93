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
    if matches!(
        source.kind(),
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded
    ) {
        return Error::DiskFull {
            path: path.to_path_buf(),
            needed_mb: 0,
            free_mb: free_bytes(path).unwrap_or(0) / MEGABYTE,
            choose: "--state-dir or TRIBUTARY_CACHE",
        };
    }
    Error::File {
        action,
        path: path.to_path_buf(),
        source,
    }
}
