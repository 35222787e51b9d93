//! Identity rows, attribution paths and the views over hand-made rows.

mod support;

use schemas::{AttributionPath, Conversion, Key, PathTouch, Position, TouchRow};
use store::{ConflictRow, IdentityMapRow, LinkEnd, LinkRow, Mode};
use support::{DAY_MS, Database, batch, expected, type_names};
use uuid::Uuid;

fn end(key: u128, kind: &str) -> LinkEnd {
    LinkEnd { key: Key(key), kind: kind.into() }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_greatest_version_wins_and_the_views_follow() {
    let db = Database::new().await;
    let store = &db.store;
    store.writer(type_names()).write(batch(Uuid::new_v4(), 0, 100, 7), Mode::First).await.unwrap();
    store.reload_dictionary().await.unwrap();
    assert_eq!(db.count("customers").await, 4);
    assert_eq!(
        db.text("SELECT uniqExact(customer_id) FROM resolved_events").await,
        "4",
        "each key is its own customer"
    );

    let row = |key, customer, version| IdentityMapRow { identity_key: Key(key), customer_id: Key(customer), version };
    store.write_identity_map(&[row(0xa001, 0xa000, 5), row(0xa000, 0xa000, 5)]).await.unwrap();
    // Older knowledge that arrives late changes nothing.
    store.write_identity_map(&[row(0xa001, 0xa003, 4)]).await.unwrap();
    store.reload_dictionary().await.unwrap();
    assert_eq!(db.count("customers").await, 3);
    let merged = "SELECT sum(orders), sum(revenue_minor['USD']), any(identifier_types), any(channels), any(is_bot) \
                  FROM customers WHERE customer_id = '00000000-0000-0000-0000-00000000a000'";
    assert_eq!(db.text(merged).await, "9\t9432\t['anonymous_id']\t['Paid Search']\ttrue");
    let [_, _, conversions, _] = expected(0, 100);
    assert_eq!(db.text("SELECT sum(orders) FROM customers").await, conversions.to_string());
    assert_eq!(db.text("SELECT count() FROM data_quality").await, "0");
}

#[tokio::test(flavor = "multi_thread")]
async fn links_and_conflicts_may_be_written_again() {
    let db = Database::new().await;
    let link = LinkRow {
        log_offset: 9,
        ordinal: 1,
        a: end(1, "email"),
        b: end(2, "anonymous_id"),
        source: "form".into(),
        event_id: "e1".into(),
        event_time_ms: DAY_MS,
        logged_at_ms: DAY_MS + 5,
    };
    let conflict = ConflictRow {
        log_offset: 9,
        ordinal: 0,
        kind: "refused".into(),
        rule: "max_per_customer".into(),
        a: end(1, "email"),
        b: end(3, "email"),
        source: "form".into(),
        event_id: "e1".into(),
        event_time_ms: DAY_MS,
        logged_at_ms: DAY_MS + 5,
    };
    for _ in 0..2 {
        db.store.write_links(&[link.clone(), LinkRow { ordinal: 2, ..link.clone() }]).await.unwrap();
        db.store.write_conflicts(std::slice::from_ref(&conflict)).await.unwrap();
    }
    db.store.write_links(&[]).await.unwrap();
    assert_eq!(db.count("identity_links FINAL").await, 2);
    assert_eq!(
        db.text("SELECT type_a, type_b, source, event_time, logged_at FROM identity_links FINAL LIMIT 1").await,
        "email\tanonymous_id\tform\t2026-01-15 00:00:00.000\t2026-01-15 00:00:00.005"
    );
    assert_eq!(
        db.text("SELECT kind, rule, key_b FROM identity_conflicts FINAL").await,
        "refused\tmax_per_customer\t00000000-0000-0000-0000-000000000003"
    );
}

fn path(offset: i64, value_minor: i64, credits: &[i64], version: u128, topic_id: Uuid) -> AttributionPath {
    let position = Position { topic_id, partition: 1, offset };
    let touch = |(index, credit): (usize, &i64)| PathTouch {
        touch: TouchRow {
            position,
            ordinal: 0,
            identity_key: Key(0xa000),
            touch_time_ms: DAY_MS + index as i64,
            kind: "session_start".into(),
            channel: format!("Channel {index}").into(),
            campaign_source: "google".into(),
            campaign_medium: "cpc".into(),
            campaign: "spring".into(),
        },
        credit_minor: [*credit; 6],
        share_ppm: [1_000_000 / credits.len() as u32; 6],
    };
    AttributionPath {
        conversion: Conversion {
            position,
            ordinal: 0,
            source: "web".into(),
            event_id: format!("e{offset}").into(),
            name: "order".into(),
            kind: "conversion".into(),
            order_id: format!("o{offset}").into(),
            identity_key: Key(0xa000),
            conversion_time_ms: DAY_MS,
            value_minor,
            currency: "USD".into(),
        },
        customer_id: Key(0xa000),
        touches: credits.iter().enumerate().map(touch).collect(),
        version,
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_path_is_replaced_as_a_whole() {
    let db = Database::new().await;
    let topic_id = Uuid::new_v4();
    db.store.writer(type_names()).write(batch(topic_id, 0, 40, 7), Mode::First).await.unwrap();
    let newer = (5 << 64) | 3;
    db.store.write_paths(&[path(0, 1_000, &[400, 600], newer, topic_id)]).await.unwrap();
    db.store.write_paths(&[path(0, 1_000, &[1_000], (4 << 64) | 9, topic_id)]).await.unwrap();
    db.store.write_paths(&[path(12, 1_012, &[], 1, topic_id)]).await.unwrap();
    // A record that no conversion row stands for is not counted.
    db.store.write_paths(&[path(13, 99, &[99], 1, topic_id)]).await.unwrap();

    assert_eq!(
        db.text(
            "SELECT channel, credit_minor, share, touch_number, touches, offset FROM attribution \
             WHERE model = 'time_decay' ORDER BY offset, touch_number"
        )
        .await,
        "Channel 0\t400\t0.5\t1\t2\t0\nChannel 1\t600\t0.5\t2\t2\t0\nUnattributed\t1012\t1\t0\t0\t12"
    );
    assert_eq!(
        db.text("SELECT count(), uniqExact(model), sum(credit_minor) FROM attribution").await,
        format!("18\t6\t{}", 6 * 2_012)
    );
    assert_eq!(db.text("SELECT toString(max(version)) FROM attribution_paths").await, newer.to_string());
}

#[tokio::test(flavor = "multi_thread")]
async fn one_record_of_an_order_counts() {
    let db = Database::new().await;
    // key, minute, name, kind, source, event id, order id, value, currency
    let rows = [
        "(1, 5, 'order', 'conversion', 'web', 'e1', 'o1', 1000, 'USD')",
        "(1, 4, 'order', 'conversion', 'web', 'e2', 'o1', 900, 'USD')",
        "(2, 6, 'sale', 'conversion', 'pos', 'e3', 'o1', 500, 'EUR')",
        "(2, 7, 'order', 'refund', 'web', 'e4', 'o1', -300, 'USD')",
        "(2, 8, 'order', 'refund', 'web', 'e5', 'o1', -100, 'USD')",
        "(2, 9, 'order', 'refund', 'web', 'e5', 'o1', -100, 'USD')",
        "(3, 1, 'lead', 'conversion', 'form', 'e6', '', 0, '')",
        "(3, 1, 'lead', 'conversion', 'form', 'e7', '', 0, '')",
        "(3, 2, 'order', 'refund', 'web', 'e8', 'nope', -50, 'USD')",
        "(3, 2, 'won', 'conversion', 'crm', 'e9', '', 70, 'USD')",
        "(1, 1, 'order', 'conversion', 'web', 'ea', 'o2', 10, 'USD')",
        "(1, 2, 'order', 'refund', 'web', 'eb', 'o2', -11, 'USD')",
    ];
    db.text(&format!(
        "INSERT INTO conversions (identity_key, conversion_time, name, kind, source, event_id, order_id, value_minor, \
             currency, offset) \
         SELECT toUUID(concat('00000000-0000-0000-0000-00000000000', toString(r.1))), \
                toDateTime64('2026-01-01 00:00:00', 3, 'UTC') + INTERVAL r.2 MINUTE, \
                r.3, r.4, r.5, r.6, r.7, r.8, r.9, number \
         FROM (SELECT [{}] AS rows) ARRAY JOIN rows AS r, arrayEnumerate(rows) AS number",
        rows.join(", ")
    ))
    .await;
    assert_eq!(
        db.text("SELECT groupArray(event_id) FROM (SELECT event_id FROM counted_conversions ORDER BY event_id)").await,
        "['e2','e3','e4','e5','e6','e7','e8','e9','ea','eb']"
    );
    assert_eq!(
        db.text("SELECT sum(value_minor) FROM counted_conversions WHERE currency = 'USD'").await,
        (900 - 300 - 100 - 50 + 70 + 10 - 11).to_string()
    );
    assert_eq!(
        db.text("SELECT kind, event_id FROM data_quality ORDER BY event_id, offset").await,
        "repeated_order_id\te1\nrepeated_refund\te5\nrefund_without_order\te8\norder_without_id\te9\nrefund_exceeds_order\teb"
    );
}
