//! What holds for every payload, however broken.

mod support;

use std::sync::LazyLock;

use decode::{Limits, SchemaTable, decode};
use proptest::collection::vec;
use proptest::prelude::*;
use schemas::examples::{Example, load};
use schemas::{Source, avro};

use support::batch;

static EXAMPLES: LazyLock<Vec<Example>> = LazyLock::new(load);

static TABLE: LazyLock<SchemaTable> = LazyLock::new(|| {
    let mut table = SchemaTable::default();
    for (id, schema) in EXAMPLES.iter().filter_map(|example| example.registered.as_ref()) {
        let _ = table.insert_confluent(*id, schema);
    }
    table.insert_confluent(1, r#"{"type":"record","name":"T","fields":[
        {"name":"event","type":"string"},
        {"name":"event_time","type":"long"},
        {"name":"tree","type":["null",{"type":"record","name":"Tree","fields":[{"name":"children","type":{"type":"array","items":"Tree"}}]}]},
        {"name":"nothing","type":{"type":"array","items":"null"}},
        {"name":"all","type":{"type":"map","values":["null","boolean","long","float","double","bytes",
            {"type":"int","logicalType":"date"},
            {"type":"fixed","name":"F","size":3},
            {"type":"enum","name":"E","symbols":["a","b"]},
            {"type":"string","logicalType":"uuid"}]}}
    ]}"#).expect("a readable schema");
    table
});

/// Decodes payloads and checks what must always hold.
fn check(source: Source, payloads: Vec<Vec<u8>>) {
    let batch = batch(source, payloads);
    let decoded = decode(&batch, &TABLE, &Limits::default());
    let events: Vec<i64> = decoded.events.iter().map(|event| event.position.offset).collect();
    let rejections: Vec<i64> = decoded.rejections.iter().map(|rejection| rejection.position.offset).collect();
    assert!(events.is_sorted() && rejections.is_sorted());
    let mut all = [events, rejections].concat();
    all.sort_unstable();
    let expected: Vec<i64> = batch.records.iter().map(|record| record.offset).collect();
    assert_eq!(all, expected, "every record is one event or one rejection");
    for event in decoded.events {
        let properties: serde_json::Value = match serde_json::from_str(&event.properties) {
            Ok(properties) => properties,
            // `serde_json` refuses numbers that a double cannot hold, which we keep as they are.
            Err(error) if error.to_string().contains("number out of range") => continue,
            Err(error) => panic!("{error}: {}", event.properties),
        };
        assert!(properties.is_object());
        assert!(!event.event_id.is_empty() && !event.event_type.is_empty());
        assert!(event.event_time_ms <= event.received_at_ms || source == Source::AdSpend);
        assert_eq!(event.identifiers.is_empty(), source == Source::AdSpend);
    }
    for rejection in decoded.rejections {
        assert!(!rejection.detail.is_empty());
        let record = &batch.records[(rejection.position.offset - batch.first) as usize];
        let len = record.payload.as_ref().map_or(0, |payload| payload.len());
        assert!(rejection.byte_offset.is_none_or(|at| at <= len as u64));
    }
}

fn any_source() -> impl Strategy<Value = Source> {
    proptest::sample::select(Source::ALL.to_vec())
}

/// JSON-like text: far more often nearly valid than random bytes are.
fn jsonish() -> impl Strategy<Value = Vec<u8>> {
    let token = proptest::sample::select(vec![
        "{",
        "}",
        "[",
        "]",
        ":",
        ",",
        "\"",
        "\\",
        "\"event\"",
        "\"event_time\"",
        "\"anonymous_id\"",
        "\"a\"",
        "null",
        "true",
        "1772357400000",
        "-0.5e+3",
        "1e999",
        "\\u00e9",
        "\\ud83d",
        "\u{0}",
        " ",
        "é",
        "\"order\"",
        "\"value\"",
        "\"currency\"",
        "\"EUR\"",
        "\"properties\"",
        "\"identifiers\"",
        "{}",
        "[]",
        "nul",
        "0",
        "01",
        "1.",
        ".5",
    ]);
    vec(token, 0..40).prop_map(|tokens| format!("{{{}", tokens.concat()).into_bytes())
}

/// A change to a payload: bytes overwritten, taken out, put in, or the end cut off.
#[derive(Debug, Clone)]
enum Mutation {
    Set(usize, u8),
    Remove(usize),
    Insert(usize, u8),
    Cut(usize),
    Repeat(usize, usize),
}

fn mutation() -> impl Strategy<Value = Mutation> {
    let at = 0..4096usize;
    prop_oneof![
        (at.clone(), any::<u8>()).prop_map(|(at, byte)| Mutation::Set(at, byte)),
        at.clone().prop_map(Mutation::Remove),
        (at.clone(), any::<u8>()).prop_map(|(at, byte)| Mutation::Insert(at, byte)),
        at.clone().prop_map(Mutation::Cut),
        (at.clone(), at).prop_map(|(from, to)| Mutation::Repeat(from, to)),
    ]
}

fn mutate(payload: &mut Vec<u8>, mutation: &Mutation) {
    if payload.is_empty() {
        return;
    }
    let place = |at: usize| at % payload.len();
    match *mutation {
        Mutation::Set(at, byte) => {
            let at = place(at);
            payload[at] = byte;
        }
        Mutation::Remove(at) => {
            let at = place(at);
            payload.remove(at);
        }
        Mutation::Insert(at, byte) => payload.insert(place(at), byte),
        Mutation::Cut(at) => payload.truncate(place(at)),
        Mutation::Repeat(from, to) => {
            let (from, to) = (place(from).min(place(to)), place(from).max(place(to)));
            let part = payload[from..to].to_vec();
            payload.splice(to..to, part);
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn arbitrary_bytes(source in any_source(), payloads in vec(vec(any::<u8>(), 0..200), 0..8)) {
        check(source, payloads);
    }

    #[test]
    fn arbitrary_datums(source in any_source(), id in 1u32..4, own in any::<bool>(), datum in vec(any::<u8>(), 0..200)) {
        let fingerprint = avro::fingerprints(avro::of_source(source).current).unwrap()[0];
        let mut payload =
            if own { avro::single_object_header(fingerprint).to_vec() } else { [&[0][..], &id.to_be_bytes()].concat() };
        payload.extend(datum);
        check(source, vec![payload]);
    }

    #[test]
    fn almost_json(source in any_source(), payload in jsonish()) {
        check(source, vec![payload]);
    }

    #[test]
    fn mutated_examples(mutations in vec(mutation(), 1..4), salt in any::<usize>()) {
        for source in Source::ALL {
            let examples: Vec<&Example> = EXAMPLES.iter().filter(|example| example.source == source).collect();
            let mut payload = examples[salt % examples.len()].payload.clone();
            mutations.iter().for_each(|mutation| mutate(&mut payload, mutation));
            check(source, vec![payload]);
        }
    }

    /// Our parser and `serde_json` agree on what is JSON, but for what ours does on purpose: it keeps numbers that no
    /// double holds and mends half surrogate pairs.
    #[test]
    fn json_is_what_serde_json_says(payload in prop_oneof![jsonish(), mutated_json()]) {
        let ours = decode(&batch(Source::Web, [payload.clone()]), &TABLE, &Limits::default());
        let is_broken = ours.rejections.first().is_some_and(|rejection| {
            matches!(rejection.reason, schemas::Reason::InvalidJson | schemas::Reason::InvalidUtf8)
                // Where ours stops at 64 levels, `serde_json` goes on to 128.
                && !rejection.detail.contains("levels deep")
        });
        let is_deep = ours.rejections.first().is_some_and(|rejection| rejection.detail.contains("levels deep"));
        if !payload.starts_with(b"{") {
            return Ok(());
        }
        match serde_json::from_slice::<serde_json::Map<String, serde_json::Value>>(&payload) {
            Ok(_) => prop_assert!(!is_broken, "{:?}", ours.rejections),
            Err(error) => {
                let error = error.to_string();
                let on_purpose = error.contains("out of range") || error.contains("surrogate") || error.contains("end of hex escape");
                prop_assert!(is_broken || is_deep || on_purpose, "{error}");
            }
        }
    }
}

fn mutated_json() -> impl Strategy<Value = Vec<u8>> {
    let json: Vec<Vec<u8>> =
        EXAMPLES.iter().map(|example| example.payload.clone()).filter(|payload| payload.starts_with(b"{")).collect();
    (proptest::sample::select(json), vec(mutation(), 1..4)).prop_map(|(mut payload, mutations)| {
        mutations.iter().for_each(|mutation| mutate(&mut payload, mutation));
        payload
    })
}

/// Payloads that are small and ask for much.
#[test]
fn greedy_payloads_cost_little() {
    let many_names: String = (0..200_000).map(|index| format!("\"{index:x}\":0,")).collect();
    let same_name = "\"a\":0,".repeat(150_000);
    let payloads = vec![
        vec![b'['; 1 << 20],
        [br#"{"a":"#.to_vec(), vec![b'['; 1 << 19]].concat(),
        format!("{{{many_names}\"a\":0}}").into_bytes(),
        format!("{{{same_name}\"a\":0}}").into_bytes(),
        // A tree of 2^60 children, and an array of 2^60 nulls.
        [&[0, 0, 0, 0, 1, 2, b'e', 0, 2][..], &varint(1 << 60), &[2; 100]].concat(),
        [&[0, 0, 0, 0, 1, 2, b'e', 0, 0][..], &varint(1 << 60)].concat(),
        // A tree as deep as its bytes allow.
        [&[0, 0, 0, 0, 1, 2, b'e', 0, 2][..], &[2; 100_000]].concat(),
        // Texts of 2^62 bytes, and of less than none.
        [&[0, 0, 0, 0, 1][..], &varint(1 << 62)].concat(),
        vec![0, 0, 0, 0, 1, 1],
    ];
    let start = std::time::Instant::now();
    check(Source::Web, payloads);
    assert!(start.elapsed() < std::time::Duration::from_secs(5), "took {:?}", start.elapsed());
}

fn varint(number: i64) -> Vec<u8> {
    let mut rest = (number as u64) << 1;
    let mut bytes = Vec::new();
    while rest > 0x7f {
        bytes.push(rest as u8 | 0x80);
        rest >>= 7;
    }
    bytes.push(rest as u8);
    bytes
}
