//! What is read back: state of stages, conversions and touches, floors, known event ids, free queries.

mod support;

use schemas::{Key, Source};
use std::time::Duration;
use store::{HeldSlice, Mode, Slice};
use support::proxy::{Cut, Proxy};
use support::{DAY_MS, Database, append_ms, batch, spend_batch, type_names};
use uuid::Uuid;

fn slice(topic_id: Uuid) -> Slice {
    Slice { topic_id, partition: 1, min_offset: 0, below_offset: i64::MAX, received_after_ms: 0 }
}

#[tokio::test(flavor = "multi_thread")]
async fn state_is_read_from_stored_rows_alone() {
    let db = Database::new().await;
    let topic_id = Uuid::new_v4();
    let mut writer = db.store.writer(type_names());
    writer.write(batch(topic_id, 0, 40, 7), Mode::First).await.unwrap();
    writer.write(batch(Uuid::new_v4(), 0, 40, 7), Mode::First).await.unwrap();

    let all = db
        .store
        .load_window(Source::Web, &slice(topic_id), |id, offset, at| (id.to_owned(), offset, at))
        .await
        .unwrap();
    assert_eq!(all.len(), 32);
    assert_eq!(all[3], ("e4".to_owned(), 4, append_ms(4)), "3 is a duplicate and not stored");
    let part = Slice { min_offset: 10, below_offset: 30, received_after_ms: append_ms(15), ..slice(topic_id) };
    let offsets = db.store.load_window(Source::Web, &part, |_, offset, _| offset).await.unwrap();
    assert_eq!(offsets, [15, 16, 18, 19, 20, 21, 22, 24, 25, 26, 28, 29]);

    let mut sessions = db.store.load_sessions(&Slice { below_offset: 37, ..slice(topic_id) }).await.unwrap();
    sessions.sort_by_key(|row| row.anonymous_key);
    let last: Vec<_> = sessions.iter().map(|row| (row.anonymous_key.0, row.last_append_ms)).collect();
    assert_eq!(
        last,
        [(0xa000, append_ms(36)), (0xa001, append_ms(29)), (0xa002, append_ms(34)), (0xa003, append_ms(35))]
    );
    assert_eq!(sessions[0].session.id, Key(0x5e55 + 0xa000));
    assert_eq!(sessions[0].session.last_event_ms, append_ms(36));
    assert_eq!(sessions[0].session.touch_hash, u64::MAX - 36);
    assert_eq!(sessions[0].session.started_at_ms, DAY_MS);
}

#[tokio::test(flavor = "multi_thread")]
async fn conversions_and_touches_of_keys() {
    let db = Database::new().await;
    let topic_id = Uuid::new_v4();
    db.store.writer(type_names()).write(batch(topic_id, 0, 40, 7), Mode::First).await.unwrap();

    // More keys than fit one query.
    let mut keys: Vec<Key> = (1..4_500).map(|n| Key(n << 64)).collect();
    keys.push(Key(0xa000));
    let conversions = db.store.load_conversions(&keys).await.unwrap();
    let offsets: Vec<i64> = conversions.iter().map(|c| c.position.offset).collect();
    assert_eq!(offsets, [0, 12, 24, 36]);
    let order = &conversions[1];
    assert_eq!((order.name.as_str(), order.kind.as_str(), order.order_id.as_str()), ("order", "conversion", "o12"));
    assert_eq!((order.value_minor, order.currency.as_str(), order.identity_key), (1_012, "USD", Key(0xa000)));

    let month_ms = 31 * 86_400_000;
    let touches = db.store.load_touches(&keys, append_ms(0) - month_ms, append_ms(20) - month_ms).await.unwrap();
    assert_eq!(touches.iter().map(|t| t.position.offset).collect::<Vec<_>>(), [0, 20]);
    assert_eq!(touches[0].touch_time_ms, append_ms(0) - month_ms);
    assert_eq!((touches[0].kind.as_str(), touches[0].channel.as_str()), ("session_start", "Paid Search"));
    assert_eq!((touches[0].campaign_source.as_str(), touches[0].campaign_medium.as_str()), ("google", "cpc"));
    assert!(db.store.load_conversions(&[]).await.unwrap().is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn the_floor_is_what_any_table_holds() {
    let db = Database::new().await;
    let topic_id = Uuid::new_v4();
    let floor = |committed, after| {
        let store = db.store.clone();
        async move { store.floor(Source::Web, topic_id, 1, committed, after).await.unwrap() }
    };
    assert_eq!(floor(0, None).await, None);
    db.store.writer(type_names()).write(batch(topic_id, 0, 40, 7), Mode::First).await.unwrap();
    assert_eq!(floor(0, None).await, Some(40));
    assert_eq!(floor(0, Some(append_ms(0))).await, Some(40));
    assert_eq!(floor(40, None).await, None);

    // Only `events` of the next batch is there.
    let proxy = Proxy::start(&db.config.url).await;
    proxy.arm(Cut::BeforeRequest, "touchpoints", u32::MAX);
    let mut writer = db.through(&proxy.url()).await.writer(type_names());
    let write = writer.write(batch(topic_id, 40, 70, 7), Mode::First);
    assert!(tokio::time::timeout(Duration::from_millis(500), write).await.is_err());
    assert_eq!(floor(40, Some(append_ms(40))).await, Some(70));
    assert_eq!(db.store.floor(Source::Web, topic_id, 0, 0, None).await.unwrap(), None);
}

#[tokio::test(flavor = "multi_thread")]
async fn imports_learn_which_event_ids_are_known() {
    let db = Database::new().await;
    db.store.writer(type_names()).write(batch(Uuid::new_v4(), 0, 20, 7), Mode::First).await.unwrap();
    db.store.writer(type_names()).write(spend_batch(Uuid::new_v4(), 100, 102), Mode::First).await.unwrap();
    let held = |source, from_ms, to_ms, prefix: &'static str| {
        let store = db.store.clone();
        async move {
            let slice = HeldSlice { source, from_ms, to_ms, prefix };
            let mut ids = store.held_event_ids(&slice, str::to_owned).await.unwrap();
            ids.sort();
            ids
        }
    };
    let always = 4_000_000_000_000;
    let mut expected: Vec<String> = (0..20).filter(|n| n % 10 != 3).map(|n| format!("e{n}")).collect();
    expected.sort();
    assert_eq!(held(Source::Web, 0, always, "").await, expected);
    let ones: Vec<String> = expected.iter().filter(|id| id.starts_with("e1")).cloned().collect();
    assert_eq!(held(Source::Web, 0, always, "e1").await, ones);
    assert!(held(Source::Web, always, always, "").await.len() < expected.len(), "only rejected ones have no period");
    assert!(held(Source::Form, 0, always, "").await.is_empty());
    assert_eq!(held(Source::AdSpend, 0, always, "").await.len(), 2);
    assert!(held(Source::AdSpend, 0, 0, "").await.is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn free_queries_take_formats_and_parameters() {
    let db = Database::new().await;
    let query = |sql: &str, format: &str, params: &[(&str, &str)]| {
        let (store, sql, format) = (db.store.clone(), sql.to_owned(), format.to_owned());
        let params: Vec<(String, String)> = params.iter().map(|(n, v)| (n.to_string(), v.to_string())).collect();
        async move {
            let params: Vec<(&str, &str)> = params.iter().map(|(n, v)| (n.as_str(), v.as_str())).collect();
            store.query_text(&sql, &format, &params).await
        }
    };
    assert_eq!(query("SELECT 1 AS a, '?' AS b;  ", "CSVWithNames", &[]).await.unwrap(), "\"a\",\"b\"\n1,\"?\"\n");
    assert_eq!(query("SELECT 1 AS a", "JSONEachRow", &[]).await.unwrap(), "{\"a\":1}\n");
    let odd = "it's\ta \\ \"line\"\n";
    assert_eq!(
        query(
            "SELECT {x:String} = 'it\\'s\\ta \\\\ \"line\"\\n' AS same, {n:UInt8} + 1",
            "TSV",
            &[("x", odd), ("n", "4")]
        )
        .await
        .unwrap(),
        "1\t5\n"
    );
    assert_eq!(query("SELECT currentDatabase()", "TSV", &[]).await.unwrap().trim(), db.config.database);
    let error = query("SELECT nonsense", "TSV", &[]).await.unwrap_err();
    assert_eq!(error.code(), Some(47));
    assert!((db.store.server_time_ms().await.unwrap() - DAY_MS).abs() < 100 * 365 * 86_400_000);
}
