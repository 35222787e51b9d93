//! The order of a batch's inserts (clause 8 of the protocol), seen through the places where tests fail on purpose.

mod support;

use std::sync::{Arc, Mutex};
use store::Mode;
use support::{Database, batch, type_names};
use uuid::Uuid;

#[tokio::test(flavor = "multi_thread")]
async fn the_primary_table_comes_first_and_batches_last() {
    let passed = Arc::new(Mutex::new(Vec::new()));
    let seen = Arc::clone(&passed);
    store::set_failpoint_hook(move |place| seen.lock().unwrap().push(place.to_owned()));

    let db = Database::new().await;
    let topic_id = Uuid::new_v4();
    db.store.writer(type_names()).write(batch(topic_id, 0, 100, 7), Mode::First).await.unwrap();
    let order = ["events", "touchpoints", "conversions", "dead_letters", "identifiers", "profiles", "batches"];
    let expected: Vec<String> =
        order.iter().flat_map(|table| [format!("store.before.{table}"), format!("store.after.{table}")]).collect();
    assert_eq!(*passed.lock().unwrap(), expected);

    // Of [101, 102) only `events` has rows; a table without rows is sent nothing.
    passed.lock().unwrap().clear();
    db.store.writer(type_names()).write(batch(topic_id, 101, 102, 7), Mode::First).await.unwrap();
    let before = |place: &&String| place.starts_with("store.before.");
    let sent: Vec<String> = passed.lock().unwrap().iter().filter(before).cloned().collect();
    assert_eq!(
        sent,
        ["store.before.events", "store.before.identifiers", "store.before.profiles", "store.before.batches"]
    );

    // Of a replayed batch only the tables beside are sent again.
    passed.lock().unwrap().clear();
    db.store.writer(type_names()).write(batch(topic_id, 0, 100, 7), Mode::Replay).await.unwrap();
    let sent: Vec<String> = passed.lock().unwrap().iter().filter(before).cloned().collect();
    assert_eq!(sent, ["store.before.identifiers", "store.before.profiles"]);
}
