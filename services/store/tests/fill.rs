//! Ranges that stand in ClickHouse under other boundaries, or were decided otherwise.

mod support;

use std::sync::Arc;
use std::time::Duration;
use store::{ExactBatch, Mode};
use support::proxy::{Cut, Proxy};
use support::{Database, batch, event, expected, rejection, type_names, with_batches};
use uuid::Uuid;

#[tokio::test(flavor = "multi_thread")]
async fn other_boundaries_are_filled_by_offset() {
    let db = Database::new().await;
    let topic_id = Uuid::new_v4();
    let mut writer = db.store.writer(type_names());
    writer.write(batch(topic_id, 0, 100, 7), Mode::First).await.unwrap();
    writer.write(batch(topic_id, 100, 150, 7), Mode::First).await.unwrap();

    // The commit went back to 50; the new batches have other ends.
    let written = writer.write(batch(topic_id, 50, 120, 8), Mode::Replay).await.unwrap();
    assert_eq!((written.stored, written.duplicate), (0, 0), "all were there");
    assert_eq!(db.counts().await, with_batches(expected(0, 150), 2));

    let written = writer.write(batch(topic_id, 120, 200, 8), Mode::Replay).await.unwrap();
    assert_eq!((written.stored, written.duplicate), (40, 5), "only [150, 200) was new");
    assert_eq!(db.counts().await, with_batches(expected(0, 200), 3));
    assert!(db.holds().await);

    // And again, as after a crash.
    writer.write(batch(topic_id, 120, 200, 8), Mode::Replay).await.unwrap();
    assert_eq!(db.counts().await, with_batches(expected(0, 200), 3));
    assert!(db.holds().await);
}

/// The same range, decided otherwise: rejected records are stored, stored ones rejected.
fn redecided(topic_id: Uuid, first: i64, end: i64) -> Arc<ExactBatch> {
    let mut batch = (*batch(topic_id, first, end, 8)).clone();
    let rejected: Vec<i64> = batch.rejections.iter().map(|r| r.position.offset).collect();
    batch.rejections.clear();
    for offset in first..end {
        if rejected.contains(&offset) {
            batch.events.push(event(&batch.raw, offset, 8));
        } else if offset % 10 == 4 {
            batch.events.retain(|e| e.identified.event.position.offset != offset);
            batch.rejections.push(rejection(&batch.raw, offset));
        }
    }
    batch.events.sort_by_key(|e| e.identified.event.position.offset);
    Arc::new(batch)
}

#[tokio::test(flavor = "multi_thread")]
async fn other_decisions_leave_what_is_there_and_fill_the_rest() {
    let db = Database::new().await;
    let proxy = Proxy::start(&db.config.url).await;
    let store = db.through(&proxy.url()).await;
    let topic_id = Uuid::new_v4();
    let fill = Mode::Fill { decision_hash: 42 };

    // Events and dead letters are stored, `batches` is not.
    proxy.arm(Cut::BeforeRequest, "batches", u32::MAX);
    let mut writer = store.writer(type_names());
    let write = writer.write(batch(topic_id, 0, 100, 7), Mode::First);
    assert!(tokio::time::timeout(Duration::from_secs(1), write).await.is_err());
    assert_eq!(db.counts().await, with_batches(expected(0, 100), 0));

    proxy.arm(Cut::BeforeResponse, "batches", 1);
    let written = store.writer(type_names()).write(redecided(topic_id, 0, 100), fill).await.unwrap();
    assert_eq!((written.stored, written.duplicate), (80, 10));
    assert_eq!(written.rejected.values().sum::<u64>(), 10);
    assert_eq!(db.counts().await, with_batches(expected(0, 100), 1));
    assert_eq!(db.text("SELECT groupUniqArray(customer_version) FROM events").await, "[7]");
    assert!(db.holds().await);

    // Half of a range is there: the other half follows the new decisions.
    db.store.writer(type_names()).write(batch(topic_id, 100, 150, 7), Mode::First).await.unwrap();
    let mut writer = db.store.writer(type_names());
    for _ in 0..2 {
        writer.write(redecided(topic_id, 100, 200), fill).await.unwrap();
        assert!(db.holds().await);
        let sums = "SELECT sum(records), sum(stored), sum(duplicate), sum(arraySum(mapValues(rejected))) FROM batches";
        assert_eq!(db.text(sums).await, "200\t160\t20\t20");
        assert_eq!(db.text("SELECT count() FROM dead_letters WHERE offset >= 150 AND offset % 10 = 4").await, "5");
        assert_eq!(db.text("SELECT count() FROM dead_letters WHERE offset % 10 = 7").await, "15");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_fill_survives_broken_connections() {
    let db = Database::new().await;
    let proxy = Proxy::start(&db.config.url).await;
    let store = db.through(&proxy.url()).await;
    let topic_id = Uuid::new_v4();
    let mut writer = store.writer(type_names());
    let mut end = 0;
    for cut in [Cut::BeforeRequest, Cut::InBody, Cut::BeforeResponse] {
        for table in ["events", "touchpoints", "dead_letters", "batches"] {
            writer.write(batch(topic_id, end, end + 40, 7), Mode::First).await.unwrap();
            proxy.arm(cut, table, 1);
            // Overlaps the last batch by half and goes on beyond it.
            writer.write(batch(topic_id, end + 20, end + 60, 8), Mode::Replay).await.unwrap();
            assert_eq!(proxy.cuts(), 1, "{cut:?} {table}");
            end += 60;
            assert_eq!(db.counts().await, with_batches(expected(0, end), end as u64 / 30), "{cut:?} {table}");
        }
    }
    assert!(db.holds().await);
}
