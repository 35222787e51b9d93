//! Nobody's address reaches a column that is stored in the clear, wherever in a record it stands.

mod support;

use decode::SchemaTable;
use schemas::{Event, Source};
use serde_json::{Value, json};

use support::{decode_one, show_event};

fn decoded(source: Source, mut record: Value) -> Event {
    record["event_time"] = json!("2026-03-01T09:30:00Z");
    decode_one(source, record.to_string().into_bytes(), &SchemaTable::default()).expect("a valid record")
}

fn web(mut record: Value) -> Event {
    record["event"] = json!("page_viewed");
    record["anonymous_id"] = json!("a-1");
    decoded(Source::Web, record)
}

#[test]
fn addresses_of_pages_name_nobody() {
    let url = "https://h.example/p?email=carl@secret.example&utm_source=news";
    let page = web(json!({ "page": { "url": url, "referrer": url, "title": "carl@secret.example" } })).page;
    let without = "https://h.example/p?email=[withheld]&utm_source=news";
    assert_eq!((page.url.as_str(), page.referrer.as_str()), (without, without));
    assert_eq!(page.title, "[withheld]");
}

#[test]
fn labels_name_nobody() {
    let event = web(json!({ "utm": { "source": "carl@secret.example", "medium": "mail" }, "utm_id": " a@b.cd " }));
    assert_eq!((event.utm.source.as_str(), event.utm.medium.as_str()), ("[withheld]", "mail"));
    assert_eq!(event.utm.id, "[withheld]");
}

#[test]
fn ids_that_reach_a_person_are_replaced_by_their_hash() {
    let id = |id: &str| web(json!({ "event_id": id })).event_id;
    let hashed = id("carl@secret.example");
    assert!(hashed.starts_with("hash-") && hashed.len() == "hash-".len() + 32, "{hashed}");
    assert_eq!(id(" carl@secret.example "), hashed, "a repeat is still a repeat");
    assert_eq!(id(&hashed), hashed, "an id from the store is the same id");
    assert_ne!(id("karl@secret.example"), hashed);
    assert!(id("+33 6 12-34 (56).78").starts_with("hash-"));
    for other in ["e-1", "33612345678", "+1", "+2026-03-01T09:30:00", "01J0ZP6T6QK3V1", "a@b"] {
        assert_eq!(id(other), other);
    }
}

#[test]
fn order_ids_and_rejections_name_nobody_either() {
    let order = web(json!({ "order": { "order_id": "carl@secret.example" } })).order.unwrap();
    assert!(order.order_id.starts_with("hash-"), "{}", order.order_id);
    let broken = br#"{"event_id":"carl@secret.example","event":"e"}"#.to_vec();
    let rejection = decode_one(Source::Web, broken, &SchemaTable::default()).unwrap_err();
    assert!(rejection.event_id.starts_with("hash-"), "{}", rejection.event_id);
}

#[test]
fn names_of_members_name_nobody() {
    let shown = show_event(&web(json!({
        "props": { "carl@secret.example": "x", "kept": 1 },
        "carl@secret.example": true,
        "properties": { "Carl%40secret.example": [{ "carl@secret.example": null }] },
    })));
    assert!(!shown.contains("secret.example"), "{shown}");
    assert!(shown.contains(r#""props":{"kept":1}"#), "{shown}");
}
