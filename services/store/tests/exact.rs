//! The exactly-once writer against a real engine.

mod support;

use std::time::{Duration, Instant};
use store::Mode;
use support::proxy::{Cut, Proxy};
use support::{Database, batch, expected, spend_batch, type_names, with_batches};
use uuid::Uuid;

#[tokio::test(flavor = "multi_thread")]
async fn a_batch_is_written_once_and_counted() {
    let db = Database::new().await;
    let mut writer = db.store.writer(type_names());
    let written = writer.write(batch(Uuid::new_v4(), 0, 100, 7), Mode::First).await.unwrap();

    assert_eq!(db.counts().await, with_batches(expected(0, 100), 1));
    assert_eq!((written.stored, written.duplicate), (80, 10));
    assert_eq!(
        written.rejected.into_iter().collect::<Vec<_>>(),
        [("invalid_json".into(), 5), ("no_identifier".into(), 5)]
    );
    assert!(!written.asked);
    assert!(written.acknowledged_at_ms > support::DAY_MS);
    assert!(db.holds().await);
    assert_eq!(db.count("identifiers FINAL").await, 4);
    assert_eq!(db.count("profiles FINAL").await, 4);
}

#[tokio::test(flavor = "multi_thread")]
async fn columns_arrive_as_they_were_built() {
    let db = Database::new().await;
    let topic_id = Uuid::from_u128(0x0011_2233_4455_6677_8899_aabb_ccdd_eeff);
    db.store.writer(type_names()).write(batch(topic_id, 0, 20, 7), Mode::First).await.unwrap();
    let row = |sql: &str| {
        let sql = format!("{sql} FORMAT Vertical");
        let store = db.store.clone();
        async move { store.query_text(&sql, "TSV", &[]).await.unwrap() }
    };
    let mut all = String::new();
    for table in ["events", "touchpoints", "conversions"] {
        all += &row(&format!("SELECT * EXCEPT (lease_until) FROM {table} WHERE offset = 0")).await;
    }
    all +=
        &row("SELECT * EXCEPT (lease_until) REPLACE (hex(record_key) AS record_key) FROM dead_letters ORDER BY offset")
            .await;
    all += &row("SELECT * EXCEPT (lease_until) FROM batches").await;
    all += &row("SELECT * FROM identifiers ORDER BY ALL LIMIT 1").await;
    all += &row("SELECT * FROM profiles ORDER BY ALL LIMIT 1").await;
    db.store.writer(type_names()).write(spend_batch(topic_id, 0, 1), Mode::First).await.unwrap();
    all += &row("SELECT * EXCEPT (lease_until) FROM ad_spend").await;
    insta::assert_snapshot!(all);
}

#[tokio::test(flavor = "multi_thread")]
async fn every_row_carries_a_lease_of_server_time() {
    let db = Database::new().await;
    db.store.writer(type_names()).write(batch(Uuid::new_v4(), 0, 50, 7), Mode::First).await.unwrap();
    for table in ["events", "touchpoints", "conversions", "dead_letters", "batches"] {
        let sql = format!(
            "SELECT min(abs(dateDiff('second', now64(3), lease_until) - {}) < 60) FROM {table}",
            db.config.lease_secs
        );
        assert_eq!(db.text(&sql).await, "1", "{table}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_replay_stores_nothing_twice() {
    let db = Database::new().await;
    let topic_id = Uuid::new_v4();
    let mut writer = db.store.writer(type_names());
    writer.write(batch(topic_id, 0, 100, 7), Mode::First).await.unwrap();
    for mode in [Mode::Replay, Mode::First, Mode::Replay] {
        // Even a wrong `First` is caught by the token.
        let written = writer.write(batch(topic_id, 0, 100, 7), mode).await.unwrap();
        assert_eq!(written.stored, 80);
        assert_eq!(written.asked, mode == Mode::Replay);
        assert_eq!(db.counts().await, with_batches(expected(0, 100), 1));
    }
    writer.write(batch(topic_id, 100, 200, 7), Mode::First).await.unwrap();
    assert_eq!(db.counts().await, with_batches(expected(0, 200), 2));
    assert!(db.holds().await);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_unknown_outcome_loses_and_doubles_nothing() {
    let db = Database::new().await;
    let proxy = Proxy::start(&db.config.url).await;
    let store = db.through(&proxy.url()).await;
    let mut writer = store.writer(type_names());
    let topic_id = Uuid::new_v4();
    let mut first = 0;
    for cut in [Cut::BeforeRequest, Cut::InBody, Cut::BeforeResponse, Cut::Outage] {
        for table in ["events", "touchpoints", "conversions", "dead_letters", "identifiers", "profiles", "batches"] {
            proxy.arm(cut, table, 2);
            let mode = if first % 80 == 0 { Mode::First } else { Mode::Replay };
            let written = writer.write(batch(topic_id, first, first + 40, 7), mode).await.unwrap();
            assert_eq!(
                proxy.cuts(),
                if cut == Cut::BeforeResponse { written_cuts(table) } else { 2 },
                "{cut:?} {table}"
            );
            assert_eq!(written.stored, 32);
            first += 40;
            let counts = db.counts().await;
            assert_eq!(counts, with_batches(expected(0, first), first as u64 / 40), "{cut:?} {table}");
        }
    }
    assert!(db.holds().await);
    assert_eq!(store.health().borrow().retrying, 0);
    assert!(store.health().borrow().retries > 20);
}

/// An exact insert whose answer is lost is found by asking and not sent again; the others are.
fn written_cuts(table: &str) -> u32 {
    if matches!(table, "identifiers" | "profiles") { 2 } else { 1 }
}

#[tokio::test(flavor = "multi_thread")]
async fn beside_held_blocks_the_other_tables_take_the_stored_identity() {
    let db = Database::new().await;
    let proxy = Proxy::start(&db.config.url).await;
    let store = db.through(&proxy.url()).await;
    let topic_id = Uuid::new_v4();

    proxy.arm(Cut::BeforeRequest, "touchpoints", u32::MAX);
    let mut writer = store.writer(type_names());
    let write = writer.write(batch(topic_id, 0, 60, 7), Mode::First);
    assert!(tokio::time::timeout(Duration::from_secs(1), write).await.is_err());
    assert!(store.health().borrow().last_error.is_some());
    assert_eq!(store.health().borrow().retrying, 0, "a dropped write is no trouble any more");
    assert_eq!(db.counts().await, [48, 0, 0, 0, 0]);

    // Another owner, for whom the customer has changed meanwhile.
    let mut writer = db.store.writer(type_names());
    writer.write(batch(topic_id, 0, 60, 8), Mode::Replay).await.unwrap();
    assert_eq!(db.counts().await, with_batches(expected(0, 60), 1));
    for table in ["events", "touchpoints", "conversions"] {
        let sql = format!("SELECT DISTINCT customer_id, customer_version FROM {table}");
        assert_eq!(db.text(&sql).await, "00000000-0000-0000-0000-000000000007\t7", "{table}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn one_missing_block_of_several_is_sent_alone() {
    let db = Database::new().await;
    let topic_id = Uuid::new_v4();
    let mut writer = db.store.writer(type_names());
    writer.write(batch(topic_id, 0, 60, 7), Mode::First).await.unwrap();
    let parts = "SELECT countIf(partition = '202512'), countIf(partition = '202601') FROM system.parts \
                 WHERE active AND table = 'events' AND database = currentDatabase()";
    assert_eq!(db.text(parts).await, "1\t1");
    db.text("ALTER TABLE events DROP PARTITION 202512").await;
    writer.write(batch(topic_id, 0, 60, 8), Mode::Replay).await.unwrap();
    assert_eq!(db.counts().await, with_batches(expected(0, 60), 1));
    let customers =
        "SELECT toYYYYMM(event_time) AS m, groupUniqArray(customer_version) FROM events GROUP BY m ORDER BY m";
    assert_eq!(db.text(customers).await, "202512\t[8]\n202601\t[7]");
    assert!(db.holds().await);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_token_without_its_block_needs_the_second_token() {
    let db = Database::new().await;
    let topic_id = Uuid::new_v4();
    let mut writer = db.store.writer(type_names());
    writer.write(batch(topic_id, 0, 60, 7), Mode::First).await.unwrap();
    // The rows go, the token stays.
    for table in ["events", "conversions"] {
        db.text(&format!("DELETE FROM {table} WHERE 1 SETTINGS lightweight_deletes_sync = 2")).await;
    }
    assert_eq!(db.count("events").await, 0);
    writer.write(batch(topic_id, 0, 60, 7), Mode::Replay).await.unwrap();
    assert_eq!(db.counts().await, with_batches(expected(0, 60), 1));
    writer.write(batch(topic_id, 0, 60, 7), Mode::Replay).await.unwrap();
    assert_eq!(db.counts().await, with_batches(expected(0, 60), 1));
    assert!(db.holds().await);
}

#[tokio::test(flavor = "multi_thread")]
async fn advertising_cost_has_its_own_primary_table() {
    let db = Database::new().await;
    let topic_id = Uuid::new_v4();
    let mut writer = db.store.writer(type_names());
    writer.write(spend_batch(topic_id, 5, 25), Mode::First).await.unwrap();
    writer.write(spend_batch(topic_id, 5, 25), Mode::Replay).await.unwrap();
    assert_eq!(db.count("ad_spend").await, 20);
    assert_eq!(db.counts().await, [0, 0, 0, 0, 1]);
    assert_eq!(
        db.text("SELECT sum(cost_minor), groupUniqArray(day) FROM ad_spend").await,
        "246900\t['2025-12-15','2026-01-15']"
    );
    assert!(db.holds().await);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_unbalanced_batch_is_refused() {
    let db = Database::new().await;
    let mut unbalanced = (*batch(Uuid::new_v4(), 0, 10, 7)).clone();
    unbalanced.duplicates = 0;
    let error = db.store.writer(type_names()).write(unbalanced.into(), Mode::First).await.unwrap_err();
    assert!(error.to_string().starts_with("ST-1 broken"), "{error}");
    assert_eq!(db.counts().await, [0; 5]);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_second_token_waits_for_an_insert_that_still_runs() {
    let db = Database::new().await;
    let topic_id = Uuid::new_v4();
    let mut writer = db.store.writer(type_names());
    writer.write(batch(topic_id, 0, 60, 7), Mode::First).await.unwrap();
    db.text("DELETE FROM events WHERE 1 SETTINGS lightweight_deletes_sync = 2").await;

    let began = Instant::now();
    let token = format!("v1/c1/events.web/{topic_id}/1/0-60/events");
    let sleep =
        format!("SELECT sleepEachRow(0.5) FROM numbers(4) SETTINGS log_comment = '{token}', max_block_size = 1");
    let running = db.store.query_text(&sleep, "TSV", &[]);
    let write = async {
        tokio::time::sleep(Duration::from_millis(300)).await;
        writer.write(batch(topic_id, 0, 60, 7), Mode::Replay).await.unwrap();
        began.elapsed()
    };
    let (ran, written_after) = tokio::join!(running, write);
    ran.unwrap();
    assert!(written_after > Duration::from_millis(1_900), "{written_after:?}");
    assert_eq!(db.counts().await, with_batches(expected(0, 60), 1));
}

#[tokio::test(flavor = "multi_thread")]
async fn an_outage_shows_in_health_and_passes() {
    let db = Database::new().await;
    let proxy = Proxy::start(&db.config.url).await;
    let store = db.through(&proxy.url()).await;
    let mut health = store.health();
    proxy.arm(Cut::BeforeRequest, "conversions", u32::MAX);
    let mut writer = store.writer(type_names());
    let write = tokio::spawn(async move { writer.write(batch(Uuid::new_v4(), 0, 60, 7), Mode::First).await.unwrap() });
    // A busy machine may cause a retry of its own before; the outage itself goes on until it is seen.
    let is_seen =
        |error: &Option<String>| error.as_deref().is_some_and(|text| text.contains("inserting into conversions"));
    health.wait_for(|health| health.retrying == 1 && is_seen(&health.last_error)).await.unwrap();
    proxy.arm(Cut::BeforeRequest, "conversions", 0);
    assert!(write.await.unwrap().asked);
    assert_eq!(health.borrow().retrying, 0);
    assert!(db.holds().await);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_writer_survives_an_idle_connection_that_was_closed() {
    let db = Database::new().await;
    let proxy = Proxy::start(&db.config.url).await;
    let store = db.through(&proxy.url()).await;
    let topic_id = Uuid::new_v4();
    let mut writer = store.writer(type_names());
    writer.write(batch(topic_id, 0, 20, 7), Mode::First).await.unwrap();
    proxy.close_all();
    tokio::time::sleep(Duration::from_millis(2_200)).await;
    let written = writer.write(batch(topic_id, 20, 40, 7), Mode::First).await.unwrap();
    // A dead connection may cost a retry, but never a doubt: nothing was sent over it, so nothing has to be asked.
    assert!(!written.asked, "a part of the batch was sent over the dead connection");
    assert_eq!(db.counts().await, with_batches(expected(0, 40), 2));
}
