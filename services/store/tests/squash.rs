//! The squash against a real ClickHouse: what is rewritten, what is not, and that repeating changes nothing.

#![allow(clippy::unwrap_used, reason = "a test may panic")]

mod support;

use schemas::Key;
use store::{IdentityMapRow, Mode, SquashMethod, SquashProgress, SquashRow};
use support::{Database, batch, type_names};
use uuid::Uuid;

const METHODS: [SquashMethod; 2] = [SquashMethod::Lightweight, SquashMethod::Mutation];

fn row(key: u128, customer: u128) -> SquashRow {
    SquashRow { identity_key: Key(key), customer_id: Key(customer) }
}

/// Rows by what they are stored under, their customer and its version.
async fn customers(db: &Database, table: &str) -> String {
    db.text(&format!(
        "SELECT arrayStringConcat(groupArray(line), '; ') FROM (SELECT concat(right(toString(identity_key), 4), ' ', \
         right(toString(customer_id), 4), ' v', toString(customer_version), ' ×', toString(count())) AS line \
         FROM {table} GROUP BY identity_key, customer_id, customer_version ORDER BY identity_key, customer_version)"
    ))
    .await
}

/// A database with stored rows under the keys a000 to a003, resolved to customer 7 at version 7.
async fn stored(method: SquashMethod) -> Database {
    let db = Database::new().await;
    db.store.writer(type_names()).write(batch(Uuid::new_v4(), 0, 40, 7), Mode::First).await.unwrap();
    // Parts that were written, and merged, before the squash was switched on.
    db.text("OPTIMIZE TABLE events FINAL").await;
    db.store.prepare_squash(method).await.unwrap();
    db.store.prepare_squash(method).await.unwrap();
    db
}

#[tokio::test(flavor = "multi_thread")]
async fn stored_rows_take_the_newer_customer_and_keep_a_newer_one() {
    for method in METHODS {
        let db = stored(method).await;
        let before = db.counts().await;
        let others = customers(&db, "touchpoints").await;
        assert!(others.contains("a000 0007 v7"), "{others}");
        for _ in 0..2 {
            db.store.squash(method, &[row(0xa000, 0xb0), row(0xa001, 0xb1)], 20).await.unwrap();
        }
        assert_eq!(
            customers(&db, "events").await,
            "a000 00b0 v20 ×10; a001 00b1 v20 ×6; a002 0007 v7 ×10; a003 0007 v7 ×6",
            "{method:?}"
        );
        // A squasher that lost its partition and does not know it yet.
        db.store.squash(method, &[row(0xa000, 0xdead), row(0xa002, 0xb2)], 19).await.unwrap();
        assert_eq!(
            customers(&db, "events").await,
            "a000 00b0 v20 ×10; a001 00b1 v20 ×6; a002 00b2 v19 ×10; a003 0007 v7 ×6",
            "{method:?}"
        );
        let touches = customers(&db, "touchpoints").await;
        assert!(touches.contains("a000 00b0 v20") && touches.contains("a003 0007 v7"), "{touches}");
        let orders = customers(&db, "conversions").await;
        assert!(orders.contains("a000 00b0 v20") && orders.contains("a002 00b2 v19"), "{orders}");
        db.text("OPTIMIZE TABLE events FINAL").await;
        assert!(customers(&db, "events").await.starts_with("a000 00b0 v20 ×10; a001 00b1 v20 ×6"));
        assert_eq!(db.counts().await, before, "no row came or went");
        assert!(db.holds().await);
    }
}

/// The tokens of exact inserts, and the ask for held blocks, do not care about squashed rows.
#[tokio::test(flavor = "multi_thread")]
async fn a_block_sent_again_after_its_squash_is_still_known() {
    let db = Database::new().await;
    db.store.prepare_squash(SquashMethod::Lightweight).await.unwrap();
    let topic = Uuid::new_v4();
    db.store.writer(type_names()).write(batch(topic, 0, 40, 7), Mode::First).await.unwrap();
    let before = db.counts().await;
    db.store.squash(SquashMethod::Lightweight, &[row(0xa000, 0xb0)], 20).await.unwrap();
    db.store.writer(type_names()).write(batch(topic, 0, 40, 7), Mode::Replay).await.unwrap();
    db.store.writer(type_names()).write(batch(topic, 0, 40, 7), Mode::First).await.unwrap();
    assert_eq!(db.counts().await, before);
    assert!(customers(&db, "events").await.starts_with("a000 00b0 v20 ×10; a001 0007 v7 ×6"));
}

#[tokio::test(flavor = "multi_thread")]
async fn rows_stored_after_their_squash_are_found() {
    let db = stored(SquashMethod::Lightweight).await;
    let map = [(0xa000, 0xb0, 20), (0xa001, 0xb1, 7)];
    let map = map.map(|(key, customer, version)| IdentityMapRow {
        identity_key: Key(key),
        customer_id: Key(customer),
        version,
    });
    db.store.write_identity_map(&map).await.unwrap();
    db.store.reload_dictionary().await.unwrap();
    assert_eq!(db.store.stale_rows(0, 19, 10).await.unwrap(), [], "the change to come is the next pass's");
    let mut stale = db.store.stale_rows(0, 20, 10).await.unwrap();
    stale.dedup();
    assert_eq!(stale, [row(0xa000, 0xb0)], "a001 is as new as the map, the others are in no map");
    db.store.squash(SquashMethod::Lightweight, &stale, 20).await.unwrap();
    assert_eq!(db.store.stale_rows(0, 20, 10).await.unwrap(), []);
    let in_a_day = db.store.server_time_ms().await.unwrap() + 86_400_000;
    assert_eq!(db.store.stale_rows(in_a_day, 20, 10).await.unwrap(), [], "nothing was stored since");
}

#[tokio::test(flavor = "multi_thread")]
async fn thousands_of_keys_fit_in_a_statement() {
    let db = stored(SquashMethod::Lightweight).await;
    let many: Vec<SquashRow> = (0..10_000).map(|key| row(0xa000 + key, 0xb000 + key)).collect();
    db.store.squash(SquashMethod::Lightweight, &many, 20).await.unwrap();
    let found = customers(&db, "events").await;
    assert_eq!(found, "a000 b000 v20 ×10; a001 b001 v20 ×6; a002 b002 v20 ×10; a003 b003 v20 ×6");
}

#[tokio::test(flavor = "multi_thread")]
async fn progress_never_goes_back() {
    let db = Database::new().await;
    assert_eq!(db.store.squash_progress().await.unwrap(), SquashProgress::default());
    for (version, swept_to_ms) in [(5, 1_000), (9, 3_000), (7, 2_000)] {
        db.store.remember_squash(SquashProgress { version, swept_to_ms }).await.unwrap();
    }
    assert_eq!(db.store.squash_progress().await.unwrap(), SquashProgress { version: 9, swept_to_ms: 3_000 });
}
