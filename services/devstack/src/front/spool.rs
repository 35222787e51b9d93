//! Bytes put aside: in memory first, in an unnamed file beyond that.

use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

/// What is kept in memory. The text of a statement must fit here.
pub(super) const MEMORY_BYTES: usize = 4 << 20;

/// A sequence of bytes of any length, written once and read once.
#[derive(Debug)]
pub(super) struct Spool {
    folder: PathBuf,
    memory: Vec<u8>,
    file: Option<File>,
}

impl Spool {
    /// An empty spool whose file, if it comes to need one, is made in `folder` and has no name there.
    pub(super) fn new(folder: &Path) -> Self {
        Self { folder: folder.to_owned(), memory: Vec::new(), file: None }
    }

    /// The spool with what it holds; an empty one stays.
    pub(super) fn take(&mut self) -> Self {
        let empty = Self::new(&self.folder);
        std::mem::replace(self, empty)
    }

    /// The bytes in memory: all of them unless [`Spool::overflows`].
    pub(super) fn memory(&self) -> &[u8] {
        &self.memory
    }

    /// Whether some bytes are in the file.
    pub(super) fn overflows(&self) -> bool {
        self.file.is_some()
    }

    /// The bytes from `offset` (within the memory) on.
    pub(super) fn read_from(&mut self, offset: usize) -> io::Result<impl Read + '_> {
        if let Some(file) = &mut self.file {
            file.seek(SeekFrom::Start(0))?;
        }
        let file: Box<dyn Read + '_> = match &mut self.file {
            Some(file) => Box::new(file),
            None => Box::new(io::empty()),
        };
        Ok(self.memory[offset..].chain(file))
    }
}

impl Write for Spool {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if self.file.is_none() && self.memory.len() < MEMORY_BYTES {
            let n = bytes.len().min(MEMORY_BYTES - self.memory.len());
            self.memory.extend_from_slice(&bytes[..n]);
            return Ok(n);
        }
        if self.file.is_none() {
            self.file = Some(tempfile::tempfile_in(&self.folder)?);
        }
        match &mut self.file {
            Some(file) => file.write(bytes),
            None => Ok(0),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_does_not_fit_in_memory_is_read_back_from_the_file() {
        let folder = tempfile::tempdir().unwrap();
        let bytes: Vec<u8> = (0..MEMORY_BYTES + 12_345).map(|i| (i % 251) as u8).collect();
        let mut spool = Spool::new(folder.path());
        for piece in bytes.chunks(99_991) {
            spool.write_all(piece).unwrap();
        }
        assert!(spool.overflows());
        let mut spool = spool.take();
        for from in [0, 7, MEMORY_BYTES] {
            let mut read = Vec::new();
            spool.read_from(from).unwrap().read_to_end(&mut read).unwrap();
            assert!(read == bytes[from..], "from {from}");
        }
        assert_eq!(folder.path().read_dir().unwrap().count(), 0, "the file has no name");
    }
}
