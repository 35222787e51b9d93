//! Migrations and the checks before writing.

mod support;

use schemas::clickhouse::MIGRATIONS;
use store::{ClickHouseConfig, Store};
use support::{Database, config};

#[tokio::test(flavor = "multi_thread")]
async fn migrating_twice_changes_nothing() {
    let config = config();
    let store = Store::connect(&config).await.unwrap();
    let unfit = store.check().await.unwrap_err().to_string();
    assert!(unfit.contains("run `tributary migrate`"), "{unfit}");

    let done = store.migrate().await.unwrap();
    assert_eq!(done.len(), MIGRATIONS.len(), "{done:?}");
    assert_eq!(done[0], "0001 exact_tables");
    assert_eq!(store.migrate().await.unwrap(), Vec::<String>::new());
    store.check().await.unwrap();
    let db = Database { store, config };
    assert_eq!(db.count("schema_migrations FINAL").await, MIGRATIONS.len() as u64);
}

#[tokio::test(flavor = "multi_thread")]
async fn two_may_migrate_at_once() {
    let config = config();
    let store = Store::connect(&config).await.unwrap();
    let (a, b) = tokio::join!(store.migrate(), store.migrate());
    a.unwrap();
    b.unwrap();
    let db = Database { store, config };
    db.store.check().await.unwrap();
    assert_eq!(db.count("schema_migrations FINAL").await, MIGRATIONS.len() as u64);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_table_that_forgets_tokens_is_refused() {
    let db = Database::new().await;
    for window in [0, 10] {
        db.text(&format!("ALTER TABLE touchpoints MODIFY SETTING non_replicated_deduplication_window = {window}"))
            .await;
        let error = db.store.check().await.unwrap_err().to_string();
        assert!(
            error.contains(&format!("non_replicated_deduplication_window of table touchpoints is {window}")),
            "{error}"
        );
    }
    db.text("ALTER TABLE touchpoints RESET SETTING non_replicated_deduplication_window").await;
    assert!(db.store.check().await.is_err());
    db.text("ALTER TABLE touchpoints MODIFY SETTING non_replicated_deduplication_window = 10000").await;
    db.store.check().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn ttls_follow_the_configuration() {
    let mut config = config();
    config.ttl_days.insert("events".into(), 90);
    let db = Database { store: Store::connect(&config).await.unwrap(), config: config.clone() };
    db.store.migrate().await.unwrap();
    let ttl = "SELECT name, extract(create_table_query, 'TTL (.*?) SETTINGS') FROM system.tables \
               WHERE database = currentDatabase() AND engine = 'MergeTree' AND create_table_query LIKE '% TTL %' ORDER BY name";
    assert_eq!(db.text(ttl).await, "events\ttoDateTime(event_time) + toIntervalDay(90)");

    let changed =
        ClickHouseConfig { ttl_days: [("events".into(), 30), ("ad_spend".into(), 7)].into(), ..config.clone() };
    let done = Store::connect(&changed).await.unwrap().migrate().await.unwrap();
    assert_eq!(done.len(), 2, "{done:?}");
    assert_eq!(
        db.text(ttl).await,
        "ad_spend\ttoDateTime(day) + toIntervalDay(7)\nevents\ttoDateTime(event_time) + toIntervalDay(30)"
    );
    let none = ClickHouseConfig { ttl_days: Default::default(), ..config.clone() };
    Store::connect(&none).await.unwrap().migrate().await.unwrap();
    assert_eq!(db.text(ttl).await, "");

    let wrong = ClickHouseConfig { ttl_days: [("evnts".into(), 30)].into(), ..config };
    let error = Store::connect(&wrong).await.unwrap().migrate().await.unwrap_err().to_string();
    assert!(error.contains("clickhouse.ttl_days names `evnts`, expected one of events,"), "{error}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_changed_or_newer_migration_is_refused() {
    let db = Database::new().await;
    db.text("INSERT INTO schema_migrations (version, name, checksum) VALUES (9000, 'future', 1)").await;
    let error = db.store.migrate().await.unwrap_err().to_string();
    assert!(error.contains("made by a newer version"), "{error}");
    db.text("DELETE FROM schema_migrations WHERE version = 9000 SETTINGS lightweight_deletes_sync = 2").await;
    db.text(
        "INSERT INTO schema_migrations (version, name, checksum, applied_at) VALUES (1, 'exact_tables', 1, now() + 10)",
    )
    .await;
    let error = db.store.check().await.unwrap_err().to_string();
    assert!(error.contains("another text"), "{error}");
}

#[tokio::test(flavor = "multi_thread")]
async fn errors_say_what_to_do() {
    let nobody = ClickHouseConfig { url: "http://127.0.0.1:9".into(), ..config() };
    let Err(error) = Store::connect(&nobody).await else { panic!("nobody is there") };
    assert!(error.is_transient());
    assert!(error.to_string().starts_with("clickhouse at http://127.0.0.1:9/ cannot be reached: "), "{error}");

    let db = Database::new().await;
    db.text("ALTER TABLE events DROP COLUMN page_title").await;
    let mut writer = db.store.writer(support::type_names());
    let error = writer.write(support::batch(uuid::Uuid::new_v4(), 0, 10, 7), store::Mode::First).await.unwrap_err();
    assert!(!error.is_transient());
    assert!(error.to_string().contains("run `tributary migrate`"), "{error}");
}
