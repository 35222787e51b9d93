//! Every record in `schemas/examples` as the event it becomes, or the rejection. A changed snapshot is a changed
//! contract.

mod support;

use std::fmt::Write;

use decode::{SchemaTable, missing_confluent_ids};
use schemas::examples::{Example, load};
use schemas::{Event, Source};

use support::{batch, decode_one, show_event, show_rejection};

/// A table that knows what the examples registered.
fn table(examples: &[Example]) -> SchemaTable {
    let mut table = SchemaTable::default();
    for (id, schema) in examples.iter().filter_map(|example| example.registered.as_ref()) {
        // A schema that cannot be read is an example, too.
        let _ = table.insert_confluent(*id, schema);
    }
    table
}

fn show(source: Source, is_valid: bool) -> String {
    let examples = load();
    let table = table(&examples);
    let mut out = String::new();
    for example in examples.into_iter().filter(|example| example.source == source && example.is_valid == is_valid) {
        let _ = writeln!(out, "{}", example.name);
        let decoded = decode_one(source, example.payload, &table);
        assert_eq!(decoded.is_ok(), is_valid, "{source} {}: {decoded:?}", example.name);
        out += &decoded.map_or_else(|rejection| show_rejection(&rejection), |event| show_event(&event));
    }
    out
}

#[test]
fn valid_examples_become_events() {
    for source in Source::ALL {
        insta::assert_snapshot!(format!("valid_{source}"), show(source, true));
    }
}

#[test]
fn invalid_examples_are_rejected() {
    for source in Source::ALL {
        insta::assert_snapshot!(format!("invalid_{source}"), show(source, false));
    }
}

#[test]
fn there_are_enough_examples() {
    let examples = load();
    for source in Source::ALL {
        let count = |is_valid| {
            examples.iter().filter(|example| example.source == source && example.is_valid == is_valid).count()
        };
        assert!(count(true) >= 4 && count(false) >= 6, "{source}: {} valid, {} invalid", count(true), count(false));
    }
}

/// The examples hold e-mail addresses, phone numbers and names in every place where a sender might put them; none may
/// reach what is stored in the clear or logged.
#[test]
fn no_person_is_named_in_the_clear() {
    let examples = load();
    let table = table(&examples);
    let personal = [
        "jane@",
        "Jane",
        "Roe",
        "li@example",
        "Li Lei",
        "李雷",
        "agent@shop",
        "A. Gent",
        "S. Eller",
        "+33",
        "3612345678",
        "13910347762",
        "139 1034",
    ];
    for example in examples {
        let clear = match decode_one(example.source, example.payload, &table) {
            Ok(Event { properties, .. }) => properties,
            Err(rejection) => format!("{} {}", rejection.field, rejection.detail),
        };
        for text in personal {
            assert!(!clear.contains(text), "{}/{}: {clear}", example.source, example.name);
        }
    }
}

/// The same record is the same event in every encoding.
#[test]
fn the_encoding_makes_no_difference() {
    let table = SchemaTable::default();
    let json = br#"{"event":"order_completed","event_time":1772357400000,"event_id":"e-1","anonymous_id":"a-1",
        "order":{"order_id":"O-7","value":"19.99","currency":"USD"},"page":{"url":"https://shop.example/"},
        "identifiers":{"device_id":"d-1"},"properties":{"visits":12}}"#;
    let schema = schemas::avro::WEB_EVENT.current;
    let value = serde_json::from_slice(json).unwrap();
    let mut avro = schemas::avro::single_object_header(schemas::avro::fingerprints(schema).unwrap()[0]).to_vec();
    let datum = schemas::examples::datum(&apache_avro::Schema::parse_str(schema).unwrap(), &value);
    avro.extend(&datum);

    let from_json = decode_one(Source::Web, json.to_vec(), &table).unwrap();
    let from_avro = decode_one(Source::Web, avro, &table).unwrap();
    assert_eq!(from_json, from_avro);

    let mut confluent = vec![0, 0, 0, 0, 9];
    confluent.extend(datum);
    let mut table = SchemaTable::default();
    let unframed = batch(Source::Web, [json.to_vec(), confluent.clone(), confluent.clone()]);
    assert_eq!(missing_confluent_ids(&unframed, &table), [9]);
    table.insert_confluent(9, schema).unwrap();
    assert!(missing_confluent_ids(&unframed, &table).is_empty());
    assert_eq!(from_json, decode_one(Source::Web, confluent.clone(), &table).unwrap());

    // The topic says what a record is: a web event on the till's topic is nothing.
    let rejection = decode_one(Source::Pos, confluent, &table).unwrap_err();
    assert!(rejection.detail.contains("does not fit pos records"), "{}", rejection.detail);
}
