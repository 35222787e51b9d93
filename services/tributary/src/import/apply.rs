//! One row of an export to one record for a source topic. Pure: the same row always becomes the same record.

use jiff::Timestamp;
use jiff::tz::TimeZone;
use schemas::Source;
use serde_json::Value;
use std::collections::HashMap;

use super::column::{ColumnPath, NotJson, Row};
use super::mapping::{Mapping, Other};
use super::record::{Object, event_id};
use super::time::wire_text;
use super::wire::{self, Kind};

/// A record as it will be sent.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Mapped {
    pub(crate) source: Source,
    pub(crate) event_id: String,
    pub(crate) key: String,
    pub(crate) record: Object,
}

/// What a row became.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Outcome {
    /// A record. It may still lack an identifier: that is for the pipeline to count, not a fault of the row.
    Record(Box<Mapped>),
    /// Left out, because the mapping says so of this event name.
    Skipped(String),
}

impl Outcome {
    /// Length of the record as it will be sent.
    pub(crate) fn bytes(&self) -> usize {
        match self {
            Outcome::Record(mapped) => serde_json::to_vec(&mapped.record.0).map_or(0, |bytes| bytes.len()),
            Outcome::Skipped(_) => 0,
        }
    }
}

/// How often each content has occurred in the file so far.
#[derive(Debug, Default)]
pub(crate) struct Occurrences(HashMap<u128, u32>);

impl Occurrences {
    fn next(&mut self, content_hash: u128) -> u32 {
        let count = self.0.entry(content_hash).or_insert(0);
        *count += 1;
        *count
    }
}

/// Applies a mapping to a row; the error says why the row is bad.
pub(crate) fn apply(mapping: &Mapping, row: &Row, occurrences: &mut Occurrences) -> Result<Outcome, String> {
    let (source, event) = match target(mapping, row)? {
        Target::Record(source, event) => (source, event),
        Target::Skip(name) => return Ok(Outcome::Skipped(name)),
    };
    let mut record = Object::default();
    if let (Some(field), Some(event)) = (wire::event_field(source), event) {
        record.set(field, Value::from(event));
    }
    for (path, value) in &mapping.constants {
        if wire::kind(source, path).is_some() {
            record.set(path, value.clone());
        }
    }
    let mut amounts = Vec::new();
    for (path, column) in &mapping.fields {
        let Some(kind) = wire::kind(source, path) else {
            continue;
        };
        let Some(value) = find(mapping, column, row)? else {
            continue;
        };
        let text = plain_text(&value).ok_or_else(|| format!("{path}: expected text or a number"))?;
        match kind {
            Kind::Money => amounts.push((path, text)),
            _ => record.set(
                path,
                convert(mapping, kind, &text).map_err(|why| format!("{path}: {why}, found `{}`", shorten(&text)))?,
            ),
        }
    }
    for (path, text) in amounts {
        set_amount(mapping, &mut record, path, &text)?;
    }
    let time = wire::time_field(source);
    if record.get(time).is_none() {
        return Err(format!("{time}: the row has no time"));
    }
    for (name, column) in &mapping.properties {
        if let Some(value) = find(mapping, column, row)? {
            record.set(name, value);
        }
    }
    Ok(Outcome::Record(Box::new(seal(source, record, occurrences))))
}

/// Source and instant of a row that may become a record: all that is needed to know which stored rows to ask for.
pub(crate) fn when(mapping: &Mapping, row: &Row) -> Option<(Source, Timestamp)> {
    let Ok(Target::Record(source, _)) = target(mapping, row) else { return None };
    let (_, column) = mapping.fields.iter().find(|(path, _)| path == wire::time_field(source))?;
    let text = plain_text(&find(mapping, column, row).ok()??)?;
    let instant = match source {
        Source::AdSpend => mapping.time.day(&text).ok()?.to_zoned(TimeZone::UTC).ok()?.timestamp(),
        _ => mapping.time.instant(&text).ok()?,
    };
    Some((source, instant))
}

/// Gives the record its id and its key.
fn seal(source: Source, mut record: Object, occurrences: &mut Occurrences) -> Mapped {
    let event_id = match record.text("event_id") {
        // As the pipeline stores it, so that it is found there again.
        Some(own) => decode::stored_id(own).to_string(),
        None => {
            let hash = record.content_hash(source.as_str());
            event_id(hash, occurrences.next(hash))
        }
    };
    record.set("event_id", Value::from(event_id.as_str()));
    if source == Source::Pos && record.text("transaction_id").is_none() {
        // A till's export has a row for each transaction, numbered or not; the pipeline wants a number.
        record.set("transaction_id", Value::from(event_id.as_str()));
    }
    let key = wire::message_key(source, &record, &event_id);
    Mapped { source, event_id, key, record }
}

enum Target {
    Record(Source, Option<String>),
    Skip(String),
}

fn target(mapping: &Mapping, row: &Row) -> Result<Target, String> {
    let Some(column) = &mapping.event_column else {
        return Ok(Target::Record(mapping.source, mapping.event_constant.clone()));
    };
    let value = find(mapping, column, row)?;
    let Some(name) = value.as_ref().and_then(plain_text) else {
        return Err(format!("column `{}` does not say what happened", column.alternatives().join(" | ")));
    };
    if let Some(target) = mapping.targets.get(&name) {
        return Ok(Target::Record(target.source, Some(target.event.clone())));
    }
    match mapping.other {
        Other::Keep => Ok(Target::Record(mapping.source, Some(snake_case(&name)))),
        Other::Skip => Ok(Target::Skip(name)),
        Other::Reject => Err(format!("event.names does not list `{}`", shorten(&name))),
    }
}

fn find(mapping: &Mapping, column: &ColumnPath, row: &Row) -> Result<Option<Value>, String> {
    column
        .find(row, &mapping.file.null)
        .map(|value| value.map(std::borrow::Cow::into_owned))
        .map_err(|NotJson { column, detail }| format!("column `{column}` is not JSON: {detail}"))
}

fn convert(mapping: &Mapping, kind: Kind, text: &str) -> Result<Value, String> {
    match kind {
        Kind::Text | Kind::Money => Ok(Value::from(text)),
        Kind::Time => mapping.time.instant(text).map(|instant| Value::from(wire_text(instant))),
        Kind::Day => mapping.time.day(text).map(|day| Value::from(day.to_string())),
        Kind::Count => text.parse::<u64>().map(Value::from).map_err(|_| "expected a whole number".to_owned()),
    }
}

/// Amounts come last: their currency may be another column of the row.
fn set_amount(mapping: &Mapping, record: &mut Object, path: &str, text: &str) -> Result<(), String> {
    let currency_path = wire::currency_field(path);
    let currency = match record.text(&currency_path).or(mapping.money.currency.as_deref()) {
        Some(code) => code.trim().to_uppercase(),
        None => {
            return Err(format!("{path}: no currency; map `{currency_path}` or set money.currency"));
        }
    };
    let minor = mapping
        .money
        .minor_units(text, &currency)
        .map_err(|why| format!("{path}: `{}` is no amount: {why}", shorten(text)))?;
    record.set(&wire::minor_field(path), Value::from(minor));
    record.set(&currency_path, Value::from(currency));
    Ok(())
}

/// A scalar as trimmed text; `None` for lists and objects.
fn plain_text(value: &Value) -> Option<String> {
    match value {
        Value::String(text) => Some(text.trim().to_owned()),
        Value::Number(number) => Some(number.to_string()),
        Value::Bool(flag) => Some(flag.to_string()),
        Value::Null | Value::Array(_) | Value::Object(_) => None,
    }
}

/// `Page Viewed`, `pageViewed` and `page-viewed` are `page_viewed`.
pub(crate) fn snake_case(name: &str) -> String {
    let mut out = String::with_capacity(name.len() + 4);
    let mut previous_lower = false;
    for c in name.trim().chars() {
        if c.is_alphanumeric() {
            if c.is_uppercase() && previous_lower {
                out.push('_');
            }
            out.extend(c.to_lowercase());
        } else if !out.ends_with('_') && !out.is_empty() {
            out.push('_');
        }
        previous_lower = c.is_lowercase() || c.is_numeric();
    }
    out.truncate(out.trim_end_matches('_').len());
    out
}

/// Values in messages are cut: a row may be a megabyte.
pub(crate) fn shorten(text: &str) -> String {
    const LIMIT: usize = 60;
    match text.char_indices().nth(LIMIT) {
        Some((at, _)) => format!("{}…", &text[..at]),
        None => text.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;
    use std::path::Path;

    const SHOP: &str = r#"
source = "web"
[money]
currency = "USD"
[event]
field = "event"
[event.names]
checkout = "order_completed"
popup = "form:email_captured"
[fields]
event_time = "at"
anonymous_id = "client_id | clientId"
email = "data.mail"
form_id = "form"
"order.order_id" = "data.id"
"order.value" = "data.total"
[properties]
items = "data.items"
[constants]
form_id = "popup"
"#;

    fn mapping(text: &str) -> Mapping {
        Mapping::parse(text, Path::new("m.toml")).unwrap()
    }

    fn row(value: Value) -> Row {
        Row(value.as_object().unwrap().clone())
    }

    #[track_caller]
    fn record(text: &str, value: Value) -> Mapped {
        match apply(&mapping(text), &row(value), &mut Occurrences::default()) {
            Ok(Outcome::Record(mapped)) => *mapped,
            other => panic!("{other:?}"),
        }
    }

    #[track_caller]
    fn bad(text: &str, value: Value, expected: &str) {
        let why = apply(&mapping(text), &row(value), &mut Occurrences::default()).unwrap_err();
        assert!(why.contains(expected), "{why}");
    }

    #[test]
    fn an_order() {
        let mapped = record(
            SHOP,
            json!({"event": "checkout", "at": "2025-03-04T00:00:00Z", "clientId": "c1",
                   "data": "{\"id\": \"o1\", \"total\": 245, \"mail\": \"a@b.c\", \"items\": [1]}"}),
        );
        assert_eq!(mapped.source, Source::Web);
        assert_eq!(mapped.key, "c1");
        let mut expected = json!({
            "event": "order_completed", "event_time": "2025-03-04T00:00:00.000Z", "anonymous_id": "c1", "email": "a@b.c",
            "order": {"order_id": "o1", "value_minor": 24_500, "currency": "USD"}, "items": [1]
        });
        expected["event_id"] = Value::from(mapped.event_id.as_str());
        assert_eq!(Value::Object(mapped.record.0), expected);
    }

    #[test]
    fn a_form_takes_only_its_fields() {
        let mapped = record(
            SHOP,
            json!({"event": "popup", "at": "2025-03-04T00:00:00Z", "client_id": "c1", "data": {"mail": "a@b.c", "total": 5}}),
        );
        assert_eq!(mapped.source, Source::Form);
        assert_eq!(mapped.record.text("form_id"), Some("popup"));
        assert_eq!(mapped.record.get("order"), None);
    }

    #[test]
    fn both_spellings_and_any_column_order_give_one_id() {
        let a = record(SHOP, json!({"event": "x", "at": "2025-03-04T00:00:00Z", "client_id": "c1"}));
        let b = record(SHOP, json!({"clientId": "c1 ", "at": "2025-03-04T01:00:00+01:00", "event": "x", "unused": 7}));
        assert_eq!(a, b);
    }

    #[test]
    fn identical_rows_differ_by_occurrence() {
        let mapping = mapping(SHOP);
        let row = row(json!({"event": "x", "at": "2025-03-04T00:00:00Z", "client_id": "c1"}));
        let mut occurrences = Occurrences::default();
        let first = apply(&mapping, &row, &mut occurrences).unwrap();
        assert_ne!(first, apply(&mapping, &row, &mut occurrences).unwrap());
        assert_eq!(first, apply(&mapping, &row, &mut Occurrences::default()).unwrap());
    }

    #[test]
    fn a_row_without_identifier_is_still_a_record() {
        let mapped = record(SHOP, json!({"event": "x", "at": "2025-03-04T00:00:00Z", "client_id": ""}));
        assert_eq!(mapped.key, mapped.event_id);
    }

    #[test]
    fn an_address_as_event_id_is_sent_as_it_is_stored() {
        let mapping = SHOP.replace("[fields]\n", "[fields]\nevent_id = \"id\"\n");
        let row = json!({"event": "checkout", "at": "2025-03-04", "id": "carl@secret.example"});
        let mapped = record(&mapping, row);
        assert_eq!(mapped.event_id, decode::stored_id("carl@secret.example").as_str());
        assert_eq!(mapped.record.text("event_id"), Some(mapped.event_id.as_str()));
    }

    #[test]
    fn when_agrees_with_the_record() {
        let rows = [
            json!({"event": "checkout", "at": "2025-03-04T00:00:00+02:00"}),
            json!({"event": "popup", "at": "2025-03-04T00:00:00+02:00"}),
        ];
        for value in rows {
            let (source, instant) = when(&mapping(SHOP), &row(value.clone())).unwrap();
            let mapped = record(SHOP, value);
            assert_eq!(
                (source, wire_text(instant).as_str()),
                (mapped.source, mapped.record.text("event_time").unwrap())
            );
        }
        assert_eq!(when(&mapping(SHOP), &row(json!({"event": "x", "at": "soon"}))), None);
    }

    #[test]
    fn bad_rows_say_why() {
        bad(SHOP, json!({"event": "x", "client_id": "c"}), "no time");
        bad(SHOP, json!({"at": "2025-03-04T00:00:00Z"}), "does not say what happened");
        bad(SHOP, json!({"event": "x", "at": "soon"}), "event_time: expected a date");
        bad(
            SHOP,
            json!({"event": "checkout", "at": "2025-03-04", "data": "{\"total\": \"a lot\"}"}),
            "`a lot` is no amount",
        );
        bad(SHOP, json!({"event": "checkout", "at": "2025-03-04", "data": "{oops"}), "column `data` is not JSON");
        let no_currency = SHOP.replace("currency = \"USD\"", "");
        bad(&no_currency, json!({"event": "checkout", "at": "2025-03-04", "data": {"total": 1}}), "no currency");
    }

    #[test]
    fn unlisted_events() {
        assert_eq!(
            record(SHOP, json!({"event": "Page Viewed", "at": "2025-03-04"})).record.text("event"),
            Some("page_viewed")
        );
        let skipping = mapping(&SHOP.replace("field = \"event\"", "field = \"event\"\nother = \"skip\""));
        let skipped = apply(&skipping, &row(json!({"event": "y", "at": "2025-03-04"})), &mut Occurrences::default());
        assert_eq!(skipped, Ok(Outcome::Skipped("y".to_owned())));
        bad(
            &SHOP.replace("field = \"event\"", "field = \"event\"\nother = \"reject\""),
            json!({"event": "y", "at": "2025-03-04"}),
            "does not list `y`",
        );
    }

    #[test]
    fn snake() {
        for (from, to) in [
            ("pageViewed", "page_viewed"),
            ("Page  Viewed!", "page_viewed"),
            ("page-viewed", "page_viewed"),
            ("page_viewed", "page_viewed"),
            ("GA4Event", "ga4_event"),
        ] {
            assert_eq!(snake_case(from), to);
        }
    }
}
