//! A record as it will stand on the wire, and the id that makes importing it again harmless.

use serde_json::{Map, Value};
use std::fmt::Write;

/// A JSON object whose fields are addressed by dotted path.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct Object(pub(crate) Map<String, Value>);

impl Object {
    /// The value at a dotted path.
    pub(crate) fn get(&self, path: &str) -> Option<&Value> {
        let mut parts = path.split('.');
        let first = self.0.get(parts.next()?)?;
        parts.try_fold(first, |value, part| value.get(part))
    }

    /// The string at a dotted path.
    pub(crate) fn text(&self, path: &str) -> Option<&str> {
        self.get(path).and_then(Value::as_str)
    }

    /// Sets the value at a dotted path, making the objects on the way. A value in the way is replaced.
    pub(crate) fn set(&mut self, path: &str, value: Value) {
        let mut parts = path.split('.').peekable();
        let mut map = &mut self.0;
        while let Some(part) = parts.next() {
            if parts.peek().is_none() {
                map.insert(part.to_owned(), value);
                return;
            }
            let slot = map.entry(part.to_owned()).or_insert_with(|| Value::Object(Map::new()));
            if !slot.is_object() {
                *slot = Value::Object(Map::new());
            }
            let Value::Object(inner) = slot else { return };
            map = inner;
        }
    }

    /// Hash of the record's content: the same for the same content in whatever column order, file or spelling of
    /// headers, because it is taken after mapping and with the keys in order.
    pub(crate) fn content_hash(&self, source: &str) -> u128 {
        let mut canonical = String::with_capacity(256);
        canonical.push_str(source);
        write_object(&mut canonical, &self.0);
        first_16(blake3::hash(canonical.as_bytes()))
    }
}

/// What ids made here begin with.
pub(crate) const ID_PREFIX: &str = "import-";

/// The event id of the `occurrence`-th row (from 1) with this content in its file.
pub(crate) fn event_id(content_hash: u128, occurrence: u32) -> String {
    let mut bytes = [0u8; 20];
    bytes[..16].copy_from_slice(&content_hash.to_be_bytes());
    bytes[16..].copy_from_slice(&occurrence.to_be_bytes());
    format!("{ID_PREFIX}{:032x}", first_16(blake3::hash(&bytes)))
}

/// The first half of a hash.
pub(crate) fn first_16(hash: blake3::Hash) -> u128 {
    let mut bytes = [0u8; 16];
    bytes.copy_from_slice(&hash.as_bytes()[..16]);
    u128::from_be_bytes(bytes)
}

fn write_object(out: &mut String, map: &Map<String, Value>) {
    let mut keys: Vec<&String> = map.keys().collect();
    keys.sort_unstable();
    out.push('{');
    for key in keys {
        write_scalar(out, &Value::from(key.as_str()));
        out.push(':');
        write_value(out, &map[key]);
        out.push(',');
    }
    out.push('}');
}

fn write_value(out: &mut String, value: &Value) {
    match value {
        Value::Object(map) => write_object(out, map),
        Value::Array(values) => {
            out.push('[');
            for value in values {
                write_value(out, value);
                out.push(',');
            }
            out.push(']');
        }
        scalar => write_scalar(out, scalar),
    }
}

fn write_scalar(out: &mut String, value: &Value) {
    write!(out, "{value}").expect("writing to a string does not fail");
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn object(value: Value) -> Object {
        Object(value.as_object().unwrap().clone())
    }

    #[test]
    fn paths_reach_into_objects() {
        let mut record = Object::default();
        record.set("page.url", Value::from("https://a/"));
        record.set("page.title", Value::from("A"));
        record.set("order", Value::from(1));
        record.set("order.value_minor", Value::from(5));
        assert_eq!(
            record.0,
            *json!({"page": {"url": "https://a/", "title": "A"}, "order": {"value_minor": 5}}).as_object().unwrap()
        );
        assert_eq!(record.text("page.title"), Some("A"));
        assert_eq!(record.text("page.none"), None);
    }

    #[test]
    fn content_hash_ignores_order_and_sees_everything_else() {
        let a = object(json!({"a": 1, "b": {"c": [1, {"x": 1, "y": 2}], "d": "e"}}));
        let mut b = Object::default();
        b.set("b.d", Value::from("e"));
        b.set("b.c", json!([1, {"y": 2, "x": 1}]));
        b.set("a", Value::from(1));
        assert_eq!(a.content_hash("web"), b.content_hash("web"));
        assert_ne!(a.content_hash("web"), a.content_hash("form"));
        b.set("b.c", json!([{"y": 2, "x": 1}, 1]));
        assert_ne!(a.content_hash("web"), b.content_hash("web"));
    }

    #[test]
    fn strings_cannot_imitate_structure() {
        let a = object(json!({"a": "1,\"b\":2"}));
        let b = object(json!({"a": "1", "b": 2}));
        assert_ne!(a.content_hash("web"), b.content_hash("web"));
    }

    #[test]
    fn occurrences_differ_and_are_stable() {
        assert_ne!(event_id(7, 1), event_id(7, 2));
        assert_eq!(event_id(7, 1), event_id(7, 1));
        assert_eq!(event_id(7, 1).len(), "import-".len() + 32);
    }
}
