//! Messages of the identity log, and the rows they become.

use ::identity::{Component, Conflict, Hasher};
use schemas::{Command, Identifier, RawBatch, RawRecord};
use store::{ConflictRow, IdentityMapRow, LinkEnd, LinkRow};

use crate::{ResolverError, Result};

/// One message of the log.
pub(crate) struct Entry {
    pub(super) offset: i64,
    append_time_ms: i64,
    commands: Vec<Command>,
}

/// The edges as logged, one row each.
pub(super) fn links(entries: &[Entry], hasher: &Hasher) -> Vec<LinkRow> {
    let mut rows = Vec::new();
    for entry in entries {
        let links = entry.commands.iter().filter_map(|command| match command {
            Command::Link { edges, provenance } => Some((edges, provenance)),
            _ => None,
        });
        let edges = links.flat_map(|(edges, provenance)| edges.iter().map(move |edge| (edge, provenance)));
        for (ordinal, (edge, provenance)) in (0..).zip(edges) {
            rows.push(LinkRow {
                log_offset: entry.offset,
                ordinal,
                a: end(edge.hub, hasher),
                b: end(edge.other, hasher),
                source: provenance.source.clone(),
                event_id: provenance.event_id.clone(),
                event_time_ms: provenance.event_time_ms,
                logged_at_ms: entry.append_time_ms,
            });
        }
    }
    rows
}

/// The conflicts that the graph met in these messages, each with the provenance of the command that brought it about.
pub(super) fn conflicts(entries: &[Entry], conflicts: Vec<Conflict>, hasher: &Hasher) -> Vec<ConflictRow> {
    let row = |conflict: Conflict| {
        let entry = entries.binary_search_by_key(&conflict.log_offset, |entry| entry.offset).ok()?;
        let Command::Link { provenance, .. } = entries[entry].commands.get(conflict.command as usize)? else {
            return None;
        };
        Some(ConflictRow {
            log_offset: conflict.log_offset,
            ordinal: conflict.ordinal,
            kind: conflict.kind.as_str().into(),
            rule: conflict.rule.as_str().into(),
            a: end(conflict.a, hasher),
            b: end(conflict.b, hasher),
            source: provenance.source.clone(),
            event_id: provenance.event_id.clone(),
            event_time_ms: provenance.event_time_ms,
            logged_at_ms: conflict.logged_at_ms,
        })
    };
    conflicts.into_iter().filter_map(row).collect()
}

fn end(identifier: Identifier, hasher: &Hasher) -> LinkEnd {
    LinkEnd { key: identifier.key, kind: hasher.type_name(identifier.kind).into() }
}

pub(super) fn map_rows(components: &[Component]) -> Vec<IdentityMapRow> {
    let rows = components.iter().flat_map(|component| {
        let (customer_id, version) = (component.customer_id, component.version);
        component.keys.iter().map(move |member| IdentityMapRow { identity_key: member.key, customer_id, version })
    });
    rows.collect()
}

pub(super) fn decode(raw: &RawBatch, record: &RawRecord) -> Result<Entry> {
    let commands = schemas::command::decode_commands(record.payload.as_deref().unwrap_or_default());
    let commands = commands.map_err(|error| ResolverError::Undecodable {
        topic: raw.topic.to_string(),
        partition: raw.partition,
        offset: record.offset,
        detail: error.to_string(),
    })?;
    Ok(Entry { offset: record.offset, append_time_ms: record.append_time_ms, commands })
}
