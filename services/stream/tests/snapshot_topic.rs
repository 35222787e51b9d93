//! Snapshots in a real Kafka: cut into chunks, found again, put together, replaced, and gone when they are old.

#![allow(clippy::unwrap_used, reason = "a test's failure is a panic")]

mod support;

use std::io::Cursor;
use std::sync::Arc;

use rdkafka::config::ClientConfig;
use rdkafka::producer::{BaseProducer, BaseRecord, Producer};
use stream::{LogProducer, PublishedSnapshot, SnapshotTopic, StreamError};
use support::{PATIENCE, World};

struct Snapshots {
    world: World,
    topic: SnapshotTopic,
}

impl Snapshots {
    async fn new() -> Self {
        let world = World::new().await;
        let info = world.info(&world.topics.identity_snapshots).await;
        let topic = SnapshotTopic::new(&world.config, &world.admin, &info).unwrap();
        Self { world, topic }
    }

    async fn publish(&self, content: &[u8], log_offset: i64) -> PublishedSnapshot {
        let checksum = format!("checksum of {log_offset}");
        let source = Cursor::new(content.to_vec());
        self.topic.publish(source, content.len() as u64, &checksum, log_offset, "a log").await.unwrap()
    }

    async fn fetch(&self, published: &PublishedSnapshot) -> Vec<u8> {
        self.topic.fetch(published, Vec::new()).await.unwrap()
    }
}

/// So many bytes, none like its neighbours.
fn content(seed: u8, bytes: usize) -> Vec<u8> {
    (0..bytes).map(|at| (at as u32).wrapping_mul(2_654_435_761).to_le_bytes()[3] ^ seed).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_published_is_found_and_the_newest_first() {
    let snapshots = Snapshots::new().await;
    assert_eq!(snapshots.topic.list().await.unwrap(), []);
    // One chunk that is not full; several windows of chunks; nothing at all.
    let contents = [content(1, 1_000), content(2, 20_000_001), Vec::new()];
    let first = snapshots.publish(&contents[0], 10).await;
    assert_eq!((first.manifest.chunks, first.manifest.bytes, first.manifest.log_offset), (1, 1_000, 10));
    // Two that are published at once mix their chunks.
    let (second, third) = tokio::join!(snapshots.publish(&contents[1], 30), snapshots.publish(&contents[0], 20));
    assert_eq!(second.manifest.chunks, 23);
    let empty = snapshots.publish(&contents[2], 5).await;
    let listed = snapshots.topic.list().await.unwrap();
    assert_eq!(listed, [second.clone(), third.clone(), first.clone(), empty.clone()]);
    assert!(listed.iter().all(|each| each.published_at_ms > 0));
    for (published, content) in [(&first, 0), (&second, 1), (&third, 0), (&empty, 2)] {
        assert!(snapshots.fetch(published).await == contents[content]);
    }
    snapshots.world.clean_up().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn old_ones_go_and_what_is_unfinished_is_not_there() {
    let snapshots = Snapshots::new().await;
    let old = snapshots.publish(&content(1, 2_000_000), 1).await;
    let kept = snapshots.publish(&content(2, 2_000_000), 2).await;
    // A process that dies: fewer bytes come than were announced.
    let cut = snapshots.topic.publish(Cursor::new(vec![1; 950_000]), 5_000_000, "cut", 9, "a log").await;
    assert!(matches!(cut, Err(StreamError::Snapshot { .. })), "{cut:?}");
    let newest = snapshots.publish(&content(3, 2_000_000), 3).await;
    assert_eq!(snapshots.topic.keep_newest(2).await.unwrap(), 1);
    assert_eq!(snapshots.topic.keep_newest(2).await.unwrap(), 0);
    assert_eq!(snapshots.topic.list().await.unwrap(), [newest.clone(), kept.clone()]);
    let gone = snapshots.topic.fetch(&old, Vec::new()).await;
    assert!(matches!(&gone, Err(StreamError::Snapshot { detail, .. }) if detail.contains("are gone")), "{gone:?}");
    assert!(snapshots.fetch(&kept).await == content(2, 2_000_000));
    assert!(snapshots.fetch(&newest).await == content(3, 2_000_000));
    snapshots.world.clean_up().await;
}

/// Writes a record that nobody of ours would write.
fn write(world: &World, partition: i32, payload: &[u8]) {
    let name = &world.topics.identity_snapshots.name;
    let producer: BaseProducer = ClientConfig::new().set("bootstrap.servers", &world.config.brokers).create().unwrap();
    producer.send(BaseRecord::<(), [u8]>::to(name).partition(partition).payload(payload)).unwrap();
    producer.flush(PATIENCE).unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn records_of_others_are_left_alone() {
    let snapshots = Snapshots::new().await;
    write(&snapshots.world, 0, b"hello");
    write(&snapshots.world, 1, b"{\"version\":99}");
    let published = snapshots.publish(b"something", 1).await;
    write(&snapshots.world, 1, b"no JSON");
    write(&snapshots.world, 0, b"hello");
    assert_eq!(snapshots.topic.list().await.unwrap(), std::slice::from_ref(&published));
    assert_eq!(snapshots.fetch(&published).await, b"something");
    snapshots.world.clean_up().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn records_below_an_offset_are_deleted_and_no_others() {
    let world = World::new().await;
    let info = world.info(&world.topics.identity_log).await;
    let producer = LogProducer::new(&world.config, &info).unwrap();
    for _ in 0..10 {
        producer.append(&[schemas::Command::Rules { hash: [0; 16], rules_json: String::new() }]).await.unwrap();
    }
    let name: Arc<str> = info.name;
    for (before, low) in [(4, 4), (2, 4), (4, 4), (0, 4), (100, 10)] {
        world.admin.delete_records(&name, 0, before).await.unwrap();
        assert_eq!(producer.ends().await.unwrap(), (low, 10), "below {before}");
    }
    world.clean_up().await;
}
