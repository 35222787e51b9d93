use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::error::KafkaError;
use rdkafka::message::{BorrowedMessage, Headers, Message};
use rdkafka::topic_partition_list::{Offset, TopicPartitionList};
use std::collections::BTreeMap;
use std::io::Write;
use std::time::{Duration, Instant};
use tokio::task;

use super::manifest::{Manifest, VERSION, header};
use super::{CHUNKS, MANIFESTS, PublishedSnapshot, SnapshotTopic, WINDOW};
use crate::log::LogContext;
use crate::{Result, StreamError};

/// A partition that gives nothing for so long is given up.
const PATIENCE: Duration = Duration::from_secs(60);

impl SnapshotTopic {
    /// What is published completely, the newest log offset first.
    pub async fn list(&self) -> Result<Vec<PublishedSnapshot>> {
        let (low, end) = self.admin.watermarks(&self.topic.name, MANIFESTS).await?;
        let this = self.clone();
        let mut published = blocking(move || this.manifests(low, end)).await?;
        published.sort_by_key(|each| std::cmp::Reverse((each.manifest.log_offset, each.position)));
        Ok(published)
    }

    /// Reads a snapshot's chunks in their order into `into`. Each chunk is checked; whether the whole is a usable
    /// snapshot is for the reader of it to say.
    pub async fn fetch<W: Write + Send + 'static>(&self, published: &PublishedSnapshot, into: W) -> Result<W> {
        let (this, manifest) = (self.clone(), published.manifest.clone());
        let (low, end) = self.admin.watermarks(&self.topic.name, CHUNKS).await?;
        if manifest.chunks > 0 && manifest.first_chunk < low {
            return Err(self.failed(format!("chunks from offset {} on are gone", manifest.first_chunk)));
        }
        blocking(move || this.read_chunks(&manifest, end, into)).await
    }

    fn manifests(&self, low: i64, end: i64) -> Result<Vec<PublishedSnapshot>> {
        let mut found = Vec::new();
        self.read(MANIFESTS, low, end, |message| {
            let manifest = message.payload().and_then(|payload| serde_json::from_slice::<Manifest>(payload).ok());
            // Of a later release, or somebody else's: not for us.
            if let Some(manifest) = manifest.filter(|manifest| manifest.version == VERSION) {
                let published_at_ms = message.timestamp().to_millis().unwrap_or(0);
                found.push(PublishedSnapshot { manifest, position: message.offset(), published_at_ms });
            }
            Ok(true)
        })?;
        Ok(found)
    }

    fn read_chunks<W: Write>(&self, manifest: &Manifest, end: i64, mut into: W) -> Result<W> {
        let cannot_write = |error: std::io::Error| self.failed(format!("the snapshot cannot be kept here: {error}"));
        let (mut next, mut early) = (0, BTreeMap::new());
        self.read(CHUNKS, manifest.first_chunk, end, |message| {
            let Some((number, payload)) = self.chunk(manifest, message)? else {
                return Ok(true);
            };
            if number >= next && early.len() <= WINDOW {
                early.insert(number, payload);
            }
            while let Some(payload) = early.remove(&next) {
                into.write_all(&payload).map_err(cannot_write)?;
                next += 1;
            }
            Ok(next < manifest.chunks)
        })?;
        if next < manifest.chunks {
            return Err(self.failed(format!("chunk {next} of {} is not there", manifest.chunks)));
        }
        into.flush().map_err(cannot_write)?;
        Ok(into)
    }

    /// A chunk of this snapshot, with its number.
    fn chunk(&self, manifest: &Manifest, message: &BorrowedMessage<'_>) -> Result<Option<(u32, Vec<u8>)>> {
        let value = |key: &str| {
            let found = message.headers()?.iter().find(|header| header.key == key)?;
            std::str::from_utf8(found.value?).ok()
        };
        if value(header::SNAPSHOT) != Some(&manifest.checksum) {
            return Ok(None);
        }
        let payload = message.payload().unwrap_or_default();
        if value(header::CHECKSUM) != Some(blake3::hash(payload).to_hex().as_str()) {
            return Err(self.failed(format!("the chunk at offset {} is damaged", message.offset())));
        }
        let number = value(header::CHUNK).and_then(|chunk| chunk.split_once('/')?.0.parse().ok());
        number
            .map(|number| Some((number, payload.to_vec())))
            .ok_or_else(|| self.failed(format!("the chunk at offset {} does not say its number", message.offset())))
    }

    /// Shows `each` the records in `from..end` of a partition until it has enough.
    fn read(
        &self,
        partition: i32,
        from: i64,
        end: i64,
        mut each: impl FnMut(&BorrowedMessage<'_>) -> Result<bool>,
    ) -> Result<()> {
        const DOING: &str = "read snapshots";
        if from >= end {
            return Ok(());
        }
        let consumer: BaseConsumer<LogContext> = self
            .config
            .consumer_client(&self.config.group("identity-snapshots"), false)?
            .create_with_context(LogContext::default())
            .map_err(StreamError::kafka("create a consumer"))?;
        let mut assignment = TopicPartitionList::new();
        assignment
            .add_partition_offset(&self.topic.name, partition, Offset::Offset(from))
            .and_then(|()| consumer.assign(&assignment))
            .map_err(StreamError::kafka(DOING))?;
        let mut heard = Instant::now();
        loop {
            match consumer.poll(Duration::from_millis(500)) {
                Some(Ok(message)) => {
                    heard = Instant::now();
                    if message.offset() >= end || !each(&message)? || message.offset() + 1 >= end {
                        return Ok(());
                    }
                }
                // Everything that was there when the end was asked for has been seen: gaps may end a log.
                Some(Err(KafkaError::PartitionEOF(_))) => return Ok(()),
                Some(Err(error)) => {
                    let error = StreamError::Kafka { doing: DOING, error };
                    if !error.is_retriable() || heard.elapsed() > PATIENCE {
                        return Err(error);
                    }
                }
                None if heard.elapsed() > PATIENCE => {
                    return Err(self.failed(format!("nothing came for {} s", PATIENCE.as_secs())));
                }
                None => {}
            }
        }
    }
}

async fn blocking<T: Send + 'static>(ask: impl FnOnce() -> Result<T> + Send + 'static) -> Result<T> {
    task::spawn_blocking(ask).await.unwrap_or(Err(StreamError::Closed))
}
