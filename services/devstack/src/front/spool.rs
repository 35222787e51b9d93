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
