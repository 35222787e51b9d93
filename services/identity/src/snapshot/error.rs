use std::io;

/// Why a snapshot could not be written or cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum SnapshotError {
    /// It could not be written.
    #[error("cannot write the snapshot: {0}")]
    Write(#[source] io::Error),
    /// It could not be read.
    #[error("section {section}: cannot be read: {source}")]
    Read {
        /// Where.
        section: &'static str,
        /// Why.
        source: io::Error,
    },
    /// The file is something else.
    #[error("this is no snapshot: it begins with `{found}`, expected `TRBGRAPH`")]
    NotASnapshot {
        /// Its first bytes.
        found: String,
    },
    /// Another release wrote it.
    #[error("the snapshot has format version {found}, expected {expected}")]
    Format {
        /// The file's.
        found: u32,
        /// This release's.
        expected: u32,
    },
    /// The file ends too early.
    #[error("section {section}: the file ends, expected {missing} more bytes")]
    Truncated {
        /// Where.
        section: &'static str,
        /// How many bytes of what was being read are missing.
        missing: u64,
    },
    /// Another section stands here.
    #[error("section {section}: found `{found}` in its place")]
    Section {
        /// The expected one.
        section: &'static str,
        /// What stands there.
        found: String,
    },
    /// The bytes are not those that were written.
    #[error("section {section}: its checksum is {found}, expected {expected}")]
    Checksum {
        /// Where.
        section: &'static str,
        /// Computed, the first digits.
        found: String,
        /// What the file says, the first digits.
        expected: String,
    },
    /// A value cannot be.
    #[error("section {section}: {field} is {found}, expected {expected}")]
    Field {
        /// Where.
        section: &'static str,
        /// Which, with its number.
        field: String,
        /// What it is.
        found: String,
        /// What it may be.
        expected: String,
    },
    /// There is more than there should be.
    #[error("section end: something follows, expected the end of the file")]
    TrailingBytes,
    /// The rules in the header cannot be used by this process.
    #[error("section header: rules_json: {0}")]
    Rules(#[from] crate::Error),
    /// More changed while it was written than may be kept aside for it.
    #[error("the graph changed so much meanwhile that more than {most_bytes} bytes would have to be kept aside")]
    Overrun {
        /// The bound.
        most_bytes: usize,
    },
    /// Another snapshot of this graph is being written.
    #[error("another snapshot of this graph is being written")]
    InProgress,
}

impl SnapshotError {
    pub(crate) fn field(
        section: &'static str,
        field: impl Into<String>,
        found: impl ToString,
        expected: impl Into<String>,
    ) -> Self {
        SnapshotError::Field { section, field: field.into(), found: found.to_string(), expected: expected.into() }
    }
}
