//! Snapshots in Kafka.

use identity::{Graph, Hasher, check_snapshot};
use std::fs::File;
use std::io::{BufReader, Seek, SeekFrom};
use std::path::Path;
use std::sync::Arc;
use stream::{Admin, KafkaConfig, LogProducer, PublishedSnapshot, SnapshotTopic, TopicInfo};

use super::{Directory, Error, Result, SnapshotFile, blocking};

/// So many published snapshots stay.
const KEPT: usize = 2;

/// Publishes snapshots and fetches them. Cheap to clone.
#[derive(Clone)]
pub struct Archive {
    topic: SnapshotTopic,
    admin: Admin,
    log: LogProducer,
    log_topic: TopicInfo,
    /// Whose committed offset the log may be cut below: what is above was not written to ClickHouse yet.
    identity_group: String,
}

/// A snapshot that was published and read back.
#[derive(Debug, Clone)]
pub struct Published {
    /// Where.
    pub snapshot: PublishedSnapshot,
    /// How many older ones were deleted.
    pub deleted: usize,
}

/// What became of the log's old part.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Truncated {
    /// The log began here.
    pub from: i64,
    /// And begins here now.
    pub to: i64,
}

impl Archive {
    /// Of this log, in this topic.
    pub fn new(
        config: &KafkaConfig,
        admin: &Admin,
        log: &LogProducer,
        log_topic: &TopicInfo,
        snapshots_topic: &TopicInfo,
    ) -> Result<Self> {
        Ok(Archive {
            topic: SnapshotTopic::new(config, admin, snapshots_topic)?,
            admin: admin.clone(),
            log: log.clone(),
            log_topic: log_topic.clone(),
            identity_group: config.group("identity"),
        })
    }

    /// What is published of this log, the newest first.
    pub async fn list(&self) -> stream::Result<Vec<PublishedSnapshot>> {
        let own = self.log_topic.id.to_string();
        let mut published = self.topic.list().await?;
        published.retain(|each| each.manifest.log_topic_id == own);
        Ok(published)
    }

    /// Publishes a file, reads it back, compares it, and deletes all but the newest two.
    pub async fn publish(&self, file: &SnapshotFile) -> Result<Published> {
        let path = file.path.clone();
        let (checksum, log_offset, open) = blocking(move || {
            let mut open = open(&path)?;
            let damaged = |source| Error::File { path: path.clone(), source };
            let (header, checksum) = check_snapshot(BufReader::with_capacity(1 << 20, &open)).map_err(damaged)?;
            open.seek(SeekFrom::Start(0)).map_err(|source| Error::Directory { doing: "read", path, source })?;
            Ok((checksum, header.log_offset, open))
        })
        .await?;
        let id = self.log_topic.id.to_string();
        let snapshot = self.topic.publish(open, file.bytes, &checksum, log_offset, &id).await?;
        self.read_back(&snapshot).await?;
        let deleted = self.topic.keep_newest(KEPT).await?;
        Ok(Published { snapshot, deleted })
    }

    /// Reads every chunk again and compares the checksum.
    async fn read_back(&self, snapshot: &PublishedSnapshot) -> Result<()> {
        let (read, write) = std::io::pipe().map_err(|error| Error::Published(error.to_string()))?;
        let check = blocking(move || check_snapshot(read).map_err(|error| Error::Published(error.to_string())));
        // The pipe's end is dropped at once, or the check would wait for more.
        let fetch = async { self.topic.fetch(snapshot, write).await.map(drop) };
        let (fetched, checked) = tokio::join!(fetch, check);
        // A fetch that fails cuts the pipe, so its error says more than that of the check.
        fetched?;
        let (_, checksum) = checked?;
        if checksum == snapshot.manifest.checksum {
            return Ok(());
        }
        Err(Error::Published(format!("its checksum is {checksum}, expected {}", snapshot.manifest.checksum)))
    }

    /// Fetches a snapshot into the directory and loads it from there.
    pub async fn fetch(&self, snapshot: &PublishedSnapshot, directory: &Directory, own: &Arc<Hasher>) -> Result<Graph> {
        let this = self.clone();
        let (snapshot, to, runtime) = (snapshot.clone(), directory.clone(), tokio::runtime::Handle::current());
        let (directory, own) = (directory.clone(), Arc::clone(own));
        blocking(move || {
            let (file, ()) = to.place(|_, out| {
                let file = out.get_ref().try_clone();
                let file = file.map_err(|error| Error::Published(error.to_string()))?;
                runtime.block_on(this.topic.fetch(&snapshot, file))?;
                Ok((snapshot.manifest.log_offset, ()))
            })?;
            directory.load(&file, &own).map(|(graph, _)| graph)
        })
        .await
    }

    /// Everything of the log below this offset is in ClickHouse; `None` when nothing was ever committed.
    pub(super) async fn written_below(&self) -> Result<Option<i64>> {
        let committed = self.admin.committed(&self.identity_group, &self.log_topic.name, 1).await?;
        Ok(committed.into_iter().next().flatten().map(|committed| committed.offset))
    }

    /// Deletes the log's records that the newest published snapshot replaces. It is loaded first, as a new process
    /// would, and nothing goes that ClickHouse has not got.
    pub async fn truncate_log(&self, directory: &Directory, own: &Arc<Hasher>) -> Result<Truncated> {
        let refuse = |reason: String| Err(Error::CannotTruncate(reason));
        let Some(newest) = self.list().await?.into_iter().next() else {
            return refuse("no snapshot is published".to_owned());
        };
        let name = &self.log_topic.name;
        let Some(written_below) = self.written_below().await? else {
            return refuse(format!("the group `{}` has committed nothing", self.identity_group));
        };
        let graph = self.fetch(&newest, directory, own).await?;
        if graph.applied() != newest.manifest.log_offset {
            return refuse(format!("the published snapshot holds offset {}, not what it says", graph.applied()));
        }
        let before = written_below.min(newest.manifest.log_offset + 1);
        let (from, _) = self.log.ends().await?;
        self.admin.delete_records(name, 0, before).await?;
        let (to, _) = self.log.ends().await?;
        Ok(Truncated { from, to })
    }
}

fn open(path: &Path) -> Result<File> {
    File::open(path).map_err(|source| Error::Directory { doing: "open", path: path.to_owned(), source })
}
