//! The ledger against the pipeline's own first stages: what the generator says becomes of a record does become of it.

#![allow(clippy::unwrap_used)] // A panic is how a test fails, in its helper functions too.

use decode::{Limits, SchemaTable};
use identity::{Hasher, Rules, key_events};
use loadtest::{Generator, Ledger, Record, Scenario};
use schemas::{RawBatch, RawRecord, Source};
use std::collections::{BTreeMap, BTreeSet};

fn scenario(seed: u64, order_free: bool) -> Scenario {
    Scenario { seed, records: 20_000, now_ms: 1_790_000_000_000, order_free }
}

fn generate(scenario: Scenario) -> (Vec<Record>, Ledger) {
    let mut generator = Generator::new(scenario);
    let records = generator.by_ref().collect();
    (records, generator.into_ledger())
}

#[test]
fn the_same_seed_gives_the_same_records_and_ledger() {
    assert_eq!(generate(scenario(7, false)), generate(scenario(7, false)));
    assert_ne!(generate(scenario(8, false)).0[0], generate(scenario(7, false)).0[0]);
}

#[test]
fn every_record_is_in_the_ledger_once() {
    let (records, ledger) = generate(scenario(1, true));
    assert_eq!(records.len() as u64, ledger.records);
    assert_eq!(ledger.stored.len() as u64 + ledger.duplicate + ledger.rejected_total(), ledger.records);
    assert!(ledger.rejected_by_reason().len() >= 8, "broken in at least eight ways");
    assert!(ledger.duplicate > 100 && ledger.conversions > 100 && ledger.revenue_minor > 0);
    assert_eq!(ledger.by_source.len(), Source::ALL.len(), "all sources: {:?}", ledger.by_source);
    let avro =
        records.iter().filter(|record| record.payload.starts_with(&[0xC3, 1]) && record.payload[2..10] != [7; 8]);
    assert!(avro.count() > 1_000, "a part of the web events is Avro");
}

#[test]
fn decoding_gives_every_record_the_fate_that_the_ledger_says() {
    for (seed, order_free) in [(3, false), (4, true)] {
        let now_ms = scenario(seed, order_free).now_ms;
        let (records, ledger) = generate(scenario(seed, order_free));
        let hasher = Hasher::new(b"test", Rules::default()).unwrap();
        let (mut stored, mut duplicate) = (BTreeSet::new(), 0);
        let mut rejected: BTreeMap<&str, u64> = BTreeMap::new();
        for source in Source::ALL {
            let batch = batch(source, &records, now_ms);
            let decoded = decode::decode(&batch, &SchemaTable::default(), &Limits::default());
            let (events, nobody) = key_events(decoded.events, &hasher);
            for keyed in events {
                assert!(keyed.event.event_time_ms < now_ms, "ahead of its receipt: {:?}", keyed.event);
                duplicate += u64::from(!stored.insert(keyed.event.event_id.to_string()));
            }
            for rejection in decoded.rejections.iter().chain(&nobody) {
                *rejected.entry(rejection.reason.as_str()).or_default() += 1;
            }
        }
        assert_eq!(stored, ledger.stored);
        assert_eq!(duplicate, ledger.duplicate);
        assert_eq!(rejected, ledger.rejected_by_reason());
    }
}

fn batch(source: Source, records: &[Record], append_time_ms: i64) -> RawBatch {
    let raw = |(offset, record): (i64, &Record)| RawRecord {
        offset,
        append_time_ms,
        key: Some(record.key.clone().into()),
        payload: (!record.payload.is_empty()).then(|| record.payload.clone().into()),
    };
    let records: Vec<RawRecord> = (0..).zip(records.iter().filter(|record| record.source == source)).map(raw).collect();
    RawBatch {
        source,
        topic: source.as_str().into(),
        topic_id: uuid::Uuid::nil(),
        partition: 0,
        first: 0,
        end: records.len() as i64,
        records,
    }
}
