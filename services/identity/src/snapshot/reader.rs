use std::io::{ErrorKind, Read};
use std::sync::mpsc;

use super::{
    CHECKSUM_BYTES, END, FORMAT_VERSION, HEADER_MOST_BYTES, MAGIC, Result, Section, SnapshotError, SnapshotHeader,
};

/// So much is read, checked and handed on at once: it stays in the processor's cache meanwhile.
const BLOCK_BYTES: usize = 128 << 10;
/// The checksum of longer sections is computed on a thread of its own.
const LONG_SECTION_BYTES: u64 = 8 << 20;
/// So many blocks may wait for it.
const BLOCKS_AHEAD: usize = 8;

/// Reads the file's frame and lends the sections' contents.
pub(crate) struct FileReader<R> {
    input: R,
    total: blake3::Hasher,
    block: Vec<u8>,
}

impl<R: Read> FileReader<R> {
    pub(crate) fn begin(input: R) -> Result<(Self, SnapshotHeader)> {
        const HEADER: &str = "header";
        let mut reader = FileReader { input, total: blake3::Hasher::new(), block: vec![0; BLOCK_BYTES] };
        let mut checksum = blake3::Hasher::new();
        let mut magic = [0; 8];
        let held = reader.fill(&mut magic, HEADER)?;
        if magic != MAGIC {
            let found = String::from_utf8_lossy(&magic[..held]).into_owned();
            return Err(SnapshotError::NotASnapshot { found });
        }
        let (version, length): ([u8; 4], [u8; 4]) = (reader.exactly(HEADER)?, reader.exactly(HEADER)?);
        for part in [&magic[..], &version, &length] {
            checksum.update(part);
        }
        let (found, length) = (u32::from_le_bytes(version), u32::from_le_bytes(length));
        if found != FORMAT_VERSION {
            return Err(SnapshotError::Format { found, expected: FORMAT_VERSION });
        }
        if length > HEADER_MOST_BYTES {
            return Err(SnapshotError::field(HEADER, "its length", length, format!("at most {HEADER_MOST_BYTES}")));
        }
        let mut json = Vec::new();
        reader.blocks(HEADER, u64::from(length), 1, &mut checksum, |block| {
            json.extend_from_slice(block);
            Ok(())
        })?;
        reader.check(HEADER, &checksum)?;
        let header = serde_json::from_slice(&json)
            .map_err(|error| SnapshotError::field(HEADER, "its JSON", error, "the fields of this version"))?;
        Ok((reader, header))
    }

    /// Reads a section of `count` items of `item_bytes` each; `each` gets them in order, many at a time.
    pub(crate) fn items(
        &mut self,
        name: Section,
        count: u64,
        item_bytes: usize,
        each: impl FnMut(&[u8]) -> Result<()>,
    ) -> Result<()> {
        let mut checksum = blake3::Hasher::new();
        let length = self.open(name, &mut checksum)?;
        let expected = count.checked_mul(item_bytes as u64);
        if Some(length) != expected {
            let expected = format!("{count} items of {item_bytes} bytes");
            return Err(SnapshotError::field(name.0, "its length", length, expected));
        }
        self.blocks(name.0, length, item_bytes, &mut checksum, each)?;
        self.check(name.0, &checksum)
    }

    /// Reads a section of a length that only it knows, at most `most` bytes.
    pub(crate) fn whole_section(&mut self, name: Section, most: u64) -> Result<Vec<u8>> {
        let mut checksum = blake3::Hasher::new();
        let length = self.open(name, &mut checksum)?;
        if length > most {
            return Err(SnapshotError::field(name.0, "its length", length, format!("at most {most}")));
        }
        let mut content = Vec::new();
        self.blocks(name.0, length, 1, &mut checksum, |block| {
            content.extend_from_slice(block);
            Ok(())
        })?;
        self.check(name.0, &checksum)?;
        Ok(content)
    }

    /// The end: the checksum over everything, 64 hexadecimal digits.
    pub(crate) fn finish(mut self) -> Result<String> {
        let name: [u8; 8] = self.exactly(END.0)?;
        if name != END.bytes() {
            return Err(other_section(END, name));
        }
        self.end()
    }

    /// Checks a section of any name; whether the end stood there instead.
    fn skip_section(&mut self) -> Result<bool> {
        const ANY: &str = "next";
        let name: [u8; 8] = self.exactly(ANY)?;
        if name == END.bytes() {
            return Ok(true);
        }
        let length: [u8; 8] = self.exactly(ANY)?;
        let mut checksum = blake3::Hasher::new();
        checksum.update(&name);
        checksum.update(&length);
        self.blocks(ANY, u64::from_le_bytes(length), 1, &mut checksum, |_| Ok(()))?;
        self.check(ANY, &checksum)?;
        Ok(false)
    }

    /// What follows the name of the end.
    fn end(mut self) -> Result<String> {
        let computed = self.total.finalize();
        let written: [u8; CHECKSUM_BYTES] = self.exactly(END.0)?;
        compare(END.0, &computed, written)?;
        if self.fill(&mut [0], END.0)? != 0 {
            return Err(SnapshotError::TrailingBytes);
        }
        Ok(computed.to_hex().to_string())
    }

    /// The length of the section that stands next, which must be this one.
    fn open(&mut self, name: Section, checksum: &mut blake3::Hasher) -> Result<u64> {
        let found: [u8; 8] = self.exactly(name.0)?;
        if found != name.bytes() {
            return Err(other_section(name, found));
        }
        let length: [u8; 8] = self.exactly(name.0)?;
        checksum.update(&found);
        checksum.update(&length);
        Ok(u64::from_le_bytes(length))
    }

    /// Hands on `length` bytes, many at a time, and adds them to the checksum: of a long section on another thread, since
    /// that takes as long as all the rest.
    fn blocks(
        &mut self,
        section: &'static str,
        length: u64,
        item_bytes: usize,
        checksum: &mut blake3::Hasher,
        mut each: impl FnMut(&[u8]) -> Result<()>,
    ) -> Result<()> {
        let most = BLOCK_BYTES / item_bytes * item_bytes;
        if length < LONG_SECTION_BYTES {
            let mut block = std::mem::take(&mut self.block);
            let each = |part: &[u8]| {
                checksum.update(part);
                each(part)
            };
            let result = self.each_block(section, length, &mut block[..most], each);
            self.block = block;
            return result;
        }
        std::thread::scope(|scope| {
            let (full, to_check) = mpsc::sync_channel::<Vec<u8>>(BLOCKS_AHEAD);
            let (checked, empty) = mpsc::channel::<Vec<u8>>();
            scope.spawn(move || {
                for part in to_check {
                    checksum.update(&part);
                    // Nobody takes it when the reader has given up.
                    let _ = checked.send(part);
                }
            });
            let mut block = std::mem::take(&mut self.block);
            let result = self.each_block(section, length, &mut block[..most], |part| {
                let mut copy = empty.try_recv().unwrap_or_default();
                copy.clear();
                copy.extend_from_slice(part);
                // The thread takes all there is.
                let _ = full.send(copy);
                each(part)
            });
            self.block = block;
            result
        })
    }

    /// Reads `length` bytes into `block` again and again.
    fn each_block(
        &mut self,
        section: &'static str,
        length: u64,
        block: &mut [u8],
        mut each: impl FnMut(&[u8]) -> Result<()>,
    ) -> Result<()> {
        let mut left = length;
        while left > 0 {
            let size = usize::try_from(left).map_or(block.len(), |left| left.min(block.len()));
            let part = &mut block[..size];
            let held = self.fill(part, section)?;
            if held < size {
                return Err(SnapshotError::Truncated { section, missing: left - held as u64 });
            }
            each(part)?;
            left -= size as u64;
        }
        Ok(())
    }

    /// Compares what was read with the checksum that stands next.
    fn check(&mut self, section: &'static str, checksum: &blake3::Hasher) -> Result<()> {
        let computed = checksum.finalize();
        compare(section, &computed, self.exactly(section)?)?;
        self.total.update(computed.as_bytes());
        Ok(())
    }

    fn exactly<const N: usize>(&mut self, section: &'static str) -> Result<[u8; N]> {
        let mut bytes = [0; N];
        match self.fill(&mut bytes, section)? {
            held if held == N => Ok(bytes),
            held => Err(SnapshotError::Truncated { section, missing: (N - held) as u64 }),
        }
    }

    /// Fills `bytes` as far as the input goes.
    fn fill(&mut self, bytes: &mut [u8], section: &'static str) -> Result<usize> {
        let mut held = 0;
        while held < bytes.len() {
            match self.input.read(&mut bytes[held..]) {
                Ok(0) => break,
                Ok(more) => held += more,
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(source) => return Err(SnapshotError::Read { section, source }),
            }
        }
        Ok(held)
    }
}

fn other_section(name: Section, found: [u8; 8]) -> SnapshotError {
    SnapshotError::Section { section: name.0, found: String::from_utf8_lossy(&found).into_owned() }
}

fn compare(section: &'static str, computed: &blake3::Hash, written: [u8; CHECKSUM_BYTES]) -> Result<()> {
    let written = blake3::Hash::from_bytes(written);
    if *computed == written {
        return Ok(());
    }
    let short = |hash: &blake3::Hash| hash.to_hex()[..16].to_owned();
    Err(SnapshotError::Checksum { section, found: short(computed), expected: short(&written) })
}

/// Reads a snapshot from beginning to end without loading it: its header and its checksum, if nothing is damaged.
/// Whether what it says makes a graph only loading tells.
///
/// # Errors
/// What is damaged.
pub fn check_snapshot(input: impl Read) -> Result<(SnapshotHeader, String)> {
    let (mut file, header) = FileReader::begin(input)?;
    while !file.skip_section()? {}
    let checksum = file.end()?;
    Ok((header, checksum))
}

/// Reads only the header.
///
/// # Errors
/// What is damaged.
pub fn read_snapshot_header(input: impl Read) -> Result<SnapshotHeader> {
    FileReader::begin(input).map(|(_, header)| header)
}
