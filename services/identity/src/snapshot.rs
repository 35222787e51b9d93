//! The file format of a saved graph: what stands around the sections, not what is in them.
//!
//! All numbers are little endian.
//!
//! | part | bytes |
//! |---|---|
//! | magic | `TRBGRAPH` |
//! | format version, length of the header | 4, 4 |
//! | header: [`SnapshotHeader`] as JSON | |
//! | BLAKE3 of everything above | 32 |
//! | each section: name, length, content, BLAKE3 of these three | 8, 8, …, 32 |
//! | the name `end`, BLAKE3 of the header's and all sections' checksums | 8, 32 |
//!
//! Nothing follows. A reader trusts nothing: it allocates as it reads, never as a length says.

mod error;
mod header;
mod reader;
mod writer;

pub use error::SnapshotError;
pub use header::{SnapshotHeader, SnapshotInfo, SnapshotSummary};
pub(crate) use reader::FileReader;
pub use reader::{check_snapshot, read_snapshot_header};
pub(crate) use writer::FileWriter;

/// The result of this module.
pub(crate) type Result<T, E = SnapshotError> = std::result::Result<T, E>;

const MAGIC: [u8; 8] = *b"TRBGRAPH";
/// Version of the format of the file and of its sections.
pub(crate) const FORMAT_VERSION: u32 = 1;
/// Rules hold lists of domains and values, nothing that comes near this.
const HEADER_MOST_BYTES: u32 = 64 << 20;
const CHECKSUM_BYTES: usize = 32;
/// The name of what ends a file.
const END: Section = Section("end");

/// A section's name: at most eight ASCII letters.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Section(pub(crate) &'static str);

impl Section {
    fn bytes(self) -> [u8; 8] {
        let mut bytes = [b' '; 8];
        bytes[..self.0.len()].copy_from_slice(self.0.as_bytes());
        bytes
    }
}

#[cfg(test)]
mod tests {
    use super::writer::SectionWriter;
    use super::*;

    const ONE: Section = Section("one");
    const TWO: Section = Section("two");

    fn header() -> SnapshotHeader {
        SnapshotHeader {
            semantics_version: 3,
            rules_hash: "00".repeat(16),
            rules_json: "{}".to_owned(),
            log_topic_id: None,
            log_offset: 7,
            identifiers: 2,
            edges: 1,
            fingerprint: "0".repeat(32),
            created_at_ms: 1,
            created_by: "a test".to_owned(),
        }
    }

    fn file() -> Vec<u8> {
        let mut bytes = Vec::new();
        let mut writer = FileWriter::begin(&mut bytes, &header()).unwrap();
        let fill = |section: &mut SectionWriter<'_, _>| section.write(b"some").and_then(|()| section.write(b"thing"));
        writer.section(ONE, 9, fill).unwrap();
        writer.section(TWO, 0, |_| Ok(())).unwrap();
        writer.finish().unwrap();
        bytes
    }

    fn read(bytes: &[u8]) -> Result<Vec<u8>> {
        let (mut reader, found) = FileReader::begin(bytes)?;
        assert_eq!(found, header());
        let one = reader.whole_section(ONE, 100)?;
        assert!(reader.whole_section(TWO, 0)?.is_empty());
        reader.finish()?;
        Ok(one)
    }

    #[test]
    fn what_was_written_is_read() {
        assert_eq!(read(&file()).unwrap(), b"something");
    }

    #[test]
    fn no_damage_goes_unnoticed() {
        let file = file();
        for at in 0..file.len() {
            assert!(read(&file[..at]).is_err(), "cut at {at}");
            for bit in 0..8 {
                let mut damaged = file.clone();
                damaged[at] ^= 1 << bit;
                assert!(read(&damaged).is_err(), "bit {bit} of byte {at}");
            }
        }
        assert!((0..file.len()).all(|at| check_snapshot(&file[..at]).is_err()));
        assert_eq!(check_snapshot(&*file).unwrap().0, header());
        let mut longer = file;
        longer.push(0);
        let error = read(&longer).unwrap_err().to_string();
        assert_eq!(error, "section end: something follows, expected the end of the file");
    }

    #[test]
    fn damage_of_a_long_section_is_noticed_on_the_other_thread() {
        let content: Vec<u8> = (0..20_000_000u32).map(|at| (at >> 7) as u8).collect();
        let mut file = Vec::new();
        let mut writer = FileWriter::begin(&mut file, &header()).unwrap();
        writer.section(ONE, content.len() as u64, |section| section.write(&content)).unwrap();
        writer.finish().unwrap();
        let read = |file: &[u8]| {
            let (mut reader, _) = FileReader::begin(file)?;
            let one = reader.whole_section(ONE, u64::MAX)?;
            reader.finish().map(|_| one)
        };
        assert!(read(&file).unwrap() == content);
        assert!(matches!(read(&file[..10_000_000]), Err(SnapshotError::Truncated { section: "one", .. })));
        file[15_000_000] ^= 1;
        assert!(matches!(read(&file), Err(SnapshotError::Checksum { section: "one", .. })));
    }

    #[test]
    fn an_error_names_the_section_and_what_was_expected() {
        let file = file();
        let message = |bytes: &[u8]| read(bytes).unwrap_err().to_string();
        assert_eq!(message(b"something else"), "this is no snapshot: it begins with `somethin`, expected `TRBGRAPH`");
        let mut other = file.clone();
        other[8] = 9;
        assert_eq!(message(&other), "the snapshot has format version 9, expected 1");
        let at = file.windows(4).position(|window| window == b"some").unwrap();
        assert_eq!(message(&file[..at + 3]), "section one: the file ends, expected 6 more bytes");
        let mut other = file.clone();
        other[at] ^= 1;
        assert!(message(&other).starts_with("section one: its checksum is "), "{}", message(&other));
        let mut other = file;
        other[at - 16] = b'O';
        assert_eq!(message(&other), "section one: found `One     ` in its place");
    }

    #[test]
    fn a_writer_keeps_to_the_length_it_announced() {
        let mut writer = FileWriter::begin(Vec::new(), &header()).unwrap();
        let short = writer.section(ONE, 3, |section| section.write(b"ab"));
        assert!(short.unwrap_err().to_string().contains("1 bytes are missing"));
    }
}
