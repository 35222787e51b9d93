use std::io::Write;

use super::{CHECKSUM_BYTES, END, FORMAT_VERSION, MAGIC, Result, Section, SnapshotError, SnapshotHeader};

/// Writes the file's frame around sections.
pub(crate) struct FileWriter<W> {
    out: W,
    /// Over the checksums so far.
    total: blake3::Hasher,
    bytes: u64,
}

impl<W: Write> FileWriter<W> {
    pub(crate) fn begin(mut out: W, header: &SnapshotHeader) -> Result<Self> {
        let json = serde_json::to_vec(header).map_err(|error| SnapshotError::Write(error.into()))?;
        let length = u32::try_from(json.len()).unwrap_or(u32::MAX);
        let mut head = Vec::with_capacity(json.len() + 64);
        head.extend(MAGIC);
        head.extend(FORMAT_VERSION.to_le_bytes());
        head.extend(length.to_le_bytes());
        head.extend(json);
        let checksum = blake3::hash(&head);
        head.extend(checksum.as_bytes());
        out.write_all(&head).map_err(SnapshotError::Write)?;
        let mut total = blake3::Hasher::new();
        total.update(checksum.as_bytes());
        Ok(FileWriter { out, total, bytes: head.len() as u64 })
    }

    /// Writes a section whose content `fill` writes: exactly `length` bytes.
    pub(crate) fn section(
        &mut self,
        name: Section,
        length: u64,
        fill: impl FnOnce(&mut SectionWriter<'_, W>) -> Result<()>,
    ) -> Result<()> {
        let mut section = SectionWriter { out: &mut self.out, checksum: blake3::Hasher::new(), left: 16 + length };
        section.write(&name.bytes())?;
        section.write(&length.to_le_bytes())?;
        fill(&mut section)?;
        if section.left != 0 {
            let missing = format!("section {}: {} bytes are missing", name.0, section.left);
            return Err(SnapshotError::Write(std::io::Error::other(missing)));
        }
        let checksum = section.checksum.finalize();
        self.out.write_all(checksum.as_bytes()).map_err(SnapshotError::Write)?;
        self.total.update(checksum.as_bytes());
        self.bytes += 16 + length + CHECKSUM_BYTES as u64;
        Ok(())
    }

    /// Ends the file; the checksum over everything, and the file's size.
    pub(crate) fn finish(mut self) -> Result<(String, u64)> {
        let total = self.total.finalize();
        self.out
            .write_all(&END.bytes())
            .and_then(|()| self.out.write_all(total.as_bytes()))
            .and_then(|()| self.out.flush())
            .map_err(SnapshotError::Write)?;
        Ok((total.to_hex().to_string(), self.bytes + 8 + CHECKSUM_BYTES as u64))
    }
}

/// Writes a section's content.
pub(crate) struct SectionWriter<'a, W> {
    out: &'a mut W,
    checksum: blake3::Hasher,
    left: u64,
}

impl<W: Write> SectionWriter<'_, W> {
    pub(crate) fn write(&mut self, bytes: &[u8]) -> Result<()> {
        let left = self.left.checked_sub(bytes.len() as u64);
        self.left =
            left.ok_or_else(|| SnapshotError::Write(std::io::Error::other("a section is longer than announced")))?;
        self.checksum.update(bytes);
        self.out.write_all(bytes).map_err(SnapshotError::Write)
    }
}
