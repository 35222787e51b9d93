//! Records that must be rejected, each in one of a dozen ways.

use rand::Rng;
use schemas::Source;
use serde_json::{Value, json};

use crate::{Record, Scenario};

type Break = (&'static str, fn(Value) -> Vec<u8>);

/// Ways to be broken, with the reason that must be given.
const WAYS: [Break; 12] = [
    ("empty_payload", |_| Vec::new()),
    ("unknown_encoding", |_| vec![0xFF, 0xD8, 0xFF, 0xE0]),
    ("invalid_utf8", |value| {
        bytes(&value, |text| {
            text.replace("Visit", "Visit\u{1}")
                .into_bytes()
                .iter()
                .map(|byte| if *byte == 1 { 0xC0 } else { *byte })
                .collect()
        })
    }),
    ("invalid_json", |value| bytes(&value, |text| text.as_bytes()[..text.len() - 7].to_vec())),
    ("invalid_json", |value| bytes(&value, |text| text.replacen(':', "=", 1).into_bytes())),
    ("unknown_schema", |_| [&[0xC3, 0x01][..], &[7; 8], b"rest"].concat()),
    ("missing_field", |value| without(value, "event")),
    ("invalid_field", |value| with(value, "page", json!("not an object"))),
    ("invalid_time", |value| with(value, "event_time", json!("yesterday at noon"))),
    ("time_out_of_range", |value| {
        with(
            value,
            "event_time",
            // In 1973. Smaller numbers would be no milliseconds at all.
            json!(100_000_000_000_i64),
        )
    }),
    ("invalid_money", |value| with(value, "order", json!({ "order_id": "o", "value": "12,50 kr", "currency": "USD" }))),
    ("no_identifier", |value| without(value, "anonymous_id")),
];

/// A broken record and the reason for which it must be rejected.
pub(crate) fn record(scenario: &Scenario, index: u64, random: &mut impl Rng) -> (Record, &'static str) {
    let (reason, break_it) = WAYS[random.random_range(0..WAYS.len())];
    let seed = scenario.seed;
    let key = format!("broken-{seed:x}-{index}");
    let whole = json!({
        "event_id": key,
        "event": "page_viewed",
        "event_time": scenario.now_ms - 60_000,
        "anonymous_id": key,
        "page": { "url": "https://shop.example.com/", "title": "Visit" },
    });
    (Record { source: Source::Web, payload: break_it(whole), key: key.into_bytes() }, reason)
}

fn bytes(value: &Value, change: impl Fn(&str) -> Vec<u8>) -> Vec<u8> {
    change(&value.to_string())
}

fn without(mut value: Value, field: &str) -> Vec<u8> {
    if let Some(object) = value.as_object_mut() {
        object.remove(field);
    }
    value.to_string().into_bytes()
}

fn with(mut value: Value, field: &str, changed: Value) -> Vec<u8> {
    value[field] = changed;
    value.to_string().into_bytes()
}
