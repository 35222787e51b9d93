use rdkafka::message::{Header, OwnedHeaders};
use std::io::{ErrorKind, Read};
use std::sync::Arc;
use tokio::task;

use super::manifest::{Manifest, VERSION, header};
use super::{CHUNK_BYTES, CHUNKS, MANIFESTS, PublishedSnapshot, SnapshotTopic, WINDOW};
use crate::sender::Outgoing;
use crate::{Result, StreamError};

impl SnapshotTopic {
    /// Publishes a snapshot of `bytes` bytes, the last message of the log in it being `log_offset`. It is there for
    /// others only when this returns; a process that dies meanwhile leaves chunks that nobody looks at.
    pub async fn publish(
        &self,
        mut source: impl Read + Send + 'static,
        bytes: u64,
        checksum: &str,
        log_offset: i64,
        log_topic_id: &str,
    ) -> Result<PublishedSnapshot> {
        let chunks = u32::try_from(bytes.div_ceil(CHUNK_BYTES as u64)).unwrap_or(u32::MAX);
        let (mut sent, mut first_chunk) = (0u32, i64::MAX);
        while sent < chunks {
            // The chunks are read on a thread that may wait for the disk.
            let (window, returned) = task::spawn_blocking(move || {
                let window: std::io::Result<Vec<_>> =
                    (sent..chunks.min(sent + WINDOW as u32)).map(|_| chunk(&mut source)).collect();
                (window, source)
            })
            .await
            .map_err(|_| StreamError::Closed)?;
            source = returned;
            let window = window.map_err(|error| self.failed(format!("the snapshot cannot be read: {error}")))?;
            if window.iter().any(Vec::is_empty) {
                return Err(self.failed(format!("the snapshot has fewer than the {bytes} bytes it should have")));
            }
            let messages = (sent..).zip(window).map(|(number, payload)| {
                let headers = headers(checksum, log_offset, &format!("{number}/{chunks}"), &payload);
                self.outgoing(CHUNKS, payload, Some(headers))
            });
            let messages: Vec<_> = messages.collect();
            sent += messages.len() as u32;
            let offsets = self.sender.send_all(messages).await?;
            first_chunk = first_chunk.min(offsets.into_iter().min().unwrap_or(i64::MAX));
        }
        let (checksum, log_topic_id) = (checksum.to_owned(), log_topic_id.to_owned());
        let manifest = Manifest { version: VERSION, log_offset, log_topic_id, checksum, bytes, chunks, first_chunk };
        let json = serde_json::to_vec(&manifest).map_err(|error| self.failed(error.to_string()))?;
        let position = self.sender.send_all([self.outgoing(MANIFESTS, json, None)]).await?;
        let position = position.into_iter().max().ok_or(StreamError::Closed)?;
        let listed = self.list().await?.into_iter().find(|each| each.position == position);
        listed.ok_or_else(|| self.failed(format!("the manifest at offset {position} cannot be read back")))
    }

    fn outgoing(&self, partition: i32, payload: Vec<u8>, headers: Option<OwnedHeaders>) -> Outgoing {
        let topic = Arc::clone(&self.topic.name);
        Outgoing { topic, partition: Some(partition), key: None, payload: Some(payload), headers }
    }
}

fn headers(checksum: &str, log_offset: i64, chunk: &str, payload: &[u8]) -> OwnedHeaders {
    let (offset, own) = (log_offset.to_string(), blake3::hash(payload).to_hex());
    let all = [
        (header::SNAPSHOT, checksum),
        (header::OFFSET, offset.as_str()),
        (header::CHUNK, chunk),
        (header::CHECKSUM, own.as_str()),
    ];
    all.into_iter()
        .fold(OwnedHeaders::new_with_capacity(4), |all, (key, value)| all.insert(Header { key, value: Some(value) }))
}

/// The next chunk; shorter only at the end.
fn chunk(source: &mut impl Read) -> std::io::Result<Vec<u8>> {
    let mut chunk = vec![0; CHUNK_BYTES];
    let mut held = 0;
    while held < chunk.len() {
        match source.read(&mut chunk[held..]) {
            Ok(0) => break,
            Ok(more) => held += more,
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    chunk.truncate(held);
    Ok(chunk)
}
