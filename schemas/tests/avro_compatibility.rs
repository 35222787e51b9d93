//! The Avro schemas evolve by Avro's rules: whatever was ever released can be read with today's.

use std::collections::BTreeMap;

use apache_avro::Schema;
use apache_avro::schema_compatibility::{Compatibility, SchemaCompatibility};
use schemas::avro;

fn parse(text: &str) -> Schema {
    Schema::parse_str(text).expect("a schema of ours")
}

/// What today's schema loses of a released one, if anything.
fn breaking_change(released: &str, current: &str) -> Option<String> {
    match SchemaCompatibility::can_read(&parse(released), &parse(current)) {
        Ok(Compatibility::Full) => None,
        Ok(Compatibility::Partial) => Some("some records that were valid can no longer be read".to_owned()),
        Err(error) => Some(error.to_string()),
    }
}

#[test]
fn every_released_schema_is_readable() {
    for schema in avro::ALL {
        for (index, released) in schema.released.iter().enumerate() {
            let broken = breaking_change(released, schema.current);
            assert_eq!(broken, None, "{} breaks its version {}", schema.name, index + 1);
        }
    }
}

#[test]
fn what_is_written_is_a_released_version() {
    for schema in avro::ALL {
        let last = schema.released.last().unwrap();
        assert_eq!(
            parse(last).canonical_form(),
            parse(schema.current).canonical_form(),
            "{0}.avsc has changed: keep the change as avro/released/{0}/{1}.avsc and list it in avro.rs",
            schema.name,
            schema.released.len() + 1
        );
    }
}

/// A released schema never changes: its fingerprint stands in messages that are kept for ever.
#[test]
fn fingerprints_stay() {
    let mut fingerprints = BTreeMap::new();
    for schema in avro::ALL {
        for (index, text) in schema.released.iter().enumerate() {
            let names: Vec<String> = avro::fingerprints(text)
                .unwrap()
                .into_iter()
                .map(|fingerprint| format!("{:016x}", u64::from_le_bytes(fingerprint)))
                .collect();
            fingerprints.insert(format!("{}/{}", schema.name, index + 1), names.join(" "));
        }
    }
    let lines: Vec<String> = fingerprints.iter().map(|(name, values)| format!("{name} {values}")).collect();
    insta::assert_snapshot!(lines.join("\n"));
}

#[test]
fn every_released_file_is_listed() {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/avro/released");
    for schema in avro::ALL {
        let files = std::fs::read_dir(format!("{folder}/{}", schema.name)).unwrap().count();
        assert_eq!(files, schema.released.len(), "avro/released/{}", schema.name);
    }
}

/// Fields are found by the writer's names, so a rename needs more than an alias.
#[test]
fn no_schema_renames_a_field() {
    for schema in avro::ALL {
        assert!(!schema.current.contains("\"aliases\""), "{}: the decoder reads no aliases", schema.name);
    }
}

/// The check above would be worth nothing if it let breaking changes pass.
#[test]
fn breaking_changes_are_noticed() {
    let web = avro::WEB_EVENT.current;
    for (what, before, after) in [
        ("a required field added", "\"fields\": [", "\"fields\": [ { \"name\": \"tenant\", \"type\": \"string\" },"),
        (
            "a field's type narrowed",
            "\"name\": \"event\", \"type\": \"string\"",
            "\"name\": \"event\", \"type\": \"int\"",
        ),
        (
            "null no longer taken",
            "\"name\": \"user_agent\", \"type\": [\"null\", \"string\"], \"default\": null",
            "\"name\": \"user_agent\", \"type\": \"string\", \"default\": \"\"",
        ),
    ] {
        let changed = web.replacen(before, after, 1);
        assert_ne!(changed, web, "{what}: nothing to replace");
        assert!(breaking_change(web, &changed).is_some(), "{what} was not noticed");
    }
    for (what, before, after) in [
        (
            "an optional field added",
            "\"fields\": [",
            "\"fields\": [ { \"name\": \"tenant\", \"type\": [\"null\", \"string\"], \"default\": null },",
        ),
        (
            "an optional field taken away",
            "{ \"name\": \"user_agent\", \"type\": [\"null\", \"string\"], \"default\": null },",
            "",
        ),
    ] {
        let changed = web.replacen(before, after, 1);
        assert_ne!(changed, web, "{what}: nothing to replace");
        assert_eq!(breaking_change(web, &changed), None, "{what} should pass");
    }
}
