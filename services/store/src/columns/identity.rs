use schemas::{EnrichedEvent, Key, Text};
use std::collections::HashMap;

use super::{Columns, Encoded};
use crate::Result;
use crate::identity_rows::{CommandRow, ConflictRow, IdentityMapRow, LinkEnd, LinkRow};

/// One row for each (identifier, identity key) of the events, with the first and the last time.
pub(crate) fn identifiers(
    events: &[EnrichedEvent],
    key_of: impl Fn(&EnrichedEvent) -> Key,
    type_names: &[Text],
) -> Result<Encoded> {
    let mut seen: HashMap<(Key, Key), (u8, i64, i64)> = HashMap::new();
    for event in events {
        let identity_key = key_of(event);
        let at = event.identified.event.event_time_ms;
        for identifier in &event.identified.identifiers {
            let entry = seen.entry((identifier.key, identity_key)).or_insert((identifier.kind, at, at));
            entry.1 = entry.1.min(at);
            entry.2 = entry.2.max(at);
        }
    }
    let type_name = |kind: u8| type_names.get(usize::from(kind)).map_or("", |name| name.as_str());
    let rows: Vec<_> = seen.into_iter().collect();
    let mut c = Columns::new("identifiers", rows.len());
    c.uuid("identifier_key", rows.iter().map(|(keys, _)| keys.0.0));
    c.uuid("identity_key", rows.iter().map(|(keys, _)| keys.1.0));
    c.low("type", rows.iter().map(|(_, (kind, ..))| type_name(*kind)));
    c.time("first_seen", rows.iter().map(|(_, (_, first, _))| *first));
    c.time("last_seen", rows.iter().map(|(_, (.., last))| *last));
    c.encode()
}

/// One row for each identity key of the events.
pub(crate) fn profiles(events: &[EnrichedEvent], key_of: impl Fn(&EnrichedEvent) -> Key) -> Result<Encoded> {
    let mut seen: HashMap<Key, (i64, i64, bool)> = HashMap::new();
    for event in events {
        let at = event.identified.event.event_time_ms;
        let entry = seen.entry(key_of(event)).or_insert((at, at, false));
        entry.0 = entry.0.min(at);
        entry.1 = entry.1.max(at);
        entry.2 |= event.agent.is_bot;
    }
    let rows: Vec<_> = seen.into_iter().collect();
    let mut c = Columns::new("profiles", rows.len());
    c.uuid("identity_key", rows.iter().map(|(key, _)| key.0));
    c.time("first_seen", rows.iter().map(|(_, (first, ..))| *first));
    c.time("last_seen", rows.iter().map(|(_, (_, last, _))| *last));
    c.u8("is_bot", rows.iter().map(|(_, (.., bot))| u8::from(*bot)));
    c.encode()
}

pub(crate) fn identity_map(rows: &[IdentityMapRow]) -> Result<Encoded> {
    let mut c = Columns::new("identity_map", rows.len());
    c.uuid("identity_key", rows.iter().map(|r| r.identity_key.0));
    c.uuid("customer_id", rows.iter().map(|r| r.customer_id.0));
    c.u64("version", rows.iter().map(|r| r.version));
    c.encode()
}

pub(crate) fn links(rows: &[LinkRow]) -> Result<Encoded> {
    let mut c = Columns::new("identity_links", rows.len());
    c.i64("log_offset", rows.iter().map(|r| r.log_offset));
    c.u32("ordinal", rows.iter().map(|r| r.ordinal));
    ends(&mut c, || rows.iter().map(|r| (&r.a, &r.b)));
    c.low("source", rows.iter().map(|r| &r.source));
    c.text("event_id", rows.iter().map(|r| &r.event_id));
    c.time("event_time", rows.iter().map(|r| r.event_time_ms));
    c.time("logged_at", rows.iter().map(|r| r.logged_at_ms));
    c.encode()
}

pub(crate) fn commands(rows: &[CommandRow]) -> Result<Encoded> {
    let none = LinkEnd { key: Key::NIL, kind: Text::default() };
    let mut c = Columns::new("identity_commands", rows.len());
    c.i64("log_offset", rows.iter().map(|r| r.log_offset));
    c.u32("ordinal", rows.iter().map(|r| r.ordinal));
    c.low("command", rows.iter().map(|r| &r.command));
    ends(&mut c, || rows.iter().map(|r| (r.a.as_ref().unwrap_or(&none), r.b.as_ref().unwrap_or(&none))));
    c.flag("suppress", rows.iter().map(|r| r.suppress));
    c.text("note", rows.iter().map(|r| &r.note));
    c.text("rules", rows.iter().map(|r| &r.rules));
    c.time("logged_at", rows.iter().map(|r| r.logged_at_ms));
    c.encode()
}

pub(crate) fn conflicts(rows: &[ConflictRow]) -> Result<Encoded> {
    let mut c = Columns::new("identity_conflicts", rows.len());
    c.i64("log_offset", rows.iter().map(|r| r.log_offset));
    c.u32("ordinal", rows.iter().map(|r| r.ordinal));
    c.low("kind", rows.iter().map(|r| &r.kind));
    c.low("rule", rows.iter().map(|r| &r.rule));
    ends(&mut c, || rows.iter().map(|r| (&r.a, &r.b)));
    c.low("source", rows.iter().map(|r| &r.source));
    c.text("event_id", rows.iter().map(|r| &r.event_id));
    c.time("event_time", rows.iter().map(|r| r.event_time_ms));
    c.time("logged_at", rows.iter().map(|r| r.logged_at_ms));
    c.encode()
}

fn ends<'a, I: Iterator<Item = (&'a LinkEnd, &'a LinkEnd)>>(c: &mut Columns, pairs: impl Fn() -> I) {
    c.uuid("key_a", pairs().map(|(a, _)| a.key.0));
    c.low("type_a", pairs().map(|(a, _)| &a.kind));
    c.uuid("key_b", pairs().map(|(_, b)| b.key.0));
    c.low("type_b", pairs().map(|(_, b)| &b.kind));
}
