//! A batch of payloads, and events as text for snapshots.

use std::fmt::Write;

use bytes::Bytes;
use decode::{Limits, SchemaTable};
use schemas::examples::RECEIVED_AT_MS;
use schemas::{Event, RawBatch, RawRecord, Rejection, Source};
use uuid::Uuid;

/// Payloads as one batch, at offsets 100, 101, …
pub(crate) fn batch(source: Source, payloads: impl IntoIterator<Item = Vec<u8>>) -> RawBatch {
    let records: Vec<RawRecord> = (100..)
        .zip(payloads)
        .map(|(offset, payload)| RawRecord {
            offset,
            append_time_ms: RECEIVED_AT_MS,
            key: None,
            payload: Some(Bytes::from(payload)),
        })
        .collect();
    RawBatch {
        source,
        topic: "events".into(),
        topic_id: Uuid::from_u128(7),
        partition: 2,
        first: 100,
        end: 100 + records.len() as i64,
        records,
    }
}

/// Decodes one payload.
#[allow(dead_code, reason = "not every test decodes one by one")]
pub(crate) fn decode_one(source: Source, payload: Vec<u8>, schemas: &SchemaTable) -> Result<Event, Box<Rejection>> {
    let decoded = decode::decode(&batch(source, [payload]), schemas, &Limits::default());
    match (decoded.events.as_slice(), decoded.rejections.as_slice()) {
        ([event], []) => Ok(event.clone()),
        ([], [rejection]) => Err(Box::new(rejection.clone())),
        _ => panic!("a record is one event or one rejection"),
    }
}

/// An event, one line for every field that says something.
#[allow(dead_code, reason = "not every test shows events")]
pub(crate) fn show_event(event: &Event) -> String {
    let mut out = String::new();
    let mut line = |name: &str, value: &str| {
        if !value.is_empty() {
            let _ = writeln!(out, "  {name:<12} {}", value.escape_debug());
        }
    };
    line("id", &event.event_id);
    line("type", &event.event_type);
    line("time", &format!("{} ms", event.event_time_ms - event.received_at_ms));
    for identifier in &event.identifiers {
        line("identifier", &format!("{} = {}", identifier.kind, identifier.value));
    }
    line("url", &event.page.url);
    line("title", &event.page.title);
    line("referrer", &event.page.referrer);
    let utm = &event.utm;
    for (name, value) in [
        ("utm id", &utm.id),
        ("utm source", &utm.source),
        ("utm medium", &utm.medium),
        ("utm campaign", &utm.campaign),
        ("utm term", &utm.term),
        ("utm content", &utm.content),
        ("utm platform", &utm.source_platform),
        ("user agent", &event.user_agent),
        ("ip", &event.ip),
    ] {
        line(name, value);
    }
    if let Some(order) = &event.order {
        let id = if order.order_id.is_empty() { "-" } else { &order.order_id };
        line("order", &format!("{id}: {} minor {}", order.value_minor, order.currency));
    }
    if let Some(spend) = &event.spend {
        line("platform", &spend.platform);
        line("campaign id", &spend.campaign_id);
        line("campaign", &spend.campaign);
        line("utm", &format!("{} / {}", spend.utm_source, spend.utm_medium));
        line("cost", &format!("{} minor {}", spend.cost_minor, spend.currency));
        line("seen", &format!("{} impressions, {} clicks", spend.impressions, spend.clicks));
    }
    // Not escaped: what is stored is what is shown.
    let _ = writeln!(out, "  {:<12} {}", "properties", event.properties);
    out
}

/// A rejection.
#[allow(dead_code, reason = "not every test shows rejections")]
pub(crate) fn show_rejection(rejection: &Rejection) -> String {
    let mut out = format!("  {:<12} {}\n", "reason", rejection.reason.as_str());
    for (name, value) in [
        ("field", rejection.field.to_string()),
        ("byte", rejection.byte_offset.map_or_else(String::new, |offset| offset.to_string())),
        ("detail", rejection.detail.clone()),
        ("event id", rejection.event_id.to_string()),
    ] {
        if !value.is_empty() {
            let _ = writeln!(out, "  {name:<12} {value}");
        }
    }
    out
}
