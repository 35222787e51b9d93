//! What others ask of the graph.

use rustc_hash::FxHashSet;
use schemas::{Command, Edge, IdentifiedEvent, Identifier, Key, LinkProvenance, Resolved};
use smallvec::SmallVec;
use std::ops::RangeInclusive;

use super::changes::component;
use super::published::{Snapshot, never_linked, pair};
use super::{Component, Conflict, Graph, Stats};
use crate::KeyedEvent;

/// Without a lock.
impl Graph {
    /// The customer of a key as known now.
    pub fn resolve(&self, key: Key) -> Resolved {
        self.published.at_one_epoch(|snapshot| snapshot.resolve(key))
    }

    /// Names each event's customer: that of its strongest identifier that is not shared.
    pub fn identify(&self, events: Vec<KeyedEvent>) -> Vec<IdentifiedEvent> {
        let strongest: Vec<Key> =
            events.iter().map(|keyed| keyed.identifiers.first().map_or(Key::NIL, |i| i.key)).collect();
        let nodes = self.published.find_many(&strongest);
        events.into_iter().zip(nodes).map(|(keyed, node)| self.identify_one(keyed, node)).collect()
    }

    fn identify_one(&self, keyed: KeyedEvent, strongest: Option<u32>) -> IdentifiedEvent {
        let KeyedEvent { event, identifiers, anonymous_key } = keyed;
        let (identity_key, resolved) =
            self.published.at_one_epoch(|snapshot| identity(snapshot, &identifiers, strongest));
        IdentifiedEvent {
            event,
            identifiers,
            identity_key,
            generation: 0,
            customer_id: resolved.customer_id,
            customer_version: resolved.customer_version,
            anonymous_key,
        }
    }

    /// The links that the log does not hold yet: what these events name together and no kept edge says. Each is
    /// returned once, with the first event that names it.
    pub fn missing_links(&self, events: &[KeyedEvent]) -> Vec<Command> {
        let naming_several = || events.iter().filter(|keyed| keyed.identifiers.len() > 1);
        let keys: Vec<Key> = naming_several().flat_map(|keyed| keyed.identifiers.iter().map(|i| i.key)).collect();
        let nodes = self.published.find_many(&keys);
        let mut nodes = nodes.as_slice();
        let mut named = FxHashSet::default();
        let mut commands = Vec::new();
        for KeyedEvent { event, identifiers, .. } in naming_several() {
            let (these, rest) = nodes.split_at(identifiers.len());
            nodes = rest;
            let mut edges = self.published.at_one_epoch(|snapshot| self.unknown_edges(snapshot, identifiers, these));
            edges.retain(|edge| named.insert((edge.hub.key, edge.other.key)));
            if !edges.is_empty() {
                let provenance = LinkProvenance {
                    source: event.source.as_str().into(),
                    event_id: event.event_id.clone(),
                    event_time_ms: event.event_time_ms,
                };
                commands.push(Command::Link { edges: edges.into_vec(), provenance });
            }
        }
        commands
    }

    /// R1: the star around the strongest usable identifier, without what is known.
    fn unknown_edges(
        &self,
        snapshot: &Snapshot<'_>,
        identifiers: &[Identifier],
        nodes: &[Option<u32>],
    ) -> SmallVec<[Edge; 4]> {
        let mut usable = identifiers
            .iter()
            .zip(nodes)
            .filter(|(identifier, _)| self.hasher.type_rule(identifier.kind).links)
            .filter(|(_, node)| !node.is_some_and(|node| snapshot.is_shared(node)));
        let Some((hub, hub_node)) = usable.next() else {
            return SmallVec::new();
        };
        usable
            .filter(|(_, node)| match (hub_node, node) {
                (Some(hub), Some(other)) => !self.published.knows(pair(*hub, *other)),
                _ => true,
            })
            .map(|(other, _)| Edge { hub: *hub, other: *other })
            .collect()
    }
}

/// R3: a shared identifier is the identity of a record that has nothing else.
fn identity(snapshot: &Snapshot<'_>, identifiers: &[Identifier], strongest: Option<u32>) -> (Key, Resolved) {
    let Some((first, others)) = identifiers.split_first() else {
        return (Key::NIL, never_linked(Key::NIL));
    };
    let last_resort = (first.key, snapshot.resolve_found(first.key, strongest));
    if !last_resort.1.shared {
        return last_resort;
    }
    let resolved = others.iter().map(|identifier| (identifier.key, snapshot.resolve(identifier.key)));
    resolved.into_iter().find(|(_, resolved)| !resolved.shared).unwrap_or(last_resort)
}

/// Beside the applier: these wait for the message in flight, and it for them.
impl Graph {
    /// The customer that a key belongs to, with all its keys.
    pub fn members(&self, key: Key) -> Component {
        let state = self.state.read();
        match self.published.find(key) {
            Some(node) => component(&self.published, &state, self.published.current(node).anchor),
            None => Component { customer_id: key, version: 0, keys: vec![Identifier { kind: u8::MAX, key }] },
        }
    }

    /// The conflicts of a range of log offsets, the same in every process and at every time.
    pub fn conflicts_in(&self, offsets: RangeInclusive<i64>) -> Vec<Conflict> {
        let state = self.state.read();
        let start = state.conflicts.partition_point(|kept| kept.offset < *offsets.start());
        let end = state.conflicts.partition_point(|kept| kept.offset <= *offsets.end());
        state.conflict_rows(&self.published, start..end.max(start))
    }

    /// The conflicts of one log message.
    pub fn conflicts_of(&self, offset: i64) -> Vec<Conflict> {
        self.conflicts_in(offset..=offset)
    }

    /// Sizes and counts.
    pub fn stats(&self) -> Stats {
        let state = self.state.read();
        Stats {
            identifiers: state.nodes.len() as u64,
            edges_active: state.counts.active,
            edges_dormant: state.counts.dormant,
            components: state.counts.components,
            merges: state.counts.merges,
            conflicts: state.conflicts.len() as u64,
            shared: state.counts.shared,
            bytes: (state.bytes() + self.published.bytes()) as u64,
        }
    }

    /// A number that is equal in two processes when every key has the same customer in both (ID-1).
    pub fn fingerprint(&self) -> u128 {
        self.state.read().fingerprint
    }

    /// The fingerprint and the offset it belongs to, for comparing processes.
    pub fn fingerprint_at(&self) -> (u128, i64) {
        let state = self.state.read();
        (state.fingerprint, self.published.applied())
    }
}
