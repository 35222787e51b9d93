//! Every valid record in `schemas/examples` through all stages into a real ClickHouse: the snapshots hold the final rows.
//! A changed snapshot is a changed contract.

#![allow(clippy::unwrap_used, reason = "a test may panic")]

use bytes::Bytes;
use enrich::{EnrichConfig, Enricher, SessionState};
use identity::{Graph, Hasher, Rules};
use schemas::conversions::ConversionDefinitions;
use schemas::examples::{self, RECEIVED_AT_MS};
use schemas::{RawBatch, RawRecord, Source};
use std::sync::Arc;
use store::{ClickHouseConfig, ExactBatch, Mode, Store};
use uuid::Uuid;

/// Tables that a record may have rows in, and what is left out because it belongs to the run.
const TABLES: [(&str, &str); 4] = [
    ("events", "topic_id, batch_first, batch_end, lease_until"),
    ("touchpoints", "topic_id, batch_first, batch_end, lease_until"),
    ("conversions", "topic_id, batch_first, batch_end, lease_until"),
    ("ad_spend", "topic_id, batch_first, batch_end, lease_until"),
];

struct Stages {
    schemas: decode::SchemaTable,
    hasher: Arc<Hasher>,
    graph: Graph,
    enricher: Enricher,
    store: Store,
}

#[tokio::test(flavor = "multi_thread")]
async fn valid_examples_become_rows() {
    let url =
        std::env::var("TRIBUTARY_TEST_CLICKHOUSE").expect("run `make test`: it starts the ClickHouse of this test");
    let database = format!("rows_{}", Uuid::new_v4().simple());
    let config = ClickHouseConfig { url, database: database.clone(), ..ClickHouseConfig::default() };
    let store = Store::connect(&config).await.unwrap();
    store.migrate().await.unwrap();
    let hasher = Arc::new(Hasher::new(b"of the snapshots", Rules::default()).unwrap());
    let stages = Stages {
        schemas: schema_table(),
        graph: Graph::new(Arc::clone(&hasher)),
        hasher,
        enricher: Enricher::new(EnrichConfig::default()).unwrap(),
        store,
    };
    for source in Source::ALL {
        let rejected = stages.write(source).await;
        insta::assert_snapshot!(format!("rows_{source}"), stages.rows(source).await + &rejected);
    }
    stages.store.query_text(&format!("DROP DATABASE {database}"), "TabSeparated", &[]).await.unwrap();
}

impl Stages {
    /// Writes the valid examples of a source; returns those in which identity finds nobody.
    async fn write(&self, source: Source) -> String {
        let raw = batch(source);
        let decoded = decode::decode(&raw, &self.schemas, &decode::Limits::default());
        let (events, rejections) = identity::key_events(decoded.events, &self.hasher);
        assert_eq!(decoded.rejections, [], "{source}");
        let rejected = rejections
            .iter()
            .map(|rejection| format!("rejected\n  {:<20} {}\n", rejection.reason.as_str(), rejection.event_id));
        let rejected = rejected.collect();
        let links = self.graph.missing_links(&events);
        self.graph.apply(self.graph.applied() + 1, RECEIVED_AT_MS, &links).unwrap();
        let events = self.enricher.enrich(
            self.graph.identify(events),
            &mut SessionState::default(),
            &ConversionDefinitions::default(),
        );
        let types = self.hasher.rules().types.iter().map(|rule| rule.name.as_str().into()).collect();
        let batch = ExactBatch { cluster_id: "c".into(), raw: Arc::new(raw), events, rejections, duplicates: 0 };
        self.store.writer(types).write(Arc::new(batch), Mode::First).await.unwrap();
        rejected
    }

    /// The rows of a source, one column a line, columns that say nothing left out.
    async fn rows(&self, source: Source) -> String {
        let mut text = String::new();
        for (table, without) in TABLES {
            if (table == "ad_spend") != (source == Source::AdSpend) {
                continue;
            }
            let of_source = if table == "ad_spend" { String::new() } else { format!("WHERE source = '{source}'") };
            let sql = format!(
                "SELECT * EXCEPT ({without}) FROM {}.{table} {of_source} ORDER BY offset, ordinal",
                self.store.database()
            );
            for row in self.store.query_text(&sql, "JSONEachRow", &[]).await.unwrap().lines() {
                let row: serde_json::Map<String, serde_json::Value> = serde_json::from_str(row).unwrap();
                text += &format!("{table}\n");
                for (column, value) in row.iter().filter(|(_, value)| says_something(value)) {
                    text += &format!("  {column:<20} {value}\n");
                }
            }
        }
        text
    }
}

fn says_something(value: &serde_json::Value) -> bool {
    let empty = ["", "{}", "00000000-0000-0000-0000-000000000000", "1970-01-01 00:00:00.000"];
    match value {
        serde_json::Value::String(text) => !empty.contains(&text.as_str()),
        serde_json::Value::Number(number) => number.as_i64() != Some(0),
        serde_json::Value::Object(object) => !object.is_empty(),
        serde_json::Value::Bool(flag) => *flag,
        _ => true,
    }
}

fn schema_table() -> decode::SchemaTable {
    let mut table = decode::SchemaTable::default();
    for (id, schema) in examples::load().into_iter().filter_map(|example| example.registered) {
        // A schema that cannot be read is an example, too.
        let _ = table.insert_confluent(id, &schema);
    }
    table
}

fn batch(source: Source) -> RawBatch {
    let valid = examples::load().into_iter().filter(|example| example.source == source && example.is_valid);
    let record = |(offset, example): (i64, examples::Example)| RawRecord {
        offset,
        append_time_ms: RECEIVED_AT_MS,
        key: None,
        payload: Some(Bytes::from(example.payload)),
    };
    let records: Vec<RawRecord> = (0..).zip(valid).map(record).collect();
    let end = records.len() as i64;
    RawBatch { source, topic: "examples".into(), topic_id: Uuid::from_u128(7), partition: 0, first: 0, end, records }
}
