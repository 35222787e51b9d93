use serde::{Deserialize, Serialize};
use std::path::PathBuf;

/// Snapshots of the identity graph.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct SnapshotConfig {
    /// Where snapshots are kept, in a folder for each identity log. Several processes of one machine may share it.
    pub dir: PathBuf,
    /// Write one when so many messages of the identity log came since the last; 0: never for that reason.
    pub every_entries: u64,
    /// Write one when the last is so old, in seconds, and anything came since; 0: never for that reason.
    pub every_secs: u64,
    /// What may be kept in memory because it changes while a snapshot is written, in bytes. Beyond it the snapshot is
    /// given up, never the applying of the log.
    pub aside_max_bytes: u64,
    /// Whether the process that writes `identity_map` publishes each of its snapshots in Kafka, for new processes.
    pub publish: bool,
}

impl Default for SnapshotConfig {
    fn default() -> Self {
        SnapshotConfig {
            dir: PathBuf::from(".tributary/snapshots"),
            every_entries: 100_000,
            every_secs: 3_600,
            aside_max_bytes: 512 << 20,
            publish: false,
        }
    }
}

impl SnapshotConfig {
    /// Checks the bounds.
    ///
    /// # Errors
    /// Names the setting, its value and what was expected.
    pub fn check(&self) -> Result<(), String> {
        if self.dir.as_os_str().is_empty() {
            return Err("snapshots.dir is empty, expected a folder".to_owned());
        }
        if self.aside_max_bytes < 1 << 20 {
            return Err(format!("snapshots.aside_max_bytes is {}, expected at least 1048576", self.aside_max_bytes));
        }
        Ok(())
    }
}
