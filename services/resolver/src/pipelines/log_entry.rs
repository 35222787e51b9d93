//! Messages of the identity log, and the rows they become.

use ::identity::{Component, Conflict, Hasher};
use schemas::{Command, Edge, Identifier, LinkProvenance, RawBatch, RawRecord, Text};
use store::{CommandRow, ConflictRow, IdentityMapRow, LinkEnd, LinkRow};

use crate::{ResolverError, Result};

/// One message of the log.
pub(crate) struct Entry {
    pub(super) offset: i64,
    append_time_ms: i64,
    commands: Vec<Command>,
}

/// What stands as the source of an edge or a conflict that no record but an operator brought about.
const OPERATOR: &str = "operator";

/// The edges as logged, one row each: those of records, and those that operators made.
pub(super) fn links(entries: &[Entry], hasher: &Hasher) -> Vec<LinkRow> {
    let mut rows = Vec::new();
    for entry in entries {
        let operator =
            LinkProvenance { source: OPERATOR.into(), event_id: Text::default(), event_time_ms: entry.append_time_ms };
        let edges = entry.commands.iter().flat_map(|command| match command {
            Command::Link { edges, provenance } => edges.iter().map(|edge| (*edge, provenance)).collect(),
            Command::Merge { a, b, .. } => vec![(Edge { hub: *a, other: *b }, &operator)],
            _ => Vec::new(),
        });
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

/// What operators told the graph, one row a command.
pub(super) fn commands(entries: &[Entry], hasher: &Hasher) -> Vec<CommandRow> {
    let commands = entries.iter().flat_map(|entry| (0..).zip(&entry.commands).map(move |command| (entry, command)));
    let told = commands.filter(|(_, (_, command))| !matches!(command, Command::Link { .. }));
    let row = |(entry, (ordinal, command)): (&Entry, (u32, &Command))| {
        let mut operands = command.operands().map(|identifier| end(identifier, hasher));
        CommandRow {
            log_offset: entry.offset,
            ordinal,
            command: command.name().into(),
            a: operands.next(),
            b: operands.next(),
            suppress: matches!(command, Command::Erase { suppress: true, .. }),
            note: command.note().cloned().unwrap_or_default(),
            rules: if let Command::Rules { rules_json, .. } = command { rules_json.clone() } else { String::new() },
            logged_at_ms: entry.append_time_ms,
        }
    };
    told.map(row).collect()
}

/// The conflicts that the graph met in these messages, each with the provenance of the command that brought it about.
pub(super) fn conflicts(entries: &[Entry], conflicts: Vec<Conflict>, hasher: &Hasher) -> Vec<ConflictRow> {
    let row = |conflict: Conflict| {
        let entry = entries.binary_search_by_key(&conflict.log_offset, |entry| entry.offset).ok()?;
        let (source, event_id, event_time_ms) = match entries[entry].commands.get(conflict.command as usize)? {
            Command::Link { provenance, .. } => {
                (provenance.source.clone(), provenance.event_id.clone(), provenance.event_time_ms)
            }
            _ => (OPERATOR.into(), Text::default(), conflict.logged_at_ms),
        };
        Some(ConflictRow {
            log_offset: conflict.log_offset,
            ordinal: conflict.ordinal,
            kind: conflict.kind.as_str().into(),
            rule: conflict.rule.as_str().into(),
            a: end(conflict.a, hasher),
            b: end(conflict.b, hasher),
            source,
            event_id,
            event_time_ms,
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
