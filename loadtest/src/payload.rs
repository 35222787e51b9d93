//! Records as the trackers, forms, tills, help desks and sales people send them.

use serde_json::{Value, json};

use crate::person::{Device, Person};

/// What all records have.
pub(crate) struct Head<'a> {
    pub(crate) event_id: &'a str,
    pub(crate) time_ms: i64,
}

/// A page of the shop.
pub(crate) struct PageView<'a> {
    pub(crate) path: &'a str,
    pub(crate) query: &'a str,
    pub(crate) referrer: &'a str,
}

pub(crate) fn web(head: &Head<'_>, event: &str, device: &Device, page: &PageView<'_>) -> Value {
    let separator = if page.query.is_empty() { "" } else { "?" };
    json!({
        "event_id": head.event_id,
        "event": event,
        "event_time": head.time_ms,
        "anonymous_id": device.anonymous_id,
        "page": {
            "url": format!("https://shop.example.com{}{separator}{}", page.path, page.query),
            "title": page.path.trim_start_matches('/').replace('-', " "),
            "referrer": page.referrer,
        },
        "user_agent": device.agent,
        "ip": "203.0.113.77",
    })
}

pub(crate) fn form(head: &Head<'_>, person: &Person, device: &Device, query: &str) -> Value {
    json!({
        "event_id": head.event_id,
        "event": "form_submitted",
        "event_time": head.time_ms,
        "form_id": "newsletter",
        "anonymous_id": device.anonymous_id,
        "email": person.email,
        "page": { "url": format!("https://shop.example.com/newsletter?{query}"), "title": "newsletter" },
        "user_agent": device.agent,
        "consent": true,
    })
}

pub(crate) fn till(head: &Head<'_>, kind: &str, transaction_id: &str, value_minor: i64) -> Value {
    json!({
        "event_id": head.event_id,
        "transaction_id": transaction_id,
        "type": kind,
        "event_time": head.time_ms,
        "value": format!("{}.{:02}", value_minor / 100, value_minor % 100),
        "currency": "USD",
        "store_id": "store-7",
        "register_id": "till-2",
    })
}

pub(crate) fn support(head: &Head<'_>, person: &Person, channel: &str) -> Value {
    json!({
        "event_id": head.event_id,
        "event": "ticket_opened",
        "event_time": head.time_ms,
        "ticket_id": format!("T-{}", head.event_id),
        "channel": channel,
        "subject": "Where is my parcel?",
        "requester": { "email": person.email, "phone": person.phone },
        "agent": { "id": "agent-12", "team": "first-line" },
    })
}

pub(crate) fn lead(head: &Head<'_>, person: &Person, stage: &str) -> Value {
    json!({
        "event_id": head.event_id,
        "lead_id": format!("lead-{}", person.tag),
        "stage": stage,
        "event_time": head.time_ms,
        "email": person.email,
        "owner": "sales-3",
    })
}
