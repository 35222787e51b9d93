use identity::{Graph, Hasher, SnapshotHeader, SnapshotInfo, SnapshotSummary, read_snapshot_header};
use std::fs::{self, File};
use std::io::{self, BufReader, BufWriter, Write};
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};
use uuid::Uuid;

use super::{Error, Result};
use crate::failpoint;

/// So many snapshots stay: the newest, and one to fall back on.
const KEPT: usize = 2;
/// A file that is being written is called otherwise; one that was left so long ago has nobody who writes it.
const LEFT_BEHIND: Duration = Duration::from_secs(6 * 3600);
const SUFFIX: &str = ".snapshot";
const UNFINISHED: &str = ".unfinished";

/// The snapshots that this machine keeps of one identity log.
#[derive(Debug, Clone)]
pub struct Directory {
    path: PathBuf,
    log_topic_id: Uuid,
}

/// A snapshot by its name. Whether it can be used shows when it is loaded.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SnapshotFile {
    /// Where.
    pub path: PathBuf,
    /// Offset of the last log message in it.
    pub log_offset: i64,
    /// Its size.
    pub bytes: u64,
}

impl Directory {
    /// The folder for this log within `dir`; it is made when something is written.
    pub fn new(dir: &Path, log_topic_id: Uuid) -> Self {
        Directory { path: dir.join(log_topic_id.to_string()), log_topic_id }
    }

    /// Where.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Kafka's id of the log.
    pub fn log_topic_id(&self) -> Uuid {
        self.log_topic_id
    }

    /// What is there, the newest first. No folder is no snapshot.
    pub fn list(&self) -> Result<Vec<SnapshotFile>> {
        let failed = |source| Error::Directory { doing: "read", path: self.path.clone(), source };
        let entries = match fs::read_dir(&self.path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
            entries => entries.map_err(failed)?,
        };
        let mut files = Vec::new();
        for entry in entries {
            let entry = entry.map_err(failed)?;
            let name = entry.file_name();
            let offset = name.to_str().and_then(|name| name.strip_suffix(SUFFIX)?.strip_prefix("identity-"));
            if let Some(log_offset) = offset.and_then(|offset| offset.parse().ok()) {
                let bytes = entry.metadata().map_or(0, |metadata| metadata.len());
                files.push(SnapshotFile { path: entry.path(), log_offset, bytes });
            }
        }
        files.sort_by_key(|file| std::cmp::Reverse(file.log_offset));
        Ok(files)
    }

    /// Writes the graph as it is now. Whoever is killed meanwhile leaves a file that nobody takes for a snapshot.
    pub fn write(&self, graph: &Graph, aside_max_bytes: u64, now_ms: i64) -> Result<(SnapshotFile, SnapshotSummary)> {
        let info = SnapshotInfo {
            log_topic_id: Some(self.log_topic_id.to_string()),
            created_at_ms: now_ms,
            created_by: format!("tributary {}", env!("CARGO_PKG_VERSION")),
        };
        let most = usize::try_from(aside_max_bytes).unwrap_or(usize::MAX);
        self.place(|path, out| {
            let summary =
                graph.save(&info, most, out).map_err(|source| Error::File { path: path.to_owned(), source })?;
            Ok((summary.header.log_offset, summary))
        })
    }

    /// Takes over a snapshot that `fill` writes and gives the log offset of.
    pub(super) fn place<T>(
        &self,
        fill: impl FnOnce(&Path, &mut BufWriter<File>) -> Result<(i64, T)>,
    ) -> Result<(SnapshotFile, T)> {
        let failed = |doing, path: &Path| {
            let path = path.to_owned();
            move |source| Error::Directory { doing, path, source }
        };
        fs::create_dir_all(&self.path).map_err(failed("make", &self.path))?;
        let unfinished = Unfinished(self.path.join(format!("{}{UNFINISHED}", Uuid::new_v4())));
        let file = File::create(&unfinished.0).map_err(failed("make", &unfinished.0))?;
        let mut out = BufWriter::with_capacity(1 << 20, file);
        let (log_offset, filled) = fill(&unfinished.0, &mut out)?;
        let synced = out.flush().and_then(|()| out.get_ref().sync_all());
        synced.map_err(failed("write", &unfinished.0))?;
        failpoint("snapshot.before_rename");
        let path = self.path.join(format!("identity-{log_offset:020}{SUFFIX}"));
        fs::rename(&unfinished.0, &path).map_err(failed("rename", &unfinished.0))?;
        // The name, too, must survive a power cut before older ones go.
        File::open(&self.path).and_then(|folder| folder.sync_all()).map_err(failed("write", &self.path))?;
        let bytes = fs::metadata(&path).map_or(0, |metadata| metadata.len());
        self.remove_old();
        Ok((SnapshotFile { path, log_offset, bytes }, filled))
    }

    /// Loads a snapshot. `own` is this process's hasher, which knows the secret.
    pub fn load(&self, file: &SnapshotFile, own: &Hasher) -> Result<(Graph, SnapshotHeader)> {
        let open = File::open(&file.path);
        let open = open.map_err(|source| Error::Directory { doing: "open", path: file.path.clone(), source })?;
        Graph::load(own, open).map_err(|source| Error::File { path: file.path.clone(), source })
    }

    /// Reads a snapshot's header.
    pub fn header(&self, file: &SnapshotFile) -> Result<SnapshotHeader> {
        let open = File::open(&file.path);
        let open = open.map_err(|source| Error::Directory { doing: "open", path: file.path.clone(), source })?;
        read_snapshot_header(BufReader::new(open)).map_err(|source| Error::File { path: file.path.clone(), source })
    }

    /// What cannot be removed now is removed the next time.
    fn remove_old(&self) {
        for file in self.list().unwrap_or_default().iter().skip(KEPT) {
            let _ = fs::remove_file(&file.path);
        }
        for entry in fs::read_dir(&self.path).into_iter().flatten().flatten() {
            let unfinished = entry.file_name().to_str().is_some_and(|name| name.ends_with(UNFINISHED));
            let modified = entry.metadata().and_then(|metadata| metadata.modified());
            let age = modified.ok().and_then(|modified| SystemTime::now().duration_since(modified).ok());
            if unfinished && age.is_some_and(|age| age > LEFT_BEHIND) {
                let _ = fs::remove_file(entry.path());
            }
        }
    }
}

/// A file that goes unless it was renamed.
struct Unfinished(PathBuf);

impl Drop for Unfinished {
    fn drop(&mut self) {
        // It is not there any more when all went well.
        let _ = fs::remove_file(&self.0);
    }
}
