//! A database of its own for each test, and batches to write into it.

#![allow(
    dead_code,
    unreachable_pub,
    clippy::unwrap_used,
    reason = "part of tests, each of which uses its own share of it"
)]

pub mod proxy;

use bytes::Bytes;
use schemas::{
    Agent, Campaign, ClickId, ConversionKind, ConversionName, EnrichedEvent, Event, IdentifiedEvent, Identifier, Key,
    Order, Page, RawBatch, RawRecord, Reason, Rejection, Session, Source, Spend, Text, Touch, TouchKind, Utm,
};
use std::sync::Arc;
use store::{ClickHouseConfig, ExactBatch, Store};
use uuid::Uuid;

/// 2026-01-15T00:00:00Z
pub const DAY_MS: i64 = 1_768_435_200_000;

pub fn url() -> String {
    std::env::var("TRIBUTARY_TEST_CLICKHOUSE").expect("run `make test`")
}

pub fn config() -> ClickHouseConfig {
    ClickHouseConfig {
        url: url(),
        database: format!("store_{}", Uuid::new_v4().simple()),
        retry_min_ms: 10,
        retry_max_ms: 200,
        ..ClickHouseConfig::default()
    }
}

/// A migrated database that is dropped at the end of the test.
pub struct Database {
    pub store: Store,
    pub config: ClickHouseConfig,
}

impl Database {
    pub async fn new() -> Self {
        let config = config();
        let store = Store::connect(&config).await.unwrap();
        store.migrate().await.unwrap();
        Self { store, config }
    }

    /// The same database through another address.
    pub async fn through(&self, url: &str) -> Store {
        let config = ClickHouseConfig { url: url.into(), ..self.config.clone() };
        Store::connect(&config).await.unwrap()
    }

    pub async fn text(&self, sql: &str) -> String {
        let text = self.store.query_text(sql, "TSV", &[]).await.unwrap_or_else(|error| panic!("{sql}: {error}"));
        text.trim_end().to_owned()
    }

    pub async fn count(&self, table: &str) -> u64 {
        self.text(&format!("SELECT count() FROM {table}")).await.parse().unwrap()
    }

    /// Row counts of events, touchpoints, conversions, dead_letters, batches.
    pub async fn counts(&self) -> [u64; 5] {
        let mut counts = [0; 5];
        for (count, table) in counts.iter_mut().zip(["events", "touchpoints", "conversions", "dead_letters", "batches"])
        {
            *count = self.count(table).await;
        }
        counts
    }

    pub async fn holds(&self) -> bool {
        self.text("SELECT toUInt8(count() > 0 AND min(holds)) FROM conservation").await == "1"
    }
}

impl Drop for Database {
    fn drop(&mut self) {
        let (config, database) = (self.config.clone(), self.config.database.clone());
        let cleanup = std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
            runtime.block_on(async {
                let admin = ClickHouseConfig { database: "default".into(), ..config };
                if let Ok(store) = Store::connect(&admin).await {
                    let _ = store.query_text(&format!("DROP DATABASE IF EXISTS {database}"), "TSV", &[]).await;
                }
            });
        });
        let _ = cleanup.join();
    }
}

pub fn type_names() -> Arc<[Text]> {
    ["user_id", "email", "anonymous_id"].into_iter().map(Text::from).collect::<Vec<_>>().into()
}

/// What becomes of the record at an offset, so that every table gets some rows, in two months.
pub enum Fate {
    Stored,
    Duplicate,
    Rejected,
}

pub fn fate(offset: i64) -> Fate {
    match offset % 10 {
        3 => Fate::Duplicate,
        7 => Fate::Rejected,
        _ => Fate::Stored,
    }
}

pub fn raw(source: Source, topic_id: Uuid, first: i64, end: i64) -> RawBatch {
    let record = |offset: i64| RawRecord {
        offset,
        append_time_ms: append_ms(offset),
        key: Some(Bytes::from_static(b"\xff\x00key")),
        payload: Some(Bytes::from(format!("{{\n\n\"n\": {offset};"))),
    };
    RawBatch {
        source,
        topic: format!("events.{source}").into(),
        topic_id,
        partition: 1,
        first,
        end,
        records: (first..end).map(record).collect(),
    }
}

pub fn append_ms(offset: i64) -> i64 {
    DAY_MS + offset * 1_000
}

/// A batch of web events over a range; everything in it follows from the offsets and `customer`.
pub fn batch(topic_id: Uuid, first: i64, end: i64, customer: u128) -> Arc<ExactBatch> {
    let raw = Arc::new(raw(Source::Web, topic_id, first, end));
    let mut batch = ExactBatch { cluster_id: "c1".into(), raw, events: vec![], rejections: vec![], duplicates: 0 };
    for offset in first..end {
        match fate(offset) {
            Fate::Stored => batch.events.push(event(&batch.raw, offset, customer)),
            Fate::Duplicate => batch.duplicates += 1,
            Fate::Rejected => batch.rejections.push(rejection(&batch.raw, offset)),
        }
    }
    Arc::new(batch)
}

pub fn rejection(raw: &RawBatch, offset: i64) -> Rejection {
    Rejection {
        position: raw.position(offset),
        reason: if offset % 20 == 7 { Reason::InvalidJson } else { Reason::NoIdentifier },
        field: "order.currency".into(),
        byte_offset: (offset % 20 == 7).then_some(4),
        detail: "found nothing".into(),
        event_id: format!("e{offset}").into(),
    }
}

/// Even offsets happened a month earlier; every fifth is a touch, every sixth an order.
pub fn event(raw: &RawBatch, offset: i64, customer: u128) -> EnrichedEvent {
    let month_ms = if offset % 2 == 0 { 31 * 86_400_000 } else { 0 };
    let anonymous = Key(0xa000 + (offset % 4) as u128);
    let order = (offset % 6 == 0).then(|| Order {
        order_id: format!("o{offset}").into(),
        value_minor: 1_000 + offset,
        currency: "USD".into(),
    });
    let event = Event {
        position: raw.position(offset),
        source: raw.source,
        received_at_ms: append_ms(offset),
        event_id: format!("e{offset}").into(),
        event_type: if order.is_some() { "order_completed" } else { "page_viewed" }.into(),
        event_time_ms: append_ms(offset) - month_ms,
        identifiers: vec![],
        page: Page { url: "https://shop.example/p?x=1".into(), title: "Pürce".into(), referrer: String::new() },
        utm: Utm::default(),
        user_agent: Text::default(),
        ip: "192.0.2.0".into(),
        order: order.clone(),
        spend: None,
        properties: "{\"a\":1}".into(),
    };
    EnrichedEvent {
        identified: identified(event, anonymous, customer),
        page_host: "shop.example".into(),
        page_path: "/p".into(),
        referrer_host: Text::default(),
        campaign: Campaign { source: "google".into(), medium: "cpc".into(), ..Campaign::default() },
        click_ids: vec![ClickId { kind: "gclid", value: "g1".into() }],
        channel: "Paid Search",
        agent: Agent { browser: "Firefox".into(), os: "Linux".into(), device: "desktop", is_bot: offset % 50 == 1 },
        session: Some(Session {
            id: Key(0x5e55 + anonymous.0),
            started_at_ms: DAY_MS,
            last_event_ms: append_ms(offset),
            touch_hash: u64::MAX - offset as u64,
        }),
        touch: (offset % 5 == 0).then_some(Touch { kind: TouchKind::SessionStart }),
        conversion: order.map(|_| ConversionName { name: "order".into(), kind: ConversionKind::Conversion }),
    }
}

fn identified(event: Event, anonymous: Key, customer: u128) -> IdentifiedEvent {
    IdentifiedEvent {
        event,
        identifiers: [Identifier { kind: 2, key: anonymous }].into_iter().collect(),
        identity_key: anonymous,
        generation: 0,
        customer_id: Key(customer),
        customer_version: customer as u64,
        anonymous_key: Some(anonymous),
    }
}

/// A batch of advertising cost.
pub fn spend_batch(topic_id: Uuid, first: i64, end: i64) -> Arc<ExactBatch> {
    let raw = Arc::new(raw(Source::AdSpend, topic_id, first, end));
    let events = (first..end).map(|offset| spend_event(&raw, offset)).collect();
    Arc::new(ExactBatch { cluster_id: "c1".into(), raw, events, rejections: vec![], duplicates: 0 })
}

fn spend_event(raw: &RawBatch, offset: i64) -> EnrichedEvent {
    let mut enriched = event(raw, offset, 0);
    enriched.touch = None;
    enriched.conversion = None;
    enriched.identified.event.spend = Some(Spend {
        platform: "google_ads".into(),
        campaign_id: "c-1".into(),
        campaign: "spring".into(),
        utm_source: "google".into(),
        utm_medium: "cpc".into(),
        cost_minor: 12_345,
        currency: "USD".into(),
        impressions: 1_000,
        clicks: 10,
    });
    enriched
}

/// How many rows [`batch`] has in events, touchpoints, conversions, dead_letters.
pub fn expected(first: i64, end: i64) -> [u64; 4] {
    let mut counts = [0; 4];
    for offset in first..end {
        match fate(offset) {
            Fate::Stored => {
                counts[0] += 1;
                counts[1] += u64::from(offset % 5 == 0);
                counts[2] += u64::from(offset % 6 == 0);
            }
            Fate::Rejected => counts[3] += 1,
            Fate::Duplicate => {}
        }
    }
    counts
}

pub fn with_batches(expected: [u64; 4], batches: u64) -> [u64; 5] {
    let [events, touches, conversions, dead] = expected;
    [events, touches, conversions, dead, batches]
}
